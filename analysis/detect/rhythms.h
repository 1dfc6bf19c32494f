// Which client opens connections to which service again and again at even intervals.
//
// Kept of a client and a service: the last times; openings close together are one. The correlator's, one thread; bounded, the
// pair that was longest quiet goes first, counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "analysis/event/events.h"
#include "analysis/finding/observation.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/lru_table.h"
#include "analysis/model/thresholds.h"

namespace parallax {

class Rhythms {
 public:
  static constexpr size_t kPairsMax = 1 << 12;
  static constexpr int64_t kTogetherNs = 5'000'000'000;  // several connections may be opened for one errand
  static constexpr int64_t kEven = 25;                   // an interval may differ from the middle one by one part in so many,
  static constexpr int64_t kSlackNs = 500'000'000;       // or by a scheduler's half second

  // An opening of the source toward the service, in order of time. Appends to `out` what is to be told now.
  void take(Observation opening, const PacketFacts& syn, const Thresholds& thresholds, std::vector<Observation>& out);

  uint64_t evicted() const { return pairs_.evicted(); }

 private:
  struct Time {
    int64_t at_ns;
    uint32_t openings;
  };
  struct Pair {
    std::vector<Time> times{};  // the newest last; as many as it takes
    bool is_told = false;
  };
  static int64_t period_of(const std::vector<Time>& times, const Thresholds& thresholds);

  struct SameHash {
    size_t operator()(uint64_t key) const { return key; }  // keys are keyed hashes already
  };
  LruTable<uint64_t, Pair, SameHash> pairs_{kPairsMax};
};

}  // namespace parallax
