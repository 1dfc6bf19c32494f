// The sensor's one clock: the processor's time stamp counter, disciplined against the system's clock without steps.
//
// One instance for all ports. now_ns() is for any thread: rx workers read it once for each burst, so that stamps of
// different ports compare. discipline() is called by one thread, about every second. What the clock says never goes
// back and never jumps: an offset to the system's clock is slewed away, at most 0.5 % fast or slow. (Should that thread be
// held up for 125 ms between two lines, a reader may see it go back by the change of rate in that time.)
//
// Three parts: readings (counter and system time together), the discipline (pure, from readings to line segments), and
// the clock that publishes the newest two segments to its readers.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace parallax {

// The system's time as it was when the counter stood at `ticks`, give or take `error_ticks`.
struct ClockReading {
  uint64_t ticks;
  int64_t utc_ns;
  uint64_t error_ticks;
};

// From `ticks` on the clock says utc_ns + (now - ticks) * ns_per_tick.
struct ClockSegment {
  uint64_t ticks;
  int64_t utc_ns;
  double ns_per_tick;

  // Signed: a reader that took its counter just before the segment began is answered as well.
  // A double holds the product to a nanosecond for 100 days, and segments live for seconds.
  int64_t at(uint64_t now_ticks) const {
    return utc_ns + static_cast<int64_t>(static_cast<double>(static_cast<int64_t>(now_ticks - ticks)) * ns_per_tick);
  }
};

// Pure; one thread.
class ClockDiscipline {
 public:
  static constexpr double kSlewMax = 0.005;         // the clock runs at most this fraction fast or slow
  static constexpr double kRateChangeMax = 500e-6;  // more than this is a step of the system's clock, not its rate
  static constexpr double kRateErrorGood = 1e-6;    // a rate known so well replaces the former one
  static constexpr size_t kReadings = 32;           // the rate is taken over so many
  static constexpr int64_t kErrorMaxNs = 50'000;    // a worse reading (the thread was interrupted) is not used

  // Two readings some milliseconds apart. REQUIRES: second.ticks > first.ticks.
  ClockDiscipline(const ClockReading& first, const ClockReading& second);

  // The segment from `start_ticks` on, which is not before the reading: continues the former one, and would meet the
  // system's clock after another interval like that since the last reading.
  const ClockSegment& step(const ClockReading& reading, uint64_t start_ticks);

  // Moves the beginning of the newest segment along the former one: it was not published in time.
  void postpone(uint64_t start_ticks) { segment_ = {start_ticks, former_.at(start_ticks), segment_.ns_per_tick}; }

  const ClockSegment& segment() const { return segment_; }
  // How far the clock may be off the system's clock until the next step, if that comes as late as this one.
  int64_t uncertainty_ns() const { return uncertainty_ns_; }
  // The system's clock less this one, at the last reading that was used.
  int64_t offset_ns() const { return offset_ns_; }

 private:
  void learn_rate(const ClockReading& reading);
  int64_t error_ns(const ClockReading& reading) const;

  std::array<ClockReading, kReadings> readings_;
  size_t reading_count_ = 0;  // ever
  double ns_per_tick_;        // of the system's clock
  double rate_error_;         // fraction
  ClockSegment former_, segment_;
  int64_t uncertainty_ns_;
  int64_t offset_ns_ = 0;
};

class Clock {
 public:
  Clock();  // calibrates: takes about 30 ms

  // Any thread. About 20 ns.
  int64_t now_ns() const {
    for (;;) {
      if (const std::optional<int64_t> now = said_at(ticks())) return *now;
    }
  }
  // Of times before the newest two segments it is the older one's answer: what the clock said then is not kept.
  int64_t at(uint64_t ticks) const;

  // One thread, about every second; does nothing where the last time was less than 250 ms ago.
  void discipline();

  // Any thread: for clock_uncertainty_seconds, and for findings that rest on the order between ports. It is against the
  // system's clock; how true that is (NTP, PTP) is not in it.
  int64_t uncertainty_ns() const { return uncertainty_ns_.load(std::memory_order_relaxed); }
  // System clock minus this clock, as last seen.
  int64_t offset_ns() const { return offset_ns_.load(std::memory_order_relaxed); }

  // The counter: the TSC where it is invariant, else the kernel's raw monotonic clock.
  static uint64_t ticks();
  static bool uses_tsc();
  // The best of a few attempts to read counter and system clock together.
  static ClockReading read();

 private:
  struct Published {
    std::atomic<uint64_t> ticks;
    std::atomic<int64_t> utc_ns;
    std::atomic<double> ns_per_tick;
  };
  // nullopt: the segment of that time is gone, as the reader was held up since it took its counter.
  std::optional<int64_t> said_at(uint64_t ticks) const;
  void publish(const ClockSegment& segment);
  ClockSegment load(uint64_t number) const;

  ClockDiscipline discipline_;
  // Segment n is in slot n % 2. The newest begins a little after it is published: until then readers use the one
  // before it, so that no two readers disagree about the same moment. The version is 2n, or 2n + 1 while segment n + 1
  // is being written.
  std::array<Published, 2> slots_{};
  std::atomic<uint64_t> version_{0};
  std::atomic<int64_t> uncertainty_ns_{0};
  std::atomic<int64_t> offset_ns_{0};
};

}  // namespace parallax
