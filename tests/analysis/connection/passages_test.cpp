// When a point counts as blind: from what it showed and what it missed, tick by tick.
#include "analysis/connection/passages.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr int64_t kTick = kPassageTickNs, kStart = 1'700'000'000'000'000'000;

PassageCount passage(int64_t tick, uint32_t packets, bool seen) {
  return {kStart + tick * kTick, packets, 0, Direction::toward_inside, seen};
}

TEST(Passages, PointThatMissesNothingIsNotBlind) {
  Passages passages(true);
  EXPECT_FALSE(passages.is_blind(0, Direction::toward_inside, kStart));
  passages.add(passage(0, 5, true));
  passages.add(passage(9, 5, true));
  EXPECT_FALSE(
      passages.is_blind(0, Direction::toward_inside, kStart + 4 * kTick));  // nothing came there, as far as anybody knows
}

TEST(Passages, PointIsBlindWhereItMissesPacketsAndShowsNone) {
  Passages passages(true);
  passages.add(passage(0, 5, true));
  passages.add(passage(5, 1, false));
  passages.add(passage(9, 5, true));
  for (const int64_t tick : {1, 4, 5, 6, 8})
    EXPECT_TRUE(passages.is_blind(0, Direction::toward_inside, kStart + tick * kTick)) << tick;
  EXPECT_FALSE(passages.is_blind(0, Direction::toward_inside, kStart + 10 * kTick));
  EXPECT_FALSE(passages.is_blind(0, Direction::toward_outside, kStart + 5 * kTick)) << "the other direction";
  EXPECT_FALSE(passages.is_blind(1, Direction::toward_inside, kStart + 5 * kTick)) << "another point";
}

TEST(Passages, LossyMirrorIsNotBlind) {
  Passages passages(true);
  for (int64_t tick = 0; tick < 10; ++tick) {
    passages.add(passage(tick, 100, true));
    passages.add(passage(tick, 5, false));
  }
  EXPECT_FALSE(passages.is_blind(0, Direction::toward_inside, kStart + 5 * kTick));
  passages.add(passage(5, 45, false));
  EXPECT_TRUE(passages.is_blind(0, Direction::toward_inside, kStart + 5 * kTick)) << "it missed a third";
}

TEST(Passages, TheOrderInWhichTicksComeMakesNoDifference) {
  Passages forward(true), backward(true);
  const auto ticks = static_cast<int64_t>(3 * Passages::kTicksMax);
  for (int64_t tick = 0; tick < ticks; ++tick) {
    forward.add(passage(tick, 1, tick % 97 != 0));
    backward.add(passage(ticks - 1 - tick, 1, (ticks - 1 - tick) % 97 != 0));
  }
  for (int64_t tick = 0; tick < ticks; tick += 13)
    ASSERT_EQ(forward.is_blind(0, Direction::toward_inside, kStart + tick * kTick),
              backward.is_blind(0, Direction::toward_inside, kStart + tick * kTick))
        << tick;
}

TEST(Passages, LiveTheNewestAreKept) {
  Passages passages(false);
  passages.add(passage(0, 1, false));
  EXPECT_TRUE(passages.is_blind(0, Direction::toward_inside, kStart));
  for (int64_t tick = 1; tick <= static_cast<int64_t>(Passages::kTicksMax); ++tick) passages.add(passage(tick, 1, true));
  EXPECT_FALSE(passages.is_blind(0, Direction::toward_inside, kStart));
}

}  // namespace
}  // namespace parallax
