// Finds the legs that have shown a key: five-tuple, initial sequence number, whatever the methods of pairing look for.
//
// One thread. Entries age out in packet time; each key is a chain from the newest entry back, so that adding and forgetting cost
// the same however many legs share it. Hashes are keyed: nobody outside can choose keys that collide.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/inlined_vector.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "analysis/model/shards.h"
#include "analysis/model/sides.h"

namespace parallax {

class PairingIndex {
 public:
  static constexpr size_t kEntriesMax = 1 << 20;  // of each window; the oldest go first, counted
  static constexpr size_t kCandidatesMax = 16;    // the newest; a key that more share is itself no evidence
  enum class Window : uint8_t { opening, midstream };
  // Two openings of one connection are not further apart; without an opening the first packets may be.
  static constexpr ForBoth<Window, int64_t> kWindowNs{10'000'000'000, 300'000'000'000};

  struct Candidates {
    absl::InlinedVector<uint64_t, kCandidatesMax> legs;  // LegId::value(), oldest first, at most kCandidatesMax of a window
    size_t others = 0;                                   // older ones beyond these
  };

  // REQUIRES: `now_ns` never goes back.
  void add(uint64_t key, uint64_t leg_id, Window window, int64_t now_ns);
  void expire(int64_t now_ns);
  Candidates find(uint64_t key) const;
  uint64_t evicted() const { return evicted_; }

 private:
  // Numbers of entries and of showings are those of all time, modulo 2^32: of those that are kept no two are alike.
  struct Entry {
    uint64_t key;
    uint32_t previous;  // number of the entry before it in its chain, as far as that has one
    uint32_t showing;
  };
  // What entries have in common that a leg has added at once.
  struct Showing {
    int64_t until_ns;
    uint64_t leg_id;
    bool operator==(const Showing&) const = default;
  };
  struct Chain {
    uint32_t newest = 0;
    uint32_t size = 0;
  };
  struct SameHash {
    size_t operator()(uint64_t key) const { return key; }  // keys are keyed hashes already
  };
  // In order of age: entry n is entries[n - first].
  struct Aging {
    std::deque<Entry> entries;
    std::deque<Showing> showings;
    uint32_t first = 0, first_showing = 0;
    Shards<absl::flat_hash_map<uint64_t, Chain, SameHash>> chains;

    const Entry& entry(uint32_t number) const { return entries[number - first]; }
    const Showing& showing_of(const Entry& entry) const { return showings[entry.showing - first_showing]; }
  };
  static void forget_oldest(Aging& aging);

  ForBoth<Window, Aging> windows_;
  uint64_t evicted_ = 0;
};

}  // namespace parallax
