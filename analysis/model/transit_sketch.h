// Durations in logarithmic buckets: quantiles within 5 %, constant memory, mergeable by addition.
//
// Eight buckets an octave from 64 ns to 68 s, cut where multiples of 1/32 of the octave come nearest to powers of
// 2^(1/8). The widest bucket is [1.53125, 1.6875), so its geometric middle is within sqrt(1.102) - 1 = 5.0 % of its values.
// CounterT is Counter (one writer, any readers) for a device and uint32_t (one thread) for its proxied connections; a single
// pair of legs has TransitCells.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "analysis/model/model.h"
#include "capture/core/counter.h"

namespace parallax {

namespace transit {
inline constexpr int kFirstOctave = 6, kLastOctave = 35, kBucketsPerOctave = 8;
inline constexpr int kBuckets = 1 + (kLastOctave - kFirstOctave + 1) * kBucketsPerOctave;
inline constexpr std::array<uint8_t, 9> kEdges{0, 3, 6, 10, 13, 17, 22, 27, 32};  // in 1/32 of the octave
// By octave and 1/32 of it.
inline constexpr std::array<uint8_t, 32 * (kLastOctave - kFirstOctave + 1)> kBucketOf = [] {
  std::array<uint8_t, 32 * (kLastOctave - kFirstOctave + 1)> table{};
  for (size_t octave = 0; octave < table.size() / 32; ++octave)
    for (size_t bucket = 0; bucket < kBucketsPerOctave; ++bucket)
      for (size_t m = kEdges[bucket]; m < kEdges[bucket + 1]; ++m)
        table[octave * 32 + m] = static_cast<uint8_t>(1 + octave * kBucketsPerOctave + bucket);
  return table;
}();
static_assert(kBuckets <= 256);

constexpr int bucket_of(uint64_t ns) {
  if (ns < uint64_t{1} << kFirstOctave) return 0;
  if (ns >= uint64_t{1} << (kLastOctave + 1)) return kBuckets - 1;
  // The exponent of a double is the octave, and its first five bits behind the point are which 1/32 of it (IEEE 754).
  constexpr int kMantissaBits = 52, kBias = 1023;
  const auto bits = std::bit_cast<uint64_t>(static_cast<double>(static_cast<int64_t>(ns)));
  return kBucketOf[(bits >> (kMantissaBits - 5)) - uint64_t{kBias + kFirstOctave} * 32];
}
// Where a bucket begins. The first one has everything below: as if it began two octaves lower.
inline double begin_of(int bucket) {
  if (bucket == 0) return 1 << (kFirstOctave - 2);
  const int octave = kFirstOctave + (bucket - 1) / kBucketsPerOctave, part = (bucket - 1) % kBucketsPerOctave;
  return std::ldexp(1 + kEdges[static_cast<size_t>(part)] / 32.0, octave);
}
inline int64_t middle_of(int bucket) { return static_cast<int64_t>(std::sqrt(begin_of(bucket) * begin_of(bucket + 1))); }
inline uint64_t rank_of(double quantile, uint64_t count) {
  return std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(quantile * static_cast<double>(count))));
}
}  // namespace transit

// A sum of sketches, for reading.
struct TransitSum {
  std::array<uint64_t, transit::kBuckets> buckets{};
  uint64_t count = 0;
  int64_t min_ns = 0, max_ns = 0;

  Distribution distribution() const {
    return {.min_ns = min_ns, .median_ns = quantile(0.5), .p99_ns = quantile(0.99), .max_ns = max_ns, .count = count};
  }
  int64_t quantile(double q) const {
    const uint64_t rank = transit::rank_of(q, count);
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets.size(); ++i) {
      seen += buckets[i];
      if (seen >= rank) return std::clamp(transit::middle_of(static_cast<int>(i)), min_ns, max_ns);
    }
    return max_ns;
  }
};

template <typename CounterT>
class alignas(64) TransitSketch {
 public:
  // REQUIRES: duration_ns >= 0.
  void add(int64_t duration_ns) { add(duration_ns, transit::bucket_of(static_cast<uint64_t>(duration_ns))); }
  // `bucket`: where it belongs, by transit::bucket_of().
  void add(int64_t duration_ns, int bucket) {
    const auto ns = static_cast<uint64_t>(duration_ns);
    increment(buckets_[static_cast<size_t>(bucket)]);
    if (value(count_) == 0 || ns < value(min_)) set(min_, ns);
    if (ns > value(max_)) set(max_, ns);
    increment(count_);
  }
  uint64_t count() const { return value(count_); }
  int64_t max_ns() const { return static_cast<int64_t>(value(max_)); }

  void add_to(TransitSum& sum) const {
    if (count() == 0) return;
    for (size_t i = 0; i < sum.buckets.size(); ++i) sum.buckets[i] += value(buckets_[i]);
    const auto low = static_cast<int64_t>(value(min_));
    sum.min_ns = sum.count == 0 ? low : std::min(sum.min_ns, low);
    sum.max_ns = std::max(sum.max_ns, max_ns());
    sum.count += count();
  }
  Distribution distribution() const {
    TransitSum sum;
    add_to(sum);
    return sum.distribution();
  }

 private:
  using Extreme = std::conditional_t<std::is_same_v<CounterT, Counter>, Counter, uint64_t>;
  static uint64_t value(const Counter& c) { return c.get(); }
  static uint64_t value(uint64_t c) { return c; }
  static void increment(Counter& c) { c.add(); }
  static void increment(uint32_t& c) { ++c; }
  static void set(Counter& c, uint64_t v) { c.add(v - c.get()); }
  static void set(uint64_t& c, uint64_t v) { c = v; }

  CounterT count_{};
  Extreme min_{}, max_{};
  std::array<CounterT, transit::kBuckets> buckets_{};
};

}  // namespace parallax
