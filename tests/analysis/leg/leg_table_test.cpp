// Legs whose hashes collide: as many as a neighbourhood holds, and a flood of them pushes out no connection.
#include "analysis/leg/leg_table.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr uint32_t kFlowHash = 0x12345678;
constexpr size_t kNeighbourhood = 9 * 7;  // the home bucket and its reach, of seven legs each

LegKey key_of(uint32_t number) {
  LegKey key;
  key.low[14] = static_cast<uint8_t>(number >> 8);
  key.low[15] = static_cast<uint8_t>(number);
  key.low_port = 1024;
  key.high_port = 443;
  key.protocol = 6;
  return key;
}

// As the worker does it: what is in the way goes.
uint32_t insert(LegTable& table, const LegKey& key, LegList list, int64_t now_ns) {
  uint32_t leg;
  while ((leg = table.insert(kFlowHash, key, list)) == kNone) table.erase(table.victim(leg_hash(kFlowHash, key.point)));
  table.hot(leg).last_ns = now_ns;
  return leg;
}

TEST(LegTable, CollidingLegsFillOneNeighbourhoodAndNoMore) {
  LegTable table(4096);
  for (uint32_t i = 0; i < 5000; ++i) insert(table, key_of(i), LegList::half_open, i);
  EXPECT_EQ(table.size(), kNeighbourhood);
  for (uint32_t i = 0; i < 5000; ++i) {
    const bool newest = i >= 5000 - kNeighbourhood;
    EXPECT_EQ(table.find(leg_hash(kFlowHash, 0), key_of(i)) != kNone, newest) << i;
  }
}

TEST(LegTable, AFloodOfCollidingHalfOpenLegsLeavesEstablishedOnes) {
  LegTable table(4096);
  std::vector<uint32_t> established;
  for (uint32_t i = 0; i < kNeighbourhood - 3; ++i) {
    established.push_back(insert(table, key_of(i), LegList::half_open, i));
    table.move_to(established.back(), LegList::open);
  }
  for (uint32_t i = 100; i < 5000; ++i) insert(table, key_of(i), LegList::half_open, i);
  for (uint32_t i = 0; i < established.size(); ++i) EXPECT_EQ(table.find(leg_hash(kFlowHash, 0), key_of(i)), established[i]);
}

TEST(LegTable, WhereAllAreEstablishedTheLongestIdleGoes) {
  LegTable table(4096);
  for (uint32_t i = 0; i <= kNeighbourhood; ++i) table.move_to(insert(table, key_of(i), LegList::half_open, i), LegList::open);
  EXPECT_EQ(table.find(leg_hash(kFlowHash, 0), key_of(0)), kNone);
  EXPECT_NE(table.find(leg_hash(kFlowHash, 0), key_of(1)), kNone);
}

TEST(LegTable, OneThatMayGrowForgetsNothing) {
  LegTable table(16, true);
  constexpr uint32_t kLegs = 60'000;  // key_of() tells so many apart
  std::vector<uint32_t> legs;
  for (uint32_t i = 0; i < kLegs; ++i) {
    legs.push_back(table.insert(i * 2'654'435'761u, key_of(i), LegList::half_open));
    ASSERT_NE(legs.back(), kNone);
    table.hot(legs.back()).last_ns = i;
  }
  EXPECT_EQ(table.size(), kLegs);
  for (uint32_t i = 0; i < kLegs; ++i) {
    ASSERT_EQ(table.find(leg_hash(i * 2'654'435'761u, 0), key_of(i)), legs[i]);
    ASSERT_EQ(table.hot(legs[i]).last_ns, i);
  }
  EXPECT_EQ(table.oldest(LegList::half_open), legs.front());
}

TEST(LegTable, LegsOfOneHashAreBoundedAlsoWhereItMayGrow) {
  LegTable table(4096, true);
  for (uint32_t i = 0; i < 1000; ++i) insert(table, key_of(i), LegList::half_open, i);
  EXPECT_EQ(table.size(), kNeighbourhood);
}

}  // namespace
}  // namespace parallax
