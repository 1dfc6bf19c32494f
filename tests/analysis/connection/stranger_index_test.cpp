#include "analysis/connection/stranger_index.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr int64_t kTimeoutNs = 1'000'000'000;

LegEvent stranger_at(PointIndex point, int64_t order_ns, uint32_t seq) {
  LegEvent event{};
  event.type = LegEventType::stranger;
  event.packet.point = point;
  event.packet.order_ns = order_ns;
  event.packet.seq = seq;
  event.packet.payload_length = 100;
  event.packet.from = Side::server;
  event.client.port = 40000;
  event.server.port = 80;
  return event;
}

FateEvent missing_at(PointIndex point, int64_t order_ns, uint32_t seq) {
  FateEvent event{};
  event.type = FateEventType::segment_lost;
  event.packet.order_ns = order_ns;
  event.packet.seq = seq;
  event.packet.payload_length = 100;
  event.absent_at = point;
  return event;
}

TEST(StrangerIndex, FindsThePacketByWhatATranslationLeavesAlone) {
  StrangerIndex strangers;
  strangers.add(stranger_at(0, 5'000, 17));
  const Stranger* found = strangers.find(missing_at(0, 4'000, 17), kTimeoutNs);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->source.port, 80);
  EXPECT_EQ(found->destination.port, 40000);
}

TEST(StrangerIndex, AnotherPointNumberOrLengthIsAnotherPacket) {
  StrangerIndex strangers;
  strangers.add(stranger_at(0, 5'000, 17));
  EXPECT_EQ(strangers.find(missing_at(1, 4'000, 17), kTimeoutNs), nullptr);
  EXPECT_EQ(strangers.find(missing_at(0, 4'000, 18), kTimeoutNs), nullptr);
  FateEvent longer = missing_at(0, 4'000, 17);
  longer.packet.payload_length = 101;
  EXPECT_EQ(strangers.find(longer, kTimeoutNs), nullptr);
}

TEST(StrangerIndex, AnotherTimeIsAnotherPacket) {
  StrangerIndex strangers;
  strangers.add(stranger_at(0, 5'000, 17));
  EXPECT_EQ(strangers.find(missing_at(0, 6'000 + kTimeoutNs, 17), kTimeoutNs), nullptr);
  EXPECT_EQ(strangers.find(missing_at(0, 4'000 - kTimeoutNs, 17), kTimeoutNs), nullptr);
  strangers.add(stranger_at(0, 5'000 + kTimeoutNs, 17));
  EXPECT_NE(strangers.find(missing_at(0, 6'000 + kTimeoutNs, 17), kTimeoutNs), nullptr);
}

TEST(StrangerIndex, TheOldestGoFirstAndAreCounted) {
  StrangerIndex strangers(2);
  for (uint32_t seq = 1; seq <= 3; ++seq) strangers.add(stranger_at(0, seq, seq));
  EXPECT_EQ(strangers.evicted(), 1u);
  EXPECT_EQ(strangers.find(missing_at(0, 1, 1), kTimeoutNs), nullptr);
  EXPECT_NE(strangers.find(missing_at(0, 3, 3), kTimeoutNs), nullptr);
}

}  // namespace
}  // namespace parallax
