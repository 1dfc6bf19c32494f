#include "analysis/fate/sequence_offset.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

TEST(SequenceOffset, IsNeverTakenForZero) { EXPECT_FALSE(SequenceOffset{}.known()); }

TEST(SequenceOffset, ASynTeachesItAtOnce) {
  SequenceOffset offset;
  offset.learn(0);
  EXPECT_TRUE(offset.known());
  EXPECT_EQ(offset.value(), 0u);
}

TEST(SequenceOffset, TwoPacketsWithTheSameIdTeachIt) {
  SequenceOffset offset;
  offset.vote(0xfffffff0, SequenceOffset::kSameId);
  EXPECT_FALSE(offset.known());
  offset.vote(0xfffffff0, SequenceOffset::kSameId);
  EXPECT_TRUE(offset.known());
  EXPECT_EQ(offset.value(), 0xfffffff0u);
}

TEST(SequenceOffset, VotesThatDifferBeginAnew) {
  SequenceOffset offset;
  for (int i = 0; i < 3; ++i) offset.vote(1000, SequenceOffset::kAlone);
  offset.vote(2000, SequenceOffset::kAlone);
  EXPECT_FALSE(offset.known());
  for (int i = 0; i < 3; ++i) offset.vote(2000, SequenceOffset::kAlone);
  EXPECT_TRUE(offset.known());
  EXPECT_EQ(offset.value(), 2000u);
}

TEST(SequenceOffset, ThePacketAsItWasIsProofEnough) {
  SequenceOffset offset;
  offset.vote(0, SequenceOffset::kSamePacket);
  EXPECT_TRUE(offset.known());
}

}  // namespace
}  // namespace parallax
