// Live: what one port shows comes late, so that packets leave a device before they enter it. The clock is named, and nobody is
// accused.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/support/live_sensor.h"
#include "tests/support/packet_builder.h"

namespace parallax::test {
namespace {

constexpr int64_t kMs = LiveSensor::kMs, kSecond = 1000 * kMs;

class Conversation {
 public:
  // By how much earlier than the first the second sighting of a packet is stamped, by who has sent it.
  Conversation(LiveSensor& sensor, PerSide<int64_t> backwards_ns) : sensor_(sensor), backwards_ns_(backwards_ns) {
    send(Side::client, tcp_flag::syn, 0);
    send(Side::server, tcp_flag::syn | tcp_flag::ack, 0);
    send(Side::client, tcp_flag::ack, 0);
  }
  void go_on(int64_t ns) {
    for (const int64_t until_ns = sensor_.now_ns() + ns; sensor_.now_ns() < until_ns;) {
      send(Side::client, tcp_flag::ack | tcp_flag::psh, 100);
      send(Side::server, tcp_flag::ack | tcp_flag::psh, 100);
    }
  }

 private:
  void send(Side from, uint8_t flags, uint32_t length) {
    Sighting s{};
    s.source = address("192.0.2.10");
    s.destination = address("198.51.100.1");
    s.source_port = 40000;
    s.destination_port = 443;
    if (from == Side::server) {
      std::swap(s.source, s.destination);
      std::swap(s.source_port, s.destination_port);
    }
    s.tcp_flags = flags;
    s.seq = next_[from];
    s.ack = (flags & tcp_flag::ack) != 0 ? next_[opposite(from)] : 0;
    s.payload_length = static_cast<uint16_t>(length);
    s.ip_id = ++ip_id_;
    next_[from] += length + ((flags & tcp_flag::syn) != 0 ? 1 : 0);
    sensor_.show(from == Side::client ? 0 : 1, s);
    sensor_.show(from == Side::client ? 1 : 0, s, backwards_ns_[from]);
    sensor_.advance(10 * kMs);
  }

  LiveSensor& sensor_;
  const PerSide<int64_t> backwards_ns_;
  PerSide<uint32_t> next_{1000, 5000};
  uint16_t ip_id_ = 0;
};

TEST(StampsContradictLive, OneWayPacketsLeaveBeforeTheyEnter) {
  LiveSensor sensor(1);
  Conversation conversation(sensor, {kMs / 2, 0});
  conversation.go_on(9 * kSecond);
  const auto findings = sensor.engine().findings(0, SIZE_MAX);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, FindingKind::clock_uncertain);
  EXPECT_EQ(findings[0].where, (Where{Where::Kind::between, 0, 1}));
  EXPECT_EQ(findings[0].origin, Origin::sensor);
  EXPECT_EQ(findings[0].count, 1u);  // and not once a second
  EXPECT_NE(findings[0].summary.find("left up to 500 us before they entered"), std::string::npos) << findings[0].summary;
}

TEST(StampsContradictLive, WhatLastsIsToldOnceAMinute) {
  LiveSensor sensor(1);
  Conversation conversation(sensor, {0, kMs / 2});
  conversation.go_on(70 * kSecond);
  const auto findings = sensor.engine().findings(0, SIZE_MAX);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].count, 2u);
}

TEST(StampsContradictLive, OneClockIsSilent) {
  LiveSensor sensor(1);
  Conversation conversation(sensor, {0, 0});
  conversation.go_on(3 * kSecond);
  EXPECT_TRUE(sensor.engine().findings(0, SIZE_MAX).empty());
}

// Then the sides are mistaken for each other: no clock does that.
TEST(StampsContradictLive, BothWaysBackwardsAreNoMatterOfClocks) {
  LiveSensor sensor(1);
  Conversation conversation(sensor, {kMs / 2, kMs / 2});
  conversation.go_on(3 * kSecond);
  EXPECT_TRUE(sensor.engine().findings(0, SIZE_MAX).empty());
}

}  // namespace
}  // namespace parallax::test
