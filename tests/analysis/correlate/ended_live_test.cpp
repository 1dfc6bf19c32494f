// Live each connection is told once, when it has ended and all of it is decided; and of one that has to make room what was known.
#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "tests/support/live_sensor.h"
#include "tests/support/packet_builder.h"

namespace parallax::test {
namespace {

using tcp_flag::ack, tcp_flag::fin, tcp_flag::syn;
constexpr int64_t kMs = LiveSensor::kMs, kSecond = 1000 * kMs;

Sighting segment(Side from, uint16_t port, uint8_t flags, uint32_t seq, uint32_t acked, uint32_t payload = 0) {
  Sighting s{};
  s.source = address("192.0.2.10");
  s.destination = address("198.51.100.1");
  s.source_port = port;
  s.destination_port = 443;
  if (from == Side::server) {
    std::swap(s.source, s.destination);
    std::swap(s.source_port, s.destination_port);
  }
  s.tcp_flags = flags;
  s.seq = seq;
  s.ack = acked;
  s.payload_length = payload;
  return s;
}

class EndedLive : public ::testing::Test {
 protected:
  static EngineOptions options(bool tells_ends, size_t connections) {
    EngineOptions options;
    options.tells_ends = tells_ends;
    options.connections = connections;
    return options;
  }
  void cross(LiveSensor& sensor, Side from, const Sighting& s) {
    sensor.show(from == Side::client ? 0 : 1, s);
    sensor.show(from == Side::client ? 1 : 0, s);
    sensor.advance(20 * kMs);
  }
  void open(LiveSensor& sensor, uint16_t port) {
    cross(sensor, Side::client, segment(Side::client, port, syn, 1000, 0));
    cross(sensor, Side::server, segment(Side::server, port, syn | ack, 5000, 1001));
    cross(sensor, Side::client, segment(Side::client, port, ack, 1001, 5001));
    cross(sensor, Side::client, segment(Side::client, port, ack, 1001, 5001, 100));
    cross(sensor, Side::client, segment(Side::client, port, ack, 1001, 5001, 100));  // again
  }
  void close(LiveSensor& sensor, uint16_t port) {
    cross(sensor, Side::server, segment(Side::server, port, ack | fin, 5001, 1101));
    cross(sensor, Side::client, segment(Side::client, port, ack | fin, 1101, 5002));
    cross(sensor, Side::server, segment(Side::server, port, ack, 5002, 1102));
  }
};

TEST_F(EndedLive, AConnectionIsTakenOnceWithBothItsLegs) {
  LiveSensor sensor(2, 4096, options(true, 1 << 16));
  open(sensor, 40000);
  open(sensor, 40001);
  sensor.advance(5 * kSecond);
  EXPECT_TRUE(sensor.engine().take_ended(100).connections.empty());  // both are open
  close(sensor, 40000);
  int64_t waited_ns = 0;
  EndedConnections ended;
  for (; ended.connections.empty() && waited_ns < 90 * kSecond; waited_ns += kSecond) {
    sensor.advance(kSecond);
    ended = sensor.engine().take_ended(100);
  }
  ASSERT_EQ(ended.connections.size(), 1u);
  EXPECT_LT(waited_ns, 75 * kSecond);
  const ConnectionRecord& c = ended.connections.front().record;
  ASSERT_EQ(c.legs.size(), 2u);
  EXPECT_EQ(c.crossings.size(), 1u);
  EXPECT_EQ(c.close, Close::fin);
  EXPECT_EQ(c.legs[0].bytes[Side::client], 200u);
  EXPECT_EQ(c.legs[0].stream_bytes[Side::client], 100u);
  EXPECT_FALSE(ended.connections.front().is_early || ended.connections.front().is_again);
  sensor.advance(90 * kSecond);
  EXPECT_TRUE(sensor.engine().take_ended(100).connections.empty());
  EXPECT_EQ(sensor.engine().connections(0, 100).size(), 2u);  // it is not forgotten for it
}

TEST_F(EndedLive, WhatHasToMakeRoomIsToldAsItWasThen) {
  LiveSensor sensor(1, 4096, options(true, 16));
  for (uint16_t port = 40000; port < 40040; ++port) open(sensor, port);
  const EndedConnections ended = sensor.engine().take_ended(100);
  EXPECT_EQ(ended.connections.size(), 24u);
  EXPECT_EQ(ended.not_kept, 0u);
  std::set<uint64_t> ids;
  for (const auto& one : ended.connections) {
    EXPECT_TRUE(one.is_early);
    ids.insert(one.record.id);
  }
  EXPECT_EQ(ids.size(), 24u);
  EXPECT_TRUE(sensor.engine().take_ended(100).connections.empty());
}

TEST_F(EndedLive, WithoutATakerNothingWaits) {
  LiveSensor sensor(1, 4096, options(false, 16));
  for (uint16_t port = 40000; port < 40040; ++port) open(sensor, port);
  const EndedConnections ended = sensor.engine().take_ended(100);
  EXPECT_TRUE(ended.connections.empty());
  EXPECT_EQ(ended.not_kept, 0u);
}

TEST_F(EndedLive, ATakerMayComeAndGo) {
  LiveSensor sensor(1, 4096, options(false, 1 << 16));
  open(sensor, 40000);
  open(sensor, 40001);
  open(sensor, 40002);
  close(sensor, 40000);
  sensor.advance(90 * kSecond);
  EXPECT_EQ(sensor.engine().tell_ends(true), 0u);
  close(sensor, 40001);
  sensor.advance(90 * kSecond);
  const EndedConnections ended = sensor.engine().take_ended(100);
  ASSERT_EQ(ended.connections.size(), 1u);  // not what was over when it came
  EXPECT_EQ(ended.connections.front().record.legs.front().client.port, 40001);
  EXPECT_FALSE(ended.connections.front().is_again);
  close(sensor, 40002);
  sensor.advance(90 * kSecond);
  EXPECT_EQ(sensor.engine().tell_ends(false), 1u);
  sensor.advance(90 * kSecond);
  EXPECT_TRUE(sensor.engine().take_ended(100).connections.empty());
}

}  // namespace
}  // namespace parallax::test
