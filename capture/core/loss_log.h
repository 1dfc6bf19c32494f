// Intervals of packet time in which packets may be missing from what one writer hands on: lost by the sensor, or not to be read.
//
// One thread writes, any thread asks. Bounded: the newest intervals are kept, and a question about a time older than the
// oldest kept one is answered "was losing". An absence must not be held against the device where this says so.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

namespace parallax {

class LossLog {
 public:
  static constexpr size_t kIntervals = 256;
  static constexpr int64_t kMergeGapNs = 1'000'000;  // losses closer than this are one interval

  explicit LossLog(size_t intervals = kIntervals) : intervals_(intervals) {}

  // Writer. `from_ns <= to_ns`; intervals come in order of their end.
  // MUST be called before any later packet of that source is released (pushed, or covered by a watermark).
  void add(int64_t from_ns, int64_t to_ns, uint64_t count) {
    lost_.store(lost_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    const uint64_t head = head_.load(std::memory_order_relaxed);
    if (head > 0) {
      Interval& last = intervals_[(head - 1) % intervals_.size()];
      if (from_ns <= last.to.load(std::memory_order_relaxed) + kMergeGapNs) {
        if (from_ns < last.from.load(std::memory_order_relaxed)) last.from.store(from_ns, std::memory_order_release);
        if (to_ns > last.to.load(std::memory_order_relaxed)) last.to.store(to_ns, std::memory_order_release);
        return;
      }
    }
    Interval& next = intervals_[head % intervals_.size()];
    next.from.store(from_ns, std::memory_order_release);
    next.to.store(to_ns, std::memory_order_release);
    head_.store(head + 1, std::memory_order_release);
  }

  // Any thread. Whether packets stamped within [from_ns, to_ns] may be missing.
  bool losing(int64_t from_ns, int64_t to_ns) const {
    const uint64_t head = head_.load(std::memory_order_acquire);
    if (head == 0) return false;
    const uint64_t kept = std::min<uint64_t>(head, intervals_.size());
    for (uint64_t i = head; i > head - kept; --i) {  // from the newest on: they are in order of their end
      const Interval& interval = intervals_[(i - 1) % intervals_.size()];
      if (interval.to.load(std::memory_order_acquire) < from_ns) return false;
      if (interval.from.load(std::memory_order_acquire) <= to_ns) return true;
    }
    return head > kept;
  }

  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  struct Interval {
    std::atomic<int64_t> from{0}, to{0};
  };
  std::vector<Interval> intervals_;
  std::atomic<uint64_t> head_{0};
  std::atomic<uint64_t> lost_{0};
};

}  // namespace parallax
