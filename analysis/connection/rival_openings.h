// SYNs at each point whose legs are still without a partner at a neighbouring point. One of them may be the continuation of a SYN
// that seems to have been dropped between there and here: a proxy answers by itself, and opens a connection of its own; and where
// a device rewrites both names and sequence numbers nothing else tells which SYN is which.
//
// The same of the first datagrams of legs. Indexed by what such a continuation has in common with the connection: the server's
// port, the client's address or the server's address; once somebody asks, or kUnindexedMax are waiting for that, so that no
// answer takes long: by then most have found their partner, and need not be found. Each SYN counts, not only a leg's first: the
// SYN that the first one continues may not have been captured. The correlator's, one thread. Kept for kKeptNs of packet time, at
// most kOpeningsMax a point; the oldest go first, counted.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "analysis/connection/connection.h"
#include "analysis/model/shards.h"
#include "capture/core/port.h"

namespace parallax {

class RivalOpenings {
 public:
  static constexpr int64_t kKeptNs = 60'000'000'000;
  static constexpr size_t kOpeningsMax = 1 << 16;
  static constexpr size_t kUnindexedMax = 1 << 12;  // of a point: to index them takes some milliseconds

  struct Query {
    PointIndex point;
    bool either_way;              // which way the leg's own SYNs went is a guess: they may continue what went the other way
    std::optional<uint32_t> isn;  // a continuation would bear this initial sequence number; none: whatever it bears
    std::vector<uint64_t> own;    // legs that are no rivals: LegId::value()
    bool keeps_names = false;     // a continuation would come from the same address
  };

  // A SYN of its, or what shows that there was one, under way in that direction as far as its port tells: toward the inside it
  // can go on only what an outer point has seen. REQUIRES: in the order of time.
  void add(const LegState& leg, int64_t order_ns, uint32_t isn, PortDirection direction);
  // The leg has found its partner at that neighbouring point, or at its own before a hairpin: then it continues no other.
  void remove(const LegState& leg, PointIndex partner);
  // It has lost it again.
  void restore(const LegState& leg, PointIndex partner, PortDirection direction);

  // Whether a SYN without a partner on `leg`'s side was seen between the two times that may be the continuation of one of
  // `leg`'s.
  bool any(const LegState& leg, const Query& query, int64_t from_ns, int64_t to_ns) const;
  uint64_t evicted() const { return evicted_; }

 private:
  static constexpr size_t kKeys = 3;
  using Keys = std::array<uint64_t, kKeys>;                               // by what asks are found
  using Alike = absl::btree_map<std::pair<int64_t, uint64_t>, uint32_t>;  // (order time, leg): initial sequence number
  struct Opening {
    int64_t order_ns;
    uint64_t leg_id;
    Keys keys;
    uint32_t isn;
    PerPathSide<bool> lacks;  // a partner on that side
  };
  // Of a point, in the order of time.
  struct Openings {
    std::deque<Opening> by_age;
    mutable size_t indexed = 0;  // of them, the oldest
  };
  struct SameHash {
    size_t operator()(uint64_t key) const { return key; }  // keys are hashes already
  };
  static Keys keys_of(const LegState& leg, PointIndex point);
  // Of an opening that lacks a partner on that side of its point.
  static uint64_t on_side(uint64_t key, PathSide side) { return key + static_cast<uint64_t>(side); }
  static bool may_lack(PathSide side, PortDirection direction) {
    return direction != (side == PathSide::outer ? PortDirection::toward_outside : PortDirection::toward_inside);
  }
  template <typename Change>
  void for_each_of(const LegState& leg, Change&& change);
  void set(const LegState& leg, PathSide side, bool lacks);
  void index(PointIndex point) const;
  void index_next(const Openings& openings) const;
  void note(const Opening& opening, PathSide side) const;
  void forget(const Opening& opening, PathSide side);

  mutable Shards<absl::flat_hash_map<uint64_t, Alike, SameHash>> by_key_;
  std::array<Openings, kPointsMax> points_;
  uint64_t evicted_ = 0;
};

}  // namespace parallax
