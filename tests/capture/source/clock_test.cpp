// The clock: never back, never a jump, and close to the system's.
#include "capture/source/clock.h"

#include <gtest/gtest.h>
#include <time.h>

#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

namespace parallax {
namespace {

constexpr double kTicksPerNs = 2.5;
constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kStartNs = 1'750'000'000 * kSecondNs;

// A counter at 2.5 GHz, and a system clock that may run fast and may be set.
struct SystemClock {
  double rate = 1.0;
  int64_t base_true_ns = 0, base_utc_ns = kStartNs;

  static uint64_t ticks(int64_t true_ns) {
    return 1'000'000'000'000 + static_cast<uint64_t>(static_cast<double>(true_ns) * kTicksPerNs);
  }
  int64_t utc(int64_t true_ns) const {
    return base_utc_ns + static_cast<int64_t>(static_cast<double>(true_ns - base_true_ns) * rate);
  }
  void set_rate(int64_t true_ns, double new_rate) {
    base_utc_ns = utc(true_ns);
    base_true_ns = true_ns;
    rate = new_rate;
  }
  ClockReading reading(int64_t true_ns, uint64_t error_ticks = 50) const { return {ticks(true_ns), utc(true_ns), error_ticks}; }
};

constexpr int64_t kLeadNs = 1'000'000;

ClockDiscipline calibrated(const SystemClock& system) { return {system.reading(0), system.reading(30'000'000)}; }

const ClockSegment& step_at(ClockDiscipline& discipline, const SystemClock& system, int64_t true_ns) {
  return discipline.step(system.reading(true_ns), SystemClock::ticks(true_ns + kLeadNs));
}

TEST(ClockDiscipline, FollowsASteadySystemClockToNanoseconds) {
  const SystemClock system;
  ClockDiscipline discipline = calibrated(system);
  for (int second = 1; second <= 100; ++second) step_at(discipline, system, second * kSecondNs);
  EXPECT_LE(std::abs(discipline.offset_ns()), 10);
  EXPECT_LT(discipline.uncertainty_ns(), 300);
}

TEST(ClockDiscipline, SegmentsJoinWithoutAJump) {
  SystemClock system;
  ClockDiscipline discipline = calibrated(system);
  for (int second = 1; second <= 50; ++second) {
    system.set_rate(second * kSecondNs - 500'000'000, 1.0 + 20e-6 * (second % 5));
    const ClockSegment former = discipline.segment();
    const ClockSegment& next = step_at(discipline, system, second * kSecondNs);
    EXPECT_EQ(former.at(next.ticks), next.at(next.ticks));
    EXPECT_GT(next.ns_per_tick, 0);
  }
}

TEST(ClockDiscipline, APostponedSegmentJoinsAsWell) {
  SystemClock system;
  ClockDiscipline discipline = calibrated(system);
  system.set_rate(0, 1 + 50e-6);
  const ClockSegment former = discipline.segment();
  step_at(discipline, system, kSecondNs);
  const uint64_t later = SystemClock::ticks(kSecondNs + 10 * kLeadNs);
  discipline.postpone(later);
  EXPECT_EQ(discipline.segment().ticks, later);
  EXPECT_EQ(discipline.segment().at(later), former.at(later));
}

TEST(ClockDiscipline, FollowsAChangeOfRate) {
  SystemClock system;
  ClockDiscipline discipline = calibrated(system);
  for (int second = 1; second <= 10; ++second) step_at(discipline, system, second * kSecondNs);
  system.set_rate(10 * kSecondNs, 1 + 100e-6);
  step_at(discipline, system, 11 * kSecondNs);
  EXPECT_NEAR(discipline.offset_ns(), 100'000, 1'000);
  EXPECT_GE(discipline.uncertainty_ns(), 99'000) << "the offset is part of the uncertainty";
  for (int second = 12; second <= 60; ++second) step_at(discipline, system, second * kSecondNs);
  EXPECT_LE(std::abs(discipline.offset_ns()), 100);
}

TEST(ClockDiscipline, AStepOfTheSystemClockIsSlewedAway) {
  for (const int64_t step_ns : {kSecondNs, -kSecondNs}) {
    SystemClock system;
    ClockDiscipline discipline = calibrated(system);
    for (int second = 1; second <= 40; ++second) step_at(discipline, system, second * kSecondNs);
    system.base_utc_ns += step_ns;
    int64_t former_ns = discipline.segment().at(SystemClock::ticks(40 * kSecondNs + kLeadNs));
    for (int second = 41; second <= 300; ++second) {
      step_at(discipline, system, second * kSecondNs);
      const int64_t now_ns = discipline.segment().at(SystemClock::ticks(second * kSecondNs + kLeadNs));
      EXPECT_NEAR(static_cast<double>(now_ns - former_ns), 1e9, 1e9 * ClockDiscipline::kSlewMax * 1.1);
      former_ns = now_ns;
      if (second == 41) {
        EXPECT_GT(discipline.uncertainty_ns(), 900'000'000);
      }
    }
    EXPECT_LE(std::abs(discipline.offset_ns()), 100) << step_ns;
    EXPECT_LT(discipline.uncertainty_ns(), 1'000);
  }
}

TEST(ClockDiscipline, AReadingThatWasInterruptedIsNotUsed) {
  const SystemClock system;
  ClockDiscipline discipline = calibrated(system);
  for (int second = 1; second <= 5; ++second) step_at(discipline, system, second * kSecondNs);
  const ClockSegment before = discipline.segment();
  ClockReading late = system.reading(6 * kSecondNs, 50'000'000);
  late.utc_ns += 15'000'000;
  discipline.step(late, SystemClock::ticks(6 * kSecondNs + kLeadNs));
  EXPECT_EQ(discipline.segment().ticks, before.ticks);
}

TEST(ClockDiscipline, AReadingFromThePastChangesNothing) {
  const SystemClock system;
  ClockDiscipline discipline = calibrated(system);
  step_at(discipline, system, 5 * kSecondNs);
  const ClockSegment before = discipline.segment();
  step_at(discipline, system, 4 * kSecondNs);
  EXPECT_EQ(discipline.segment().ticks, before.ticks);
}

TEST(Clock, IsCloseToTheSystemClock) {
  Clock clock;
  for (int i = 0; i < 3; ++i) {
    const ClockReading reading = Clock::read();
    // 1 ms: the machine may be busy; a few microseconds are usual.
    EXPECT_LT(std::abs(clock.at(reading.ticks) - reading.utc_ns), 1'000'000);
    clock.discipline();
  }
  EXPECT_GT(clock.uncertainty_ns(), 0);
}

TEST(Clock, NeverGoesBackWhileItIsDisciplined) {
  Clock clock;
  std::atomic<bool> stop{false};
  std::atomic<int> backwards{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      int64_t former_ns = 0;
      while (!stop.load(std::memory_order_relaxed)) {
        const int64_t now_ns = clock.now_ns();
        if (now_ns < former_ns) backwards.fetch_add(1);
        former_ns = now_ns;
      }
    });
  }
  const timespec pause{0, 260'000'000};
  for (int i = 0; i < 10; ++i) {
    clock.discipline();
    nanosleep(&pause, nullptr);
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(backwards.load(), 0);
}

}  // namespace
}  // namespace parallax
