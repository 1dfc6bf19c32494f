// Somebody who waits for the analysis of a slice may go at any time. No turn of a stage takes long then, whatever is left to do:
// the end of a large input has to look at every connection, store every finding, tell every fate.
#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <memory>

#include "analysis/engine.h"
#include "analysis/leg/leg.h"
#include "capture/decode/decode.h"
#include "tests/support/sanitized.h"

namespace parallax {
namespace {

constexpr int64_t kStartNs = 1'700'000'000'000'000'000, kSecond = 1'000'000'000, kMs = 1'000'000;
constexpr uint32_t kConnections = 60'000;

int64_t cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

TEST(InterruptibleEnd, NoTurnTakesLong) {
  std::vector<std::unique_ptr<PortChannel>> channels;
  for (PointIndex point = 0; point < 2; ++point) {
    channels.push_back(std::make_unique<PortChannel>(PortInfo{"tap", point, PortDirection::both, "test"}, 1, 1 << 12));
    channels.back()->covered_from_ns = kStartNs - kSecond;
  }
  EngineOptions options;
  options.path = {"outside", "inside"};
  options.offline = true;
  options.record_packets = true;
  Engine engine(options, {channels[0].get(), channels[1].get()});

  int64_t longest_ns = 0;
  const auto turn = [&](int64_t watermark_ns) {
    for (auto& channel : channels) channel->watermark_ns = watermark_ns;
    std::vector<Pollable*> stages = engine.workers();
    stages.push_back(&engine.correlator());
    bool worked = false;
    for (Pollable* stage : stages) {
      const int64_t began_ns = cpu_ns();
      worked |= stage->poll();
      if (watermark_ns == kTimeMax) longest_ns = std::max(longest_ns, cpu_ns() - began_ns);
    }
    return worked;
  };
  // A third is one client's scan of ports, refused; a third is reset by the device, and of a third a segment is lost.
  uint32_t frame = 0;
  int64_t now_ns = kStartNs;
  for (uint32_t number = 0; number < kConnections; ++number) {
    const auto show = [&](PointIndex point, Side from, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t length = 0) {
      Sighting s{};
      s.time_ns = s.order_ns = now_ns + point * 1000;
      s.port = s.point = point;
      s.protocol = ip_protocol::tcp;
      s.ttl = 64;
      s.tcp_flags = flags;
      s.seq = seq;
      s.ack = ack;
      s.payload_length = length;
      s.window = 1000;
      s.ip_id = static_cast<uint16_t>(++frame | 1);
      s.frame = frame;
      s.source = {
          0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)};
      s.destination = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, static_cast<uint8_t>(number >> 12), 1};
      if (number % 3 == 0) s.source[14] = s.source[15] = 9, s.destination[14] = 200;
      s.source_port = static_cast<uint16_t>(1024 + number / 7);
      s.destination_port = static_cast<uint16_t>(1 + (number % 3 == 0 ? number / 3 : number % 4096));
      if (from == Side::server) {
        std::swap(s.source, s.destination);
        std::swap(s.source_port, s.destination_port);
      }
      s.flow_hash = flow_hash(s);
      channels[point]->covered_to_ns = s.order_ns;
      while (!channels[point]->rings[0]->push(s)) turn(now_ns);
    };
    const auto cross = [&](Side from, uint8_t flags, uint32_t seq, uint32_t ack) {
      show(from == Side::client ? 0 : 1, from, flags, seq, ack);
      show(from == Side::client ? 1 : 0, from, flags, seq, ack);
      now_ns += 5000;
    };
    const uint32_t isn = number * 1000;
    if (number % 3 == 0) {
      cross(Side::client, tcp_flag::syn, isn, 0);
      cross(Side::server, tcp_flag::rst | tcp_flag::ack, 0, isn + 1);
      continue;
    }
    cross(Side::client, tcp_flag::syn, isn, 0);
    cross(Side::server, tcp_flag::syn | tcp_flag::ack, 7, isn + 1);
    cross(Side::client, tcp_flag::ack, isn + 1, 8);
    if (number % 3 == 1) {
      show(0, Side::server, tcp_flag::rst, 8, isn + 1);
    } else {
      show(0, Side::client, tcp_flag::ack | tcp_flag::psh, isn + 1, 8, 100);
      cross(Side::client, tcp_flag::rst, isn + 101, 0);  // it gives up, and so does not send it again
    }
    now_ns += 5000;
  }
  for (auto& channel : channels) channel->covered_to_ns = now_ns + 10 * kSecond;
  for (int idle = 0; !engine.finished() && idle < 10'000;) idle = turn(kTimeMax) ? 0 : idle + 1;
  ASSERT_TRUE(engine.finished());
  EXPECT_GT(engine.summary().findings_by_kind["segment_loss"], 0u);
  EXPECT_GT(engine.summary().findings_by_kind["fan_out"], 0u);
  RecordProperty("longest_turn_us", static_cast<int>(longest_ns / 1000));
  EXPECT_LT(longest_ns,
            100 * kMs * test::kTimesSlower);  // of processor time: what may pass, also where a page costs twice as much
}

}  // namespace
}  // namespace parallax
