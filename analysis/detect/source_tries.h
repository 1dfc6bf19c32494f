// What sources have tried in vain lately: what is told only of a source that has tried many hosts and ports.
//
// Kept of a source until then: tries each at a host and at a port that none of the others has. Many of these are many hosts and
// many ports; a client of one service, a resolver and the scan of one host leave one. The correlator's, one thread; bounded, the
// source that was longest quiet goes first, counted.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/finding/observation.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/lru_table.h"
#include "analysis/model/thresholds.h"

namespace parallax {

class SourceTries {
 public:
  static constexpr size_t kSourcesMax = 1 << 11;

  // A try of the source at the service. Appends to `out` what is to be told now: those before, too, where this is one too many.
  // What has been told goes on until a silence of fan_out_within.
  void take(Observation tried, bool in_vain, const Thresholds& thresholds, std::vector<Observation>& out);

  uint64_t evicted() const { return sources_.evicted(); }

 private:
  struct Source {
    int64_t since_ns = 0;  // the first try; once told, the last one
    uint64_t answered = 0, in_vain = 0;
    uint64_t passed_over = 0;  // of those in vain: not kept
    bool is_told = false;
    std::vector<Observation> kept{};  // until told
  };

  LruTable<Address, Source, KeyedHashOf<Address>> sources_{kSourcesMax};
};

}  // namespace parallax
