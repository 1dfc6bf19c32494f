// Live a finding is out as soon as it is decidable, and does not wait for what else may become of its connection.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "tests/support/live_sensor.h"
#include "tests/support/packet_builder.h"

namespace parallax::test {
namespace {

constexpr int64_t kMs = LiveSensor::kMs, kSecond = 1000 * kMs;

Sighting segment(Side from, uint8_t flags, uint32_t seq, uint32_t ack) {
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
  s.seq = seq;
  s.ack = ack;
  return s;
}

void cross(LiveSensor& sensor, Side from, uint8_t flags, uint32_t seq, uint32_t ack) {
  const Sighting s = segment(from, flags, seq, ack);
  sensor.show(from == Side::client ? 0 : 1, s);
  sensor.show(from == Side::client ? 1 : 0, s);
  sensor.advance(20 * kMs);
}

bool is_told(LiveSensor& sensor, FindingKind kind) {
  const auto findings = sensor.engine().findings(0, SIZE_MAX);
  return std::any_of(findings.begin(), findings.end(), [kind](const FindingRecord& f) { return f.kind == kind; });
}

// How long it takes from now on; empty: longer than 10 s.
std::optional<int64_t> wait_for(LiveSensor& sensor, FindingKind kind) {
  const int64_t from_ns = sensor.now_ns();
  while (!is_told(sensor, kind)) {
    sensor.advance(50 * kMs);
    if (sensor.now_ns() > from_ns + 10 * kSecond) return std::nullopt;
  }
  return sensor.now_ns() - from_ns;
}

TEST(ToldSoonLive, ARefusal) {
  LiveSensor sensor(1);
  cross(sensor, Side::client, tcp_flag::syn, 1000, 0);
  cross(sensor, Side::server, tcp_flag::rst | tcp_flag::ack, 0, 1001);
  const auto waited_ns = wait_for(sensor, FindingKind::syn_refused);
  ASSERT_TRUE(waited_ns);
  EXPECT_LT(*waited_ns, 2 * kSecond);
}

TEST(ToldSoonLive, RefusalsThatFollowEachOtherAreOne) {
  LiveSensor sensor(1);
  for (int i = 0; i < 3; ++i) {  // as Windows tries
    cross(sensor, Side::client, tcp_flag::syn, 1000, 0);
    cross(sensor, Side::server, tcp_flag::rst | tcp_flag::ack, 0, 1001);
    sensor.advance(460 * kMs);
  }
  ASSERT_TRUE(wait_for(sensor, FindingKind::syn_refused));
  const auto findings = sensor.engine().findings(0, SIZE_MAX);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_NE(findings[0].summary.find("(3 attempts)"), std::string::npos) << findings[0].summary;
}

TEST(ToldSoonLive, ARetry) {
  LiveSensor sensor(1);
  sensor.show(0, segment(Side::client, tcp_flag::syn, 1000, 0));
  sensor.advance(kSecond);
  cross(sensor, Side::client, tcp_flag::syn, 1000, 0);
  cross(sensor, Side::server, tcp_flag::syn | tcp_flag::ack, 5000, 1001);
  cross(sensor, Side::client, tcp_flag::ack, 1001, 5001);
  const auto waited_ns = wait_for(sensor, FindingKind::syn_retried);
  ASSERT_TRUE(waited_ns);
  EXPECT_LT(*waited_ns, 3 * kSecond);
}

// Its sender may go on for minutes, and the leg is kept for minutes after that.
TEST(ToldSoonLive, AConnectionThatStandsStill) {
  LiveSensor sensor(1);
  cross(sensor, Side::client, tcp_flag::syn, 1000, 0);
  cross(sensor, Side::server, tcp_flag::syn | tcp_flag::ack, 5000, 1001);
  cross(sensor, Side::client, tcp_flag::ack, 1001, 5001);
  Sighting data = segment(Side::client, tcp_flag::ack | tcp_flag::psh, 1001, 5001);
  data.payload_length = 100;
  for (const int64_t wait_ns : {kSecond / 2, kSecond, 2 * kSecond, 4 * kSecond, 8 * kSecond, int64_t{0}}) {
    for (const PointIndex point : {PointIndex{0}, PointIndex{1}}) sensor.show(point, data);
    sensor.advance(wait_ns + 10 * kMs);
  }
  sensor.advance(5 * kSecond);
  EXPECT_FALSE(is_told(sensor, FindingKind::stalled_connection));  // the sender may yet repeat it
  sensor.advance(20 * kSecond);
  const auto findings = sensor.engine().findings(0, SIZE_MAX);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, FindingKind::stalled_connection);
  EXPECT_NE(findings[0].summary.find("repeated its data 5 times"), std::string::npos) << findings[0].summary;
}

// Where the first look cannot tell who did it, a later one may.
TEST(ToldSoonLive, ARetryOfWhichNobodyIsKnownToBeTheCauseIsLookedAtAgain) {
  LiveSensor sensor(1);
  for (const int64_t wait_ns : {kSecond, 20 * kMs}) {
    sensor.show(0, segment(Side::client, tcp_flag::syn, 1000, 0));
    sensor.advance(wait_ns);
  }
  sensor.show(0, segment(Side::server, tcp_flag::syn | tcp_flag::ack, 5000, 1001));
  sensor.advance(20 * kMs);
  sensor.show(0, segment(Side::client, tcp_flag::ack, 1001, 5001));
  const auto waited_ns = wait_for(sensor, FindingKind::syn_retried);
  ASSERT_TRUE(waited_ns);
  EXPECT_GT(*waited_ns, 4 * kSecond);
  EXPECT_LT(*waited_ns, 7 * kSecond);
}

}  // namespace
}  // namespace parallax::test
