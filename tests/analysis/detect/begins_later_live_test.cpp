// Live ports open one after the other: what passed before a port listened was not seen there, and was not lost.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/support/live_sensor.h"
#include "tests/support/packet_builder.h"

namespace parallax::test {
namespace {

constexpr int64_t kMs = LiveSensor::kMs, kSecond = 1000 * kMs;

void show_datagram(LiveSensor& sensor, PointIndex point, uint16_t client_port, Side from, int64_t at_ns) {
  static uint32_t frame = 0;
  Sighting s{};
  s.source = address("198.51.100.13"), s.source_port = client_port;
  s.destination = address("10.20.0.2"), s.destination_port = 7;
  if (from == Side::server) std::swap(s.source, s.destination), std::swap(s.source_port, s.destination_port);
  s.time_ns = s.order_ns = at_ns;
  s.port = s.point = point;
  s.protocol = ip_protocol::udp;
  s.payload_length = 20;
  s.seq = client_port + static_cast<uint32_t>(from);
  s.ip_id = static_cast<uint16_t>(++frame);
  s.ttl = static_cast<uint8_t>(64 - point);
  s.flow_hash = flow_hash(s);
  s.frame = frame;
  ASSERT_TRUE(sensor.channels()[point]->rings[0]->push(s));
}

TEST(BeginsLaterLive, WhatPassedBeforeAPortListenedWasNotLostThere) {
  LiveSensor sensor(1);
  const int64_t begin_ns = sensor.now_ns();
  sensor.channels()[0]->covered_from_ns = begin_ns;
  sensor.channels()[1]->covered_from_ns = begin_ns + 200 * kMs;
  show_datagram(sensor, 0, 20651, Side::client, begin_ns + 50 * kMs);
  for (uint16_t i = 0; i < 20; ++i) {
    const int64_t at_ns = begin_ns + (250 + 10 * i) * kMs;
    const auto port = static_cast<uint16_t>(30000 + i);
    show_datagram(sensor, 0, port, Side::client, at_ns);
    show_datagram(sensor, 1, port, Side::client, at_ns + kMs / 10);
    show_datagram(sensor, 1, port, Side::server, at_ns + kMs / 5);
    show_datagram(sensor, 0, port, Side::server, at_ns + kMs / 4);
  }
  sensor.advance(20 * kSecond);
  for (const FindingRecord& finding : sensor.engine().findings(0, SIZE_MAX))
    EXPECT_NE(finding.kind, FindingKind::datagram_dropped_by_device) << finding.summary;
}

}  // namespace
}  // namespace parallax::test
