#include "capture/decode/fragment_pieces.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

FragmentPieces pieces(std::initializer_list<FragmentSpan> spans) {
  FragmentPieces result;
  for (const FragmentSpan& span : spans) result.add(span);
  return result;
}

TEST(FragmentPieces, CompleteInWhateverOrder) {
  EXPECT_TRUE(pieces({{0, 8, 0}, {8, 16, 0}, {16, 20, 1}}).complete());
  EXPECT_TRUE(pieces({{16, 20, 1}, {8, 16, 0}, {0, 8, 0}}).complete());
  EXPECT_TRUE(pieces({{8, 16, 0}, {0, 8, 0}, {16, 20, 1}}).complete());
}

TEST(FragmentPieces, IncompleteWithoutTheFirstTheLastOrOneBetween) {
  EXPECT_FALSE(pieces({}).complete());
  EXPECT_FALSE(pieces({{8, 16, 0}, {16, 20, 1}}).complete());
  EXPECT_FALSE(pieces({{0, 8, 0}, {8, 16, 0}}).complete());
  EXPECT_FALSE(pieces({{0, 8, 0}, {16, 20, 1}}).complete());
}

TEST(FragmentPieces, TwiceIsNotMore) {
  EXPECT_FALSE(pieces({{0, 8, 0}, {0, 8, 0}, {16, 20, 1}, {16, 20, 1}}).complete());
  EXPECT_TRUE(pieces({{0, 8, 0}, {0, 8, 0}, {8, 20, 1}, {8, 20, 1}}).complete());
}

TEST(FragmentPieces, OverlappingOnesAreComplete) { EXPECT_TRUE(pieces({{0, 16, 0}, {8, 24, 0}, {16, 30, 1}}).complete()); }

TEST(FragmentPieces, TooManyGapsAreSaidAndNeverComplete) {
  FragmentPieces many;
  for (uint32_t i = 0; i < FragmentPieces::kApartMost; ++i) EXPECT_TRUE(many.add({16 * i, 16 * i + 8, 0}));
  EXPECT_FALSE(many.add({160, 168, 1}));
  for (uint32_t i = 0; i < 21; ++i) many.add({8 * i, 8 * i + 8, 0});
  EXPECT_FALSE(many.complete());
}

}  // namespace
}  // namespace parallax
