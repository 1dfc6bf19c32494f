// The ring of payload prefixes: whole, in order, in step with what flags them.
#include "capture/core/payload_prefix.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

#include "tests/support/random.h"

namespace parallax {
namespace {

using Bytes = std::vector<uint8_t>;
using Buffer = std::array<uint8_t, kPayloadPrefixBytesMax>;

Bytes bytes_of(size_t length, uint8_t first) {
  Bytes bytes(length);
  for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<uint8_t>(first + i * 7);
  return bytes;
}

Bytes popped(PayloadPrefixRing& ring) {
  const auto buffer = std::make_unique<Buffer>();
  const auto payload_prefix = ring.pop(*buffer);
  return {payload_prefix.begin(), payload_prefix.end()};
}

TEST(PayloadPrefixRing, WhatGoesInComesOutWholeAndInOrder) {
  PayloadPrefixRing ring(1);
  const std::vector<size_t> lengths{1, 61, 62, 63, 64, 125, 126, 127, 190, 1460, kPayloadPrefixBytesMax, 1};
  for (size_t round = 0; round < 10; ++round) {
    for (size_t i = 0; i < lengths.size(); ++i) ASSERT_TRUE(ring.push(bytes_of(lengths[i], static_cast<uint8_t>(i))));
    for (size_t i = 0; i < lengths.size(); ++i)
      EXPECT_EQ(popped(ring), bytes_of(lengths[i], static_cast<uint8_t>(i))) << lengths[i];
    EXPECT_EQ(ring.chunks_waiting(), 0u);
  }
}

TEST(PayloadPrefixRing, AnPayloadPrefixThatDoesNotFitLeavesNoTrace) {
  PayloadPrefixRing ring(512);
  ASSERT_TRUE(ring.push(bytes_of(kPayloadPrefixBytesMax, 1)));
  ASSERT_TRUE(ring.push(bytes_of(kPayloadPrefixBytesMax, 2)));
  ASSERT_TRUE(ring.push(bytes_of(kPayloadPrefixBytesMax, 3)));
  const size_t waiting = ring.chunks_waiting();
  EXPECT_FALSE(ring.push(bytes_of(kPayloadPrefixBytesMax, 4)));
  EXPECT_EQ(ring.chunks_waiting(), waiting);
  EXPECT_TRUE(ring.push(bytes_of(100, 5))) << "a shorter one may still fit";
  for (const uint8_t first : {1, 2, 3}) EXPECT_EQ(popped(ring), bytes_of(kPayloadPrefixBytesMax, first));
  EXPECT_EQ(popped(ring), bytes_of(100, 5));
}

TEST(PayloadPrefixRing, OutOfStepIsEmptyAndNotForEver) {
  PayloadPrefixRing ring(512);
  EXPECT_TRUE(popped(ring).empty());
}

TEST(PayloadPrefixRing, StaysInStepWithSightingsAcrossThreads) {
  constexpr uint32_t kCount = 200'000;
  PayloadPrefixRing ring(512);
  SpscRing<uint32_t> sightings(64);  // the length of its payload prefix, 0: none
  std::thread producer([&] {
    test::Random random(7);
    for (uint32_t i = 0; i < kCount; ++i) {
      const uint32_t length =
          i % 3 == 0 ? 0 : 1 + static_cast<uint32_t>(random.below(i % 100 == 1 ? kPayloadPrefixBytesMax : 700));
      while (length > 0 && !ring.push(bytes_of(length, static_cast<uint8_t>(length)))) std::this_thread::yield();
      while (!sightings.push(length)) std::this_thread::yield();
    }
  });
  const auto buffer = std::make_unique<Buffer>();
  for (uint32_t taken = 0; taken < kCount;) {
    const auto some = sightings.peek();
    if (some.empty()) std::this_thread::yield();
    for (const uint32_t length : some) {
      if (length == 0) continue;
      const auto payload_prefix = ring.pop(*buffer);
      ASSERT_EQ(payload_prefix.size(), length);
      ASSERT_EQ(payload_prefix.front(), static_cast<uint8_t>(length));
      ASSERT_EQ(payload_prefix.back(), static_cast<uint8_t>(length + (length - 1) * 7));
    }
    taken += static_cast<uint32_t>(some.size());
    sightings.pop(some.size());
  }
  producer.join();
}

}  // namespace
}  // namespace parallax
