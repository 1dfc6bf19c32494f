#include "analysis/model/rare_list.h"

#include <gtest/gtest.h>

#include <span>

namespace parallax {
namespace {

std::vector<int> all_of(std::span<const int> list) { return {list.begin(), list.end()}; }

TEST(RareList, IsAsAVectorAndTakesTheRoomOfAPointer) {
  static_assert(sizeof(RareList<int>) == sizeof(void*));
  RareList<int> list;
  EXPECT_TRUE(list.empty());
  EXPECT_TRUE(list.begin() == list.end());
  for (const int i : {1, 2, 3, 4}) list.push_back(i);
  EXPECT_EQ(list.size(), 4u);
  EXPECT_EQ(list.front() + list.back() + list[1], 7);
  EXPECT_EQ(*list.rbegin(), 4);
  list.erase(list.begin());
  list.erase_if([](int i) { return i == 3; });
  EXPECT_EQ(all_of(list), (std::vector{2, 4}));
}

TEST(RareList, ACopyIsAListOfItsOwn) {
  RareList<int> list(std::vector{1, 2});
  const RareList<int> copy = list;
  list.clear();
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(all_of(copy), (std::vector{1, 2}));
  EXPECT_TRUE(RareList<int>(RareList<int>{}).empty());
}

}  // namespace
}  // namespace parallax
