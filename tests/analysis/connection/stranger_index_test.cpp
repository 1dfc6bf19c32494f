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

// ---- what may be it, untold ----

bool may_hide(const StrangerIndex& strangers, const FateEvent& missing) {
  const EngineOptions options{.path = {"a", "b"}, .offline = true};
  const ConnectionStore store(options);
  Connection connection;
  connection.id = 1;
  return strangers.may_hide(missing, connection, store, kTimeoutNs);
}

LegEvent goes_on_at(PointIndex point, int64_t order_ns, uint32_t seq) {
  LegEvent event = stranger_at(point, order_ns, seq);
  event.type = LegEventType::goes_on;
  return event;
}

TEST(StrangerIndex, OneThatGoesOnMayShowAnyPacketWithNumbersNear) {
  StrangerIndex strangers;
  strangers.add(goes_on_at(0, 5'000, 17));
  EXPECT_TRUE(may_hide(strangers, missing_at(0, 6'000, 1'000'000)));
  EXPECT_TRUE(may_hide(strangers, missing_at(0, 6'000 + 100 * kTimeoutNs, 17)));
  EXPECT_FALSE(may_hide(strangers, missing_at(1, 6'000, 17)));
  EXPECT_FALSE(may_hide(strangers, missing_at(0, 6'000, 1'000'000'000)));
  EXPECT_FALSE(may_hide(strangers, missing_at(0, 3'000 - kTimeoutNs, 17)));
}

TEST(StrangerIndex, OneThatIsOverGoesOnNoMore) {
  StrangerIndex strangers;
  strangers.add(goes_on_at(0, 5'000, 17));
  LegEvent end{};
  end.type = LegEventType::closed;
  end.packet.order_ns = 9'000;
  strangers.end(end);
  EXPECT_TRUE(may_hide(strangers, missing_at(0, 8'000, 17)));
  EXPECT_FALSE(may_hide(strangers, missing_at(0, 10'000 + kTimeoutNs, 17)));
}

TEST(StrangerIndex, WhatIsForgottenProvesNothing) {
  StrangerIndex strangers(2);
  for (uint32_t seq = 1; seq <= 3; ++seq) strangers.add(stranger_at(0, seq * 3 * kTimeoutNs, seq));
  EXPECT_TRUE(may_hide(strangers, missing_at(0, 3 * kTimeoutNs, 1)));
  EXPECT_FALSE(may_hide(strangers, missing_at(0, 6 * kTimeoutNs, 2)));
  EXPECT_FALSE(may_hide(strangers, missing_at(1, 3 * kTimeoutNs, 1)));
  FateEvent bare = missing_at(0, 3 * kTimeoutNs, 1);
  bare.packet.payload_length = 0;
  EXPECT_FALSE(may_hide(strangers, bare));
}

}  // namespace
}  // namespace parallax
