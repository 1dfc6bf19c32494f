// How many datagrams each source has sent to each address lately, without an answer: what is told only of very many in a short
// time.
//
// The correlator's, one thread; bounded, the pair that was longest quiet goes first, counted.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/finding/observation.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/lru_table.h"
#include "analysis/model/thresholds.h"

namespace parallax {

class DatagramFloods {
 public:
  static constexpr size_t kPairsMax = 1 << 11;
  static constexpr int64_t kQuietNs = 10'000'000'000;  // after which it is another flood

  struct Count {
    uint64_t datagrams = 0, fragments = 0;
  };

  // What one conversation has shown, as `datagram_flood` from `sent.source` to `sent.service`. Appends to `out` what is to be
  // told now, as `datagram_flood` and as `fragment_flood`.
  void take(Observation sent, const Count& count, const Thresholds& thresholds, std::vector<Observation>& out);

  uint64_t evicted() const { return pairs_.evicted(); }

 private:
  struct Pair {
    Address source, target;
    bool operator==(const Pair&) const = default;
  };
  struct PairHash {
    size_t operator()(const Pair& pair) const { return KeyedHash().add(pair.source).add(pair.target).value(); }
  };
  struct Sum {
    uint64_t total = 0, untold = 0;
  };
  struct Series {
    int64_t first_ns = 0, last_ns = INT64_MIN / 2;
    Sum datagrams, fragments;
    bool is_flood = false;  // of datagrams, as told
  };
  struct Flood {
    FindingKind kind;
    uint32_t least, per_second;
  };
  static void tell(Sum& sum, const Series& series, Observation form, const Flood& flood, std::vector<Observation>& out);

  LruTable<Pair, Series, PairHash> pairs_{kPairsMax};
};

}  // namespace parallax
