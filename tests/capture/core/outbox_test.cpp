// What waits behind a full ring: in order, within its bound, and with room kept for what must not be lost.
#include "capture/core/outbox.h"

#include <gtest/gtest.h>

#include "capture/core/staging.h"

namespace parallax {
namespace {

std::vector<int> take_all(SpscRing<int>& ring) {
  std::vector<int> items;
  for (auto span = ring.peek(); !span.empty(); span = ring.peek()) {
    items.insert(items.end(), span.begin(), span.end());
    ring.pop(span.size());
  }
  return items;
}

TEST(Outbox, WhatWaitsComesInOrder) {
  SpscRing<int> ring(4);
  Outbox<int> outbox(ring, 8);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(outbox.send(i));
  EXPECT_EQ(*outbox.first_waiting(), 4);
  std::vector<int> arrived = take_all(ring);
  EXPECT_TRUE(outbox.send(10));
  for (int i = 0; i < 3; ++i) {
    const std::vector<int> more = take_all(ring);
    arrived.insert(arrived.end(), more.begin(), more.end());
    outbox.flush();
  }
  EXPECT_TRUE(outbox.empty());
  EXPECT_EQ(arrived, (std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
}

TEST(Outbox, WhatMayBeLostLeavesRoomForWhatMayNot) {
  SpscRing<int> ring(2);
  Outbox<int> outbox(ring, 8);
  size_t sent = 0;
  while (outbox.send(0, 3)) ++sent;
  EXPECT_EQ(sent, 2u + 8u - 3u);
  EXPECT_FALSE(outbox.has_room());
  EXPECT_FALSE(outbox.send_now(0));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(outbox.send(1));
  EXPECT_FALSE(outbox.send(1));
}

TEST(Outbox, WithoutABoundNothingIsRefused) {
  SpscRing<int> ring(2);
  Outbox<int> outbox(ring, Outbox<int>::kUnbounded);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(outbox.send(i, 500));
  std::vector<int> arrived;
  while (arrived.size() < 1000) {
    const std::vector<int> more = take_all(ring);
    arrived.insert(arrived.end(), more.begin(), more.end());
    outbox.flush();
  }
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(arrived[static_cast<size_t>(i)], i);
}

TEST(Fifo, GrowsToItsBoundAndKeepsTheOrderAcrossTheWrap) {
  Fifo<int> fifo(2, 8);
  EXPECT_EQ(fifo.room(), 8u);
  fifo.push(0), fifo.push(1), fifo.pop();
  for (int i = 2; i < 9; ++i) EXPECT_TRUE(fifo.push(i));
  EXPECT_FALSE(fifo.push(9));
  EXPECT_EQ(fifo.room(), 0u);
  for (int i = 1; i < 9; ++i, fifo.pop()) EXPECT_EQ(fifo.front(), i);
  EXPECT_TRUE(fifo.empty());
}

TEST(Staging, LiveWhatDoesNotFitStaysInTheRing) {
  SpscRing<int> ring(8);
  for (int i = 0; i < 6; ++i) ring.push(i);
  Staging<int> staging(4, false);
  staging.fill(ring);
  EXPECT_EQ(staging.size(), 4u);
  EXPECT_EQ(ring.size(), 2u);
}

}  // namespace
}  // namespace parallax
