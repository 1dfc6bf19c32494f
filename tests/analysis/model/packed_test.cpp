#include "analysis/model/packed.h"

#include <gtest/gtest.h>

#include <array>

namespace parallax {
namespace {

using Words = std::array<uint32_t, 70>;

TEST(Packed, GivesBackWhatItWasGiven) {
  Packed<Words> packed;
  EXPECT_EQ(packed.get(), Words{});
  for (const size_t step : {1, 2, 31, 32, 33, 69, 70}) {
    Words words{};
    for (size_t i = 0; i < words.size(); i += step) words[i] = static_cast<uint32_t>(i + 1) << 8 * (i % 4);
    packed = words;
    EXPECT_EQ(packed.get(), words) << "each " << step;
  }
  packed = Words{};
  EXPECT_EQ(packed.get(), Words{}) << "nothing stays of what it held before";
}

TEST(Packed, ACopyIsARecordOfItsOwn) {
  static_assert(sizeof(Packed<Words>) == sizeof(void*));
  Packed<Words> packed;
  packed = Words{1, 0, 2};
  const Packed<Words> copy = packed;
  packed = Words{3};
  EXPECT_EQ(copy.get(), (Words{1, 0, 2}));
  EXPECT_EQ(Packed<Words>(Packed<Words>{}).get(), Words{});
}

}  // namespace
}  // namespace parallax
