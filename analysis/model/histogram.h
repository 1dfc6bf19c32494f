// A Prometheus histogram with one writer and any readers.
#pragma once

#include <algorithm>
#include <array>

#include "analysis/model/engine_counters.h"
#include "analysis/model/transit_sketch.h"
#include "capture/core/counter.h"

namespace parallax {

class Histogram {
 public:
  // REQUIRES: ns >= 0, so that the sum never falls; what the stamps cannot tell is no sample.
  void add(int64_t ns) {
    const auto bucket = std::lower_bound(kHistogramBoundsNs.begin(), kHistogramBoundsNs.end(), ns) - kHistogramBoundsNs.begin();
    counts_[static_cast<size_t>(bucket)].add();
    fine_[static_cast<size_t>(transit::bucket_of(static_cast<uint64_t>(ns)))].add();
    sum_ns_.add(static_cast<uint64_t>(ns));
  }
  void add_to(HistogramSnapshot& snapshot) const {
    for (size_t i = 0; i < counts_.size(); ++i) snapshot.counts[i] += counts_[i].get();
    for (size_t i = 0; i < fine_.size(); ++i) snapshot.fine[i] += fine_[i].get();
    snapshot.sum_ns += static_cast<int64_t>(sum_ns_.get());
  }

 private:
  std::array<Counter, kHistogramBoundsNs.size() + 1> counts_;
  std::array<Counter, transit::kBuckets> fine_;
  Counter sum_ns_;
};

}  // namespace parallax
