// What a device takes by how much it has to do.
#include "analysis/connection/transit_loads.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr int64_t kSecond = 1'000'000'000, kMicrosecond = 1000;

PassageCount crossing(int64_t time_ns, uint32_t packets, Direction direction, int64_t each_ns) {
  PassageCount count{};
  count.time_ns = time_ns;
  count.packets = count.crossed = count.timed = packets;
  count.direction = direction;
  count.seen = true;
  count.transit_ns = packets * each_ns;
  return count;
}

TEST(TransitLoads, SecondsAreSortedByWhatCrossedBothWays) {
  TransitLoads loads;
  for (int second = 0; second < 10; ++second) {
    const uint32_t packets = second < 7 ? 60 : 3000;
    const int64_t each_ns = second < 7 ? 40 * kMicrosecond : 900 * kMicrosecond;
    // In two ticks of a second, as two homes would tell of them, and in any order.
    loads.add(crossing(second * kSecond + 900'000'000, packets, Direction::toward_inside, each_ns));
    loads.add(crossing(second * kSecond, packets, Direction::toward_outside, 2 * each_ns));
  }
  const std::vector<TransitAtLoad> by_load = loads.by_load();
  ASSERT_EQ(by_load.size(), 2u);
  EXPECT_EQ(by_load[0].packets_per_second_from, 100u);
  EXPECT_EQ(by_load[0].packets_per_second_below, 200u);
  EXPECT_EQ(by_load[0].seconds, 7u);
  EXPECT_EQ(by_load[0].mean_ns[Direction::toward_inside], 40 * kMicrosecond);
  EXPECT_EQ(by_load[0].mean_ns[Direction::toward_outside], 80 * kMicrosecond);
  EXPECT_EQ(by_load[1].packets_per_second_from, 5000u);
  EXPECT_EQ(by_load[1].seconds, 3u);
  EXPECT_EQ(by_load[1].mean_ns[Direction::toward_inside], 900 * kMicrosecond);
}

TEST(TransitLoads, WhatStampsDoNotTellIsLoadAllTheSame) {
  TransitLoads loads;
  PassageCount untimed = crossing(0, 400, Direction::toward_inside, 0);
  untimed.timed = 0;
  loads.add(untimed);
  loads.add(crossing(0, 100, Direction::toward_outside, 5 * kMicrosecond));
  const std::vector<TransitAtLoad> by_load = loads.by_load();
  ASSERT_EQ(by_load.size(), 1u);
  EXPECT_EQ(by_load[0].packets_per_second_from, 500u);
  EXPECT_FALSE(by_load[0].mean_ns[Direction::toward_inside]);
  EXPECT_EQ(by_load[0].mean_ns[Direction::toward_outside], 5 * kMicrosecond);
}

TEST(TransitLoads, OlderSecondsAreKeptByTheirClass) {
  TransitLoads loads;
  constexpr int64_t kMore = 10;
  for (int64_t second = 0; second < static_cast<int64_t>(TransitLoads::kSecondsMax) + kMore; ++second)
    loads.add(crossing(second * kSecond, second < kMore ? 1 : 20, Direction::toward_inside, kMicrosecond));
  const std::vector<TransitAtLoad> by_load = loads.by_load();
  ASSERT_EQ(by_load.size(), 2u);
  EXPECT_EQ(by_load[0].seconds, static_cast<uint64_t>(kMore));
  EXPECT_EQ(by_load[1].seconds, TransitLoads::kSecondsMax);
}

}  // namespace
}  // namespace parallax
