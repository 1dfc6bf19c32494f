// How long the packets of one pair of legs took in one direction, in one cache line: count, least and largest are exact,
// quantiles within 5 %, or interpolated where they spread so far (over two octaves) that cells had to be made wider.
//
// A cell is a bucket of TransitSketch (once there are too many: two, four, ... of them side by side) and how many fell into it.
// The transits of one connection fall into few buckets, and one far out has a cell of its own: it does not blur the others.
#pragma once

#include <emmintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <utility>

#include "analysis/model/transit_sketch.h"

namespace parallax {

class alignas(64) TransitCells {
 public:
  static constexpr size_t kCells = 14;

  // `bucket`: where it belongs, by transit::bucket_of(). REQUIRES: duration_ns >= 0.
  void add(int64_t duration_ns, int bucket) {
    uint32_t places = with_bucket(bucket);
    while (places == 0) [[unlikely]] {
        if (used_ < kCells) {
          bucket_[used_] = static_cast<uint8_t>(bucket >> shift_);
          hits_[used_++] = 0;
        } else {
          widen();
        }
        places = with_bucket(bucket);
      }
    uint16_t& hits = hits_[static_cast<size_t>(std::countr_zero(places))];
    if (hits == 0xffff) [[unlikely]]
      halve();
    ++hits;
    if (count_ == 0 || duration_ns < min_ns_) min_ns_ = duration_ns;
    max_ns_ = std::max(max_ns_, duration_ns);
    ++count_;
  }

  uint32_t count() const { return count_; }
  Distribution distribution() const {
    std::array<std::pair<uint8_t, uint16_t>, kCells> cells{};
    uint64_t hits = 0;
    for (size_t i = 0; i < used_; ++i) {
      cells[i] = {bucket_[i], hits_[i]};
      hits += hits_[i];
    }
    std::sort(cells.begin(), cells.begin() + used_);
    const auto quantile = [&](double q) {
      const uint64_t rank = transit::rank_of(q, hits);
      uint64_t before = 0;
      for (size_t i = 0; i < used_; before += cells[i++].second) {
        if (before + cells[i].second < rank) continue;
        const double part = static_cast<double>(rank - before) / cells[i].second;
        return std::clamp(within(cells[i].first, part), min_ns_, max_ns_);
      }
      return max_ns_;
    };
    return {.min_ns = min_ns_, .median_ns = quantile(0.5), .p99_ns = quantile(0.99), .max_ns = max_ns_, .count = count_};
  }

 private:
  // What has so much of a cell below it: of a bucket the middle is always near enough, of a wide cell it is not.
  int64_t within(int cell, double part) const {
    const int first = cell << shift_, end = std::min(first + (1 << shift_), transit::kBuckets);
    const double from = transit::begin_of(first), to = transit::begin_of(end);
    return static_cast<int64_t>(from * std::pow(to / from, shift_ == 0 ? 0.5 : part));
  }
  // Bit i: cell i holds that bucket.
  uint32_t with_bucket(int bucket) const {
    static_assert(kCells + 2 == sizeof(__m128i));
    const __m128i cells = _mm_load_si128(reinterpret_cast<const __m128i*>(bucket_.data()));
    const int equal = _mm_movemask_epi8(_mm_cmpeq_epi8(cells, _mm_set1_epi8(static_cast<char>(bucket >> shift_))));
    return static_cast<uint32_t>(equal) & ((1u << used_) - 1);
  }
  // Each cell takes twice as many buckets, and those that now are one become one.
  void widen() {
    ++shift_;
    const size_t before = std::exchange(used_, uint8_t{0});
    for (size_t i = 0; i < before; ++i) {
      const auto bucket = static_cast<uint8_t>(bucket_[i] >> 1);
      const auto same = static_cast<size_t>(std::find(bucket_.begin(), bucket_.begin() + used_, bucket) - bucket_.begin());
      if (same == used_) {
        bucket_[used_] = bucket;
        hits_[used_++] = hits_[i];
      } else {
        while (hits_[i] > 0xffff - hits_[same]) halve();
        hits_[same] = static_cast<uint16_t>(hits_[same] + hits_[i]);
      }
    }
  }
  // One is full: what each holds in proportion is all that counts. None becomes empty.
  void halve() {
    for (uint16_t& hits : hits_) hits = static_cast<uint16_t>(hits - hits / 2);
  }

  std::array<uint8_t, kCells> bucket_{};  // what each cell holds, in units of 2^shift_; valid are used_ of them
  uint8_t used_ = 0, shift_ = 0;
  std::array<uint16_t, kCells> hits_{};
  uint32_t count_ = 0;
  int64_t min_ns_ = 0, max_ns_ = 0;
};
static_assert(sizeof(TransitCells) == 64);

}  // namespace parallax
