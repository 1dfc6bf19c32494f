// Messages put together out of segments.
#include "analysis/recognise/message_buffer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/support/random.h"

namespace parallax {
namespace {

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class Buffer : public testing::Test {
 protected:
  void add(uint32_t offset, const std::string& text) { buffer_->add(offset, bytes_of(text)); }
  std::string text() const {
    const auto bytes = buffer_->contiguous();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  const std::unique_ptr<MessageBuffer> buffer_ = std::make_unique<MessageBuffer>();
};

TEST_F(Buffer, SegmentsInOrderAreJoined) {
  add(0, "abc");
  add(3, "def");
  EXPECT_EQ(text(), "abcdef");
}

TEST_F(Buffer, WhatComesTwiceIsTakenOnce) {
  add(0, "abc");
  add(0, "abc");
  add(1, "bcd");
  add(0, "ab");
  EXPECT_EQ(text(), "abcd");
}

TEST_F(Buffer, AGapIsFilledByALateSegment) {
  add(6, "ghi");
  add(0, "abc");
  EXPECT_EQ(text(), "abc");
  add(9, "jkl");
  add(3, "def");
  EXPECT_EQ(text(), "abcdefghijkl");
}

TEST_F(Buffer, MorePiecesThanItsBoundAreNotKept) {
  for (uint32_t i = 0; i < MessageBuffer::kIslandsMax; ++i) add(2 + 2 * i, "x");
  add(2 + 2 * MessageBuffer::kIslandsMax, "y");
  add(0, std::string(2 + 2 * MessageBuffer::kIslandsMax, '-'));
  EXPECT_EQ(text().size(), 2 + 2 * MessageBuffer::kIslandsMax) << "what lies beyond the pieces kept is gone";
}

TEST_F(Buffer, BytesBeyondItsLengthAreCut) {
  add(0, std::string(MessageBuffer::kBytesMax - 1, 'a'));
  EXPECT_FALSE(buffer_->full());
  add(MessageBuffer::kBytesMax - 1, "bcd");
  EXPECT_TRUE(buffer_->full());
  EXPECT_EQ(text().back(), 'b');
  add(MessageBuffer::kBytesMax, "e");
  EXPECT_EQ(text().size(), MessageBuffer::kBytesMax);
}

TEST_F(Buffer, AMessageMakesRoomForTheNextAndItsPieces) {
  add(0, "abcde");
  add(7, "hi");
  buffer_->drop_first(3);
  EXPECT_EQ(text(), "de");
  add(2, "fg");
  EXPECT_EQ(text(), "defghi");
}

TEST_F(Buffer, AnyOrderOfSegmentsGivesTheMessage) {
  test::Random random(3);
  std::string message(3000, ' ');
  for (char& c : message) c = static_cast<char>(random.next());
  for (int round = 0; round < 200; ++round) {
    buffer_->clear();
    for (int i = 0; i < 400 && text() != message; ++i) {
      const auto begin = static_cast<uint32_t>(random.below(message.size()) / 250 * 250);
      add(begin, message.substr(begin, 250 + random.below(300)));
    }
    ASSERT_EQ(text(), message);
  }
}

TEST(MessageBufferPool, LiveTheOneThatHasWaitedLongestGivesWay) {
  MessageBufferPool pool(3, false);
  MessageBufferPool::Owner evicted;
  for (uint32_t i = 0; i < 3; ++i) {
    pool.take({i, Side::client}, 100 + i, evicted);
    EXPECT_EQ(evicted.state, kNone);
  }
  EXPECT_EQ(pool.in_use(), 3u);
  const uint32_t index = pool.take({7, Side::server}, 200, evicted);
  EXPECT_EQ(evicted.state, 0u);
  pool.touch(index, 50);
  pool.take({8, Side::client}, 300, evicted);
  EXPECT_EQ(evicted.state, 7u);
  EXPECT_EQ(evicted.from, Side::server);
  pool.give_back(index);
  EXPECT_EQ(pool.in_use(), 2u);
}

TEST(MessageBufferPool, OfflineItGrows) {
  MessageBufferPool pool(1, true);
  MessageBufferPool::Owner evicted;
  for (uint32_t i = 0; i < 50; ++i) {
    pool.take({i, Side::client}, 0, evicted);
    EXPECT_EQ(evicted.state, kNone);
  }
  EXPECT_EQ(pool.in_use(), 50u);
}

}  // namespace
}  // namespace parallax
