// How long a device takes to pass a message on: what has been seen of it so far, over a broad expectation.
//
// A histogram by powers of two of a microsecond. Pure; one owner.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace parallax {

class DelayModel {
 public:
  static constexpr int64_t kLongestNs = 10'000'000'000;  // what took longer is not expected at all

  // `share`: how probable it is that it took so long.
  void learn(int64_t delay_ns, double share = 1) {
    if (delay_ns < 0 || delay_ns > kLongestNs) return;
    seen_[bucket_of(delay_ns)] += share;
    sum_ += share;
  }

  // Probability per second that a message takes so long, where the stamps may be wrong by so much either way.
  double density(int64_t delay_ns, int64_t uncertainty_ns = 0) const {
    if (delay_ns < -uncertainty_ns || delay_ns > kLongestNs) return 0;
    const double least_s = std::max<double>(0, static_cast<double>(delay_ns - uncertainty_ns) * 1e-9);
    const double most_s = std::max(least_s + 1e-9, static_cast<double>(delay_ns + uncertainty_ns) * 1e-9);
    double sum = 0;
    for (size_t bucket = bucket_of(std::max<int64_t>(0, delay_ns - uncertainty_ns)); bucket < kBuckets; ++bucket) {
      const double begins_s = bucket == 0 ? 0 : static_cast<double>(uint64_t{1} << bucket) * 1e-6;
      const double ends_s = static_cast<double>(uint64_t{2} << bucket) * 1e-6;
      if (begins_s >= most_s) break;
      sum += mass(bucket) * (std::min(ends_s, most_s) - std::max(begins_s, least_s)) / (ends_s - begins_s);
    }
    return sum / std::max(most_s - least_s, 2e-9 * static_cast<double>(uncertainty_ns));
  }
  // Probability that it takes longer.
  double beyond(int64_t delay_ns) const {
    if (delay_ns < 0) return 1;
    double sum = 0;
    for (size_t bucket = bucket_of(delay_ns) + 1; bucket < kBuckets; ++bucket) sum += mass(bucket);
    return sum;
  }

 private:
  static constexpr size_t kBuckets = 24;     // up to 16 s
  static constexpr double kExpected = 12.0;  // observations that the expectation weighs: any power of two is as likely as another

  double mass(size_t bucket) const { return (seen_[bucket] + kExpected / kBuckets) / (sum_ + kExpected); }
  static size_t bucket_of(int64_t delay_ns) {
    const auto us = static_cast<uint64_t>(delay_ns / 1000);
    return std::min<size_t>(us == 0 ? 0 : static_cast<size_t>(std::bit_width(us) - 1), kBuckets - 1);
  }

  std::array<double, kBuckets> seen_{};
  double sum_ = 0;
};

}  // namespace parallax
