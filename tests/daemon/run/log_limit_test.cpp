#include "daemon/run/log_limit.h"

#include <gtest/gtest.h>

#include <string>

namespace parallax {
namespace {

constexpr LogLimit::Clock::time_point kStart{};

TEST(LogLimit, WhatIsMoreIsCountedOnceAndTheNextWhileBeginsAnew) {
  LogLimit limit;
  for (uint64_t i = 0; i < LogLimit::kLinesMax; ++i) EXPECT_TRUE(limit.admits("a", LogLevel::notice, "x", kStart));
  EXPECT_FALSE(limit.admits("a", LogLevel::warning, "y", kStart));
  EXPECT_FALSE(limit.admits("a", LogLevel::info, "z", kStart));
  EXPECT_TRUE(limit.admits("b", LogLevel::info, "another", kStart)) << "each kind has its own";
  EXPECT_TRUE(limit.take(kStart, false).empty()) << "its while is not over";
  const auto later = kStart + LogLimit::kWhile;
  EXPECT_FALSE(limit.admits("a", LogLevel::info, "last", later)) << "not before it is told what was suppressed";
  const auto told = limit.take(later, false);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].kind, "a");
  EXPECT_EQ(told[0].lines, 3u);
  EXPECT_EQ(told[0].worst, LogLevel::warning);
  EXPECT_EQ(told[0].last, "last");
  EXPECT_TRUE(limit.take(later, true).empty());
  EXPECT_TRUE(limit.admits("a", LogLevel::info, "x", later));
}

TEST(LogLimit, AtTheEndAllIsTold) {
  LogLimit limit;
  for (uint64_t i = 0; i <= LogLimit::kLinesMax; ++i) limit.admits("a", LogLevel::notice, "x", kStart);
  EXPECT_EQ(limit.take(kStart, true).size(), 1u);
}

TEST(LogLimit, FewLinesNowAndThenAreNeverSuppressed) {
  LogLimit limit;
  auto now = kStart;
  for (int i = 0; i < 1000; ++i, now += std::chrono::seconds(2)) ASSERT_TRUE(limit.admits("a", LogLevel::info, "x", now)) << i;
}

}  // namespace
}  // namespace parallax
