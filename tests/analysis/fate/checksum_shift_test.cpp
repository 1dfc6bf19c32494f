// Which segments a device is said to have altered, by what it made of their checksums.
#include "analysis/fate/checksum_shift.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr uint16_t kShift = 0x1234;

// As a device rewrites it that changes the sum by so much.
uint16_t shifted(uint16_t in, uint32_t by = kShift) { return static_cast<uint16_t>((in + by) % 0xffff); }

class ChecksumShiftTest : public testing::Test {
 protected:
  void agree(int segments) {
    for (int i = 0; i < segments; ++i) {
      in_ = static_cast<uint16_t>(in_ * 31 + 7);
      EXPECT_FALSE(shift_.is_altered(in_, shifted(in_)));
    }
  }
  ChecksumShift shift_;
  uint16_t in_ = 99;
};

TEST_F(ChecksumShiftTest, ChangedByAnotherAmount) {
  agree(ChecksumShift::kAgreeLeast);
  EXPECT_TRUE(shift_.is_altered(5000, shifted(5000, kShift + 100)));
  agree(ChecksumShift::kAgreeLeast);
  EXPECT_TRUE(shift_.is_altered(5000, shifted(5000, kShift + 0xfffe - 100)));
}

TEST_F(ChecksumShiftTest, NothingIsSaidBeforeEnoughAgree) {
  agree(ChecksumShift::kAgreeLeast - 1);
  EXPECT_FALSE(shift_.is_altered(5000, shifted(5000, kShift + 100)));
}

TEST_F(ChecksumShiftTest, SequenceNumbersThatBeginAnewChangeItByOne) {
  agree(ChecksumShift::kAgreeLeast);
  EXPECT_FALSE(shift_.is_altered(5000, shifted(5000, kShift + 1)));
  EXPECT_FALSE(shift_.is_altered(5000, shifted(5000, kShift + 1)));
  EXPECT_FALSE(shift_.is_altered(5000, shifted(5000, kShift - 1)));
}

TEST_F(ChecksumShiftTest, EitherZeroIsTheSame) {
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(shift_.is_altered(i % 2 ? 0 : 0xffff, i % 3 ? kShift : shifted(0xffff)));
}

TEST_F(ChecksumShiftTest, SumsThatWereNotFilledInNeverAgree) {
  for (uint16_t i = 1; i < 1000; ++i) EXPECT_FALSE(shift_.is_altered(500, static_cast<uint16_t>(i * 7919)));
}

}  // namespace
}  // namespace parallax
