// How long a proxy took to pass the messages of one connection on, one side's: each of the first few, and of thousands a sketch.
//
// One thread. Exact up to kExactMax; beyond, quantiles within 5 % (TransitSketch). Bounded by one sketch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analysis/model/rare_list.h"
#include "analysis/model/transit_sketch.h"

namespace parallax {

class TurnTransits {
 public:
  static constexpr size_t kExactMax = 64;

  // REQUIRES: transit_ns >= 0.
  void add(int64_t transit_ns) {
    if (sketch_.empty() && exact_.size() < kExactMax) {
      exact_.push_back(transit_ns);
      return;
    }
    if (sketch_.empty()) {
      sketch_.push_back({});
      for (const int64_t each : exact_) sketch_.front().add(each);
      exact_.clear();
    }
    sketch_.front().add(transit_ns);
  }

  // While they are exact.
  std::span<const int64_t> exact() const { return exact_; }
  std::optional<Distribution> distribution() const {
    if (!sketch_.empty()) return sketch_.front().distribution();
    if (exact_.empty()) return std::nullopt;
    std::vector<int64_t> sorted(exact_.begin(), exact_.end());
    std::sort(sorted.begin(), sorted.end());
    const size_t count = sorted.size();
    return Distribution{.min_ns = sorted.front(),
                        .median_ns = sorted[(count - 1) / 2],
                        .p99_ns = sorted[(count * 99 + 99) / 100 - 1],
                        .max_ns = sorted.back(),
                        .count = count};
  }

 private:
  RareList<int64_t> exact_;
  RareList<TransitSketch<uint32_t>> sketch_;  // none, or one
};

}  // namespace parallax
