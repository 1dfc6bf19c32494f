// The sensor's own losses of one writer: intervals of packet time in which packets may be missing.
//
// One thread writes, any thread asks. Bounded: the newest intervals are kept, and a question about a time older than the
// oldest kept one is answered "was losing". An absence must not be held against the device where this says so.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>

namespace parallax {

class LossLog {
 public:
  static constexpr size_t kIntervals = 256;
  static constexpr int64_t kMergeGapNs = 1'000'000;  // losses closer than this are one interval

  // Writer. `from_ns <= to_ns`; intervals come in order of their end.
  // MUST be called before any later packet of that source is released (pushed, or covered by a watermark).
  void add(int64_t from_ns, int64_t to_ns, uint64_t count) {
    lost_.store(lost_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    const uint64_t head = head_.load(std::memory_order_relaxed);
    if (head > 0) {
      Interval& last = intervals_[(head - 1) % kIntervals];
      if (from_ns <= last.to.load(std::memory_order_relaxed) + kMergeGapNs) {
        if (from_ns < last.from.load(std::memory_order_relaxed)) last.from.store(from_ns, std::memory_order_release);
        if (to_ns > last.to.load(std::memory_order_relaxed)) last.to.store(to_ns, std::memory_order_release);
        return;
      }
    }
    Interval& next = intervals_[head % kIntervals];
    next.from.store(from_ns, std::memory_order_release);
    next.to.store(to_ns, std::memory_order_release);
    head_.store(head + 1, std::memory_order_release);
  }

  // Any thread. Whether packets stamped within [from_ns, to_ns] may be missing.
  bool losing(int64_t from_ns, int64_t to_ns) const {
    const uint64_t head = head_.load(std::memory_order_acquire);
    if (head == 0) return false;
    const uint64_t kept = std::min<uint64_t>(head, kIntervals);
    int64_t oldest = std::numeric_limits<int64_t>::max();
    for (uint64_t i = head - kept; i < head; ++i) {
      const Interval& interval = intervals_[i % kIntervals];
      const int64_t from = interval.from.load(std::memory_order_acquire), to = interval.to.load(std::memory_order_acquire);
      if (from <= to_ns && to >= from_ns) return true;
      oldest = std::min(oldest, from);
    }
    return head > kIntervals && from_ns < oldest;
  }

  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  struct Interval {
    std::atomic<int64_t> from{0}, to{0};
  };
  std::array<Interval, kIntervals> intervals_;
  std::atomic<uint64_t> head_{0};
  std::atomic<uint64_t> lost_{0};
};

}  // namespace parallax
