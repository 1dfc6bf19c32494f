#include "capture/source/kernel_timeline.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr int64_t kSecond = 1'000'000'000, kHour = 3600 * kSecond, kMillisecond = 1'000'000;
constexpr int64_t kDelivery = 10 * kMillisecond;
constexpr int64_t kBegin = 1'700'000'000 * kSecond;

// The sensor's time runs by itself; the system's is ahead of it by `ahead_ns`.
struct Clocks {
  int64_t now_ns = kBegin, ahead_ns = 0;
  ClockPair pair(int64_t width_ns = 60) const { return {now_ns + ahead_ns, now_ns, width_ns}; }
  int64_t kernel_stamp() const { return now_ns + ahead_ns; }
};

TEST(KernelTimeline, StampsAreOfTheSensorsTime) {
  Clocks clocks{.ahead_ns = 5'000};
  const KernelTimeline timeline(clocks.pair());
  EXPECT_EQ(timeline.placed(clocks.kernel_stamp(), kBegin - kDelivery, kBegin + kMillisecond), kBegin);
}

TEST(KernelTimeline, ClockThatIsSlewedIsFollowedAndNoStep) {
  Clocks clocks;
  KernelTimeline timeline(clocks.pair());
  for (int i = 0; i < 1'000; ++i) {
    clocks.now_ns += 10 * kMillisecond;
    clocks.ahead_ns += 50'000;  // half a percent
    EXPECT_FALSE(timeline.read(clocks.pair(), kDelivery));
    EXPECT_EQ(timeline.own(clocks.kernel_stamp()), clocks.now_ns);
  }
}

TEST(KernelTimeline, NoiseOfTheComparisonIsNotFollowed) {
  Clocks clocks;
  KernelTimeline timeline(clocks.pair());
  for (int i = 0; i < 100; ++i) {
    clocks.now_ns += kMillisecond;
    clocks.ahead_ns = i % 2 == 0 ? 150 : -150;
    timeline.read(clocks.pair(), kDelivery);
    EXPECT_EQ(timeline.own(kBegin), kBegin);
  }
}

TEST(KernelTimeline, HourBackLosesTheTimeSinceTheLastComparisonAndNoMore) {
  Clocks clocks;
  KernelTimeline timeline(clocks.pair());
  clocks.now_ns += 5 * kMillisecond;
  const int64_t before_step = clocks.kernel_stamp();
  clocks.ahead_ns = -kHour;
  clocks.now_ns += 5 * kMillisecond;
  const int64_t after_step = clocks.kernel_stamp();
  const int64_t earliest = kBegin - kDelivery, latest = clocks.now_ns + kMillisecond;
  // The first packet after the step is implausible, and has the clocks compared.
  EXPECT_EQ(timeline.placed(before_step, earliest, latest), kBegin + 5 * kMillisecond);
  EXPECT_EQ(timeline.placed(after_step, earliest, latest), std::nullopt);
  ASSERT_TRUE(timeline.read(clocks.pair(), kDelivery));
  EXPECT_EQ(timeline.step(), (PortOutage{OutageCause::clock_step, kBegin - kDelivery, clocks.now_ns}));
  // Both have the time at which they came, whichever clock stamped them.
  EXPECT_EQ(timeline.placed(before_step, earliest, latest), kBegin + 5 * kMillisecond);
  EXPECT_EQ(timeline.placed(after_step, earliest, latest), clocks.now_ns);
  for (int i = 0; i < 1'000; ++i) {
    clocks.now_ns += 10 * kMillisecond;
    EXPECT_FALSE(timeline.read(clocks.pair(), kDelivery));
    EXPECT_EQ(timeline.placed(clocks.kernel_stamp(), clocks.now_ns - kDelivery, clocks.now_ns), clocks.now_ns);
  }
}

TEST(KernelTimeline, HourForwardsIsAStepAsWell) {
  Clocks clocks;
  KernelTimeline timeline(clocks.pair());
  clocks.now_ns += kMillisecond;
  clocks.ahead_ns = kHour;
  EXPECT_EQ(timeline.placed(clocks.kernel_stamp(), kBegin - kDelivery, clocks.now_ns), std::nullopt);
  EXPECT_TRUE(timeline.read(clocks.pair(), kDelivery));
  EXPECT_EQ(timeline.placed(clocks.kernel_stamp(), kBegin - kDelivery, clocks.now_ns), clocks.now_ns);
}

TEST(KernelTimeline, ComparisonThatWasInterruptedIsNotUsed) {
  Clocks clocks;
  KernelTimeline timeline(clocks.pair());
  clocks.ahead_ns = kHour;
  EXPECT_FALSE(timeline.read(clocks.pair(KernelTimeline::kWidthMaxNs + 1), kDelivery));
  EXPECT_TRUE(timeline.read(clocks.pair(), kDelivery));
}

TEST(KernelTimeline, PauseOfTheSensorIsNoStep) {
  Clocks clocks;
  KernelTimeline timeline(clocks.pair());
  clocks.now_ns += 10 * kSecond;
  clocks.ahead_ns = 50 * kMillisecond;  // slewed meanwhile
  EXPECT_FALSE(timeline.read(clocks.pair(), kDelivery));
  EXPECT_EQ(timeline.own(clocks.kernel_stamp()), clocks.now_ns);
}

}  // namespace
}  // namespace parallax
