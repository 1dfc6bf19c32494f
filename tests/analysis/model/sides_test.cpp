// What arrays of two take for an index, and nothing else.
#include "analysis/model/sides.h"

#include <gtest/gtest.h>

#include <vector>

namespace parallax {
namespace {

template <typename Array, typename Index>
concept Takes = requires(Array array, Index index) {
  array[index];
};

static_assert(Takes<PerSide<int>, Side> && Takes<PerDirection<int>, Direction> && Takes<PerPathSide<int>, PathSide>);
static_assert(!Takes<PerSide<int>, int> && !Takes<PerSide<int>, size_t> && !Takes<PerSide<int>, bool>);
static_assert(!Takes<PerSide<int>, Direction> && !Takes<PerDirection<int>, PathSide> && !Takes<PerPathSide<int>, Side>);
static_assert(sizeof(PerSide<uint64_t>) == 2 * sizeof(uint64_t) && std::is_trivially_copyable_v<PerSide<PerDirection<int>>>);

TEST(Sides, TheOtherOneOfTheOtherOneIsItself) {
  static_assert(opposite(Side::client) == Side::server && opposite(Side::server) == Side::client);
  static_assert(opposite(Direction::toward_inside) == Direction::toward_outside);
  for (const PathSide side : kPathSides) EXPECT_EQ(opposite(opposite(side)), side);
}

TEST(Sides, ValuesStandInTheOrderOfTheWords) {
  PerSide<int> values{1, 2};
  EXPECT_EQ(values[Side::client], 1);
  EXPECT_EQ(values[Side::server], 2);
  std::vector<int> seen;
  for (const Side side : kSides) seen.push_back(values[side]);
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
  EXPECT_EQ(std::vector<int>(values.begin(), values.end()), seen);
  values.flip();
  EXPECT_EQ(values, (PerSide<int>{2, 1}));
}

}  // namespace
}  // namespace parallax
