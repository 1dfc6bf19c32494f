#include "analysis/model/text.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

TEST(Text, DurationsAreInTheUnitThatOneReads) {
  EXPECT_EQ(duration_of(7'400), "7.4 us");
  EXPECT_EQ(duration_of(272'000), "272 us");
  EXPECT_EQ(duration_of(999'700), "1.0 ms");
  EXPECT_EQ(duration_of(3'622'000), "3.6 ms");
  EXPECT_EQ(duration_of(406'250'000), "406 ms");
  EXPECT_EQ(duration_of(999'900'000), "1.0 s");
  EXPECT_EQ(duration_of(171'000'000'000), "171.0 s");
  EXPECT_EQ(duration_of(725'000'000'000), "12 min 5 s");
  EXPECT_EQ(seconds_of(30.46), "30.5 s");
}

TEST(Text, WordsAgreeWithTheirNumber) {
  EXPECT_EQ(plural(1, "SYN"), "1 SYN");
  EXPECT_EQ(plural(0, "SYN"), "0 SYNs");
  EXPECT_EQ(by_number(1, "it", "them"), "it");
  EXPECT_EQ(by_number(2, "it", "them"), "them");
}

}  // namespace
}  // namespace parallax
