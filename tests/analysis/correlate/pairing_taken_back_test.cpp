// A pairing that was made on less gives way to one that is clear: what was said on it is taken back, and the legs that it held
// pair again, the same for any number of workers, and live as long as one likes.
//
// Every connection here is opened after a SYN that the device has dropped and that looks like its own: the same port with another
// number, or behind the NAT another client's SYN with the same number. And the inner point stamps a SYN a little before the outer
// one, so that the dropped SYN is all that the inner leg can be paired with until the right one is seen.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "capture/decode/decode.h"
#include "tests/support/live_sensor.h"
#include "tests/support/packet_builder.h"
#include "tests/support/pipeline.h"
#include "tests/support/random.h"

namespace parallax::test {
namespace {

constexpr int64_t kStartNs = 1'700'000'000'000'000'000, kUs = 1'000, kMs = 1'000'000, kSecond = 1'000'000'000;
constexpr int64_t kEarlyNs = 40 * kUs;  // by which the inner point is early with what the client sends

class Traffic {
 public:
  explicit Traffic(bool offline) {
    input.options.path = {"outside", "inside"};
    input.options.offline = offline;
    for (uint8_t point = 0; point < 2; ++point) {
      for (const bool inward : {true, false}) {
        InputPort port;
        port.info.name = std::string(point == 0 ? "outside" : "inside") + (inward ? "-in" : "-out");
        port.info.point = point;
        port.info.direction = inward ? PortDirection::toward_inside : PortDirection::toward_outside;
        input.ports.push_back(port);
      }
    }
  }

  // `lost`: data segments that the device drops, after two that pass.
  void connection(uint64_t number, int64_t at_ns, bool nat, size_t lost) {
    client_ = address("10.1." + std::to_string(number % 7) + "." + std::to_string(1 + number % 200));
    port_ = static_cast<uint16_t>(20000 + number % 20000);
    const uint32_t isn = static_cast<uint32_t>(1'000'003 * number), server_isn = isn + 77;
    const std::pair<uint32_t, uint32_t> timestamps{static_cast<uint32_t>(5 + number), 0};
    if (nat) {  // another client, that sends no timestamps
      show(0, at_ns - kSecond, frame(Side::client, {.seq = isn, .flags = tcp_flag::syn}, 0, address("10.2.0.9")));
    } else {
      show(0, at_ns - kSecond, frame(Side::client, {.seq = isn + 5'000'000, .flags = tcp_flag::syn}));
    }
    const auto cross = [&](Side from, Tcp tcp, size_t length, bool passes = true) {
      if (nat) tcp.timestamps = timestamps;
      const Frame outside = frame(from, tcp, length);
      --id_;
      const bool in = from == Side::client;
      if (passes || in) show(0, at_ns + (in ? 0 : 30 * kUs), outside);
      if (passes) show(1, at_ns - (in ? kEarlyNs : 0), frame(from, tcp, length, nat ? address("198.51.100.77") : client_));
      ++id_;
      at_ns += 30 * kMs;
    };
    cross(Side::client, {.seq = isn, .flags = tcp_flag::syn}, 0);
    cross(Side::server, {.seq = server_isn, .ack = isn + 1, .flags = tcp_flag::syn | tcp_flag::ack}, 0);
    cross(Side::client, {.seq = isn + 1, .ack = server_isn + 1, .flags = tcp_flag::ack}, 0);
    uint32_t seq = isn + 1;
    for (size_t i = 0; i < 2 + lost; ++i, seq += 100)
      cross(Side::client, {.seq = seq, .ack = server_isn + 1, .flags = tcp_flag::ack}, 100, i < 2);
    at_ns += 2 * kSecond;
    cross(Side::client, {.seq = seq, .ack = server_isn + 1, .flags = tcp_flag::rst | tcp_flag::ack}, 0);
  }

  const PipelineInput& ready() {
    for (InputPort& port : input.ports) {
      // What a port covers is told by its packets.
      for (const int64_t at_ns : {int64_t{0}, 20 * kSecond})
        port.frames.push_back({kStartNs + at_ns, 0, arp_request_frame(server_, server_)});
      std::stable_sort(port.frames.begin(), port.frames.end(),
                       [](const TimedFrame& a, const TimedFrame& b) { return a.time_ns < b.time_ns; });
    }
    return input;
  }

  PipelineInput input;

 private:
  Frame frame(Side from, Tcp tcp, size_t length = 0, std::optional<Address> client = {}) {
    Ip ip{.source = client.value_or(client_), .destination = server_, .id = ++id_};
    tcp.source_port = port_;
    tcp.destination_port = 443;
    if (from == Side::server) {
      std::swap(ip.source, ip.destination);
      std::swap(tcp.source_port, tcp.destination_port);
    }
    return tcp_frame(ip, tcp, stream_bytes(tcp.seq, 0, length));
  }
  void show(size_t point, int64_t at_ns, const Frame& frame) {
    const bool inward = frame_is_inward(frame);
    input.ports[2 * point + (inward ? 0 : 1)].frames.push_back({kStartNs + at_ns, 0, frame});
  }
  // To the server's port.
  static bool frame_is_inward(const Frame& frame) {
    return frame[14 + 20 + 2] == (443 >> 8) && frame[14 + 20 + 3] == (443 & 0xff);
  }

  const Address server_ = address("203.0.113.80");
  Address client_{};
  uint16_t port_ = 0, id_ = 0;
};

uint64_t count_of(const PipelineOutput& output, FindingKind kind) {
  uint64_t count = 0;
  for (const FindingRecord& finding : output.findings) {
    if (finding.kind != kind) continue;
    EXPECT_EQ(finding.direction, FindingDirection::client_to_server) << finding.summary;
    count += finding.count;
  }
  return count;
}

TEST(PairingTakenBack, SaysTheSameForAnyNumberOfWorkers) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    Traffic traffic(true);
    constexpr uint64_t kConnections = 60;
    uint64_t lost = 0;
    for (uint64_t number = 0; number < kConnections; ++number) {
      const size_t own = random.below(3);
      lost += own;
      // Some at the very same time.
      traffic.connection(number, 2 * kSecond + static_cast<int64_t>(random.below(40)) * 25 * kMs, random.chance(0.5), own);
    }
    const PipelineInput& input = traffic.ready();
    const PipelineOutput one = run(input, 1);
    ASSERT_TRUE(one.finished);
    EXPECT_EQ(one.summary.connections, 2 * kConnections);
    EXPECT_EQ(one.summary.paired_connections, kConnections);
    EXPECT_EQ(one.summary.unpaired_legs, kConnections);
    EXPECT_EQ(count_of(one, FindingKind::syn_unanswered), kConnections);
    EXPECT_EQ(count_of(one, FindingKind::segment_loss), lost);
    ASSERT_EQ(one.devices.size(), 1u);
    EXPECT_EQ(one.devices[0].connections, kConnections);
    EXPECT_EQ(one.devices[0].segments_lost[Direction::toward_inside], lost);
    const std::string text = one.text(input.options.path);
    EXPECT_EQ(text, run(input, 2).text(input.options.path));
    EXPECT_EQ(text, run(input, 4).text(input.options.path));
    EXPECT_EQ(text, run_threaded(input, 4).text(input.options.path));
  }
}

// Numbers of pairs are used again live, many times more than a generation counts: none is lost, and no packet of a leg that was
// taken from a pair is followed as one of a later pair.
TEST(PairingTakenBack, FreesThePairForTheNextOnes) {
  for (const size_t workers : {1, 2}) {
    SCOPED_TRACE(workers);
    LiveSensor sensor(workers);
    constexpr uint32_t kConnections = 2000;
    for (uint32_t number = 0; number < kConnections; ++number) {
      const bool nat = number % 2 == 0;
      const uint32_t isn = 1'000'003 * (number + 1), server_isn = isn + 77, tsval = 5 + number;
      const auto client = [&](PointIndex point) {
        return point == 1 && nat ? address("198.51.100.77") : address("10.1.0." + std::to_string(1 + number % 200));
      };
      const auto packet = [&](PointIndex point, Side from, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t length = 0) {
        Sighting s{};
        s.source = client(point);
        s.destination = address("203.0.113.80");
        s.source_port = static_cast<uint16_t>(20000 + number);
        s.destination_port = 443;
        if (from == Side::server) {
          std::swap(s.source, s.destination);
          std::swap(s.source_port, s.destination_port);
        }
        s.tcp_flags = flags;
        s.seq = seq;
        s.ack = ack;
        s.payload_length = length;
        s.tsval = nat ? tsval : 0;
        s.ip_id = static_cast<uint16_t>(1 + seq % 60'000);
        sensor.show(point, s, point == 1 && from == Side::client ? kEarlyNs : 0);
      };
      const auto cross = [&](Side from, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t length = 0) {
        packet(1, from, flags, seq, ack, length);
        packet(0, from, flags, seq, ack, length);
        sensor.advance(40 * kMs);
      };
      Sighting dropped{};
      dropped.source = nat ? address("10.2.0.9") : client(0);
      dropped.destination = address("203.0.113.80");
      dropped.source_port = static_cast<uint16_t>(20000 + number);
      dropped.destination_port = 443;
      dropped.tcp_flags = tcp_flag::syn;
      dropped.seq = nat ? isn : isn + 5'000'000;
      sensor.show(0, dropped);
      sensor.advance(500 * kMs, 50 * kMs);

      constexpr uint8_t kAck = tcp_flag::ack, kFinAck = tcp_flag::fin | tcp_flag::ack;
      cross(Side::client, tcp_flag::syn, isn, 0);
      cross(Side::server, tcp_flag::syn | kAck, server_isn, isn + 1);
      cross(Side::client, kAck, isn + 1, server_isn + 1);
      for (uint32_t i = 0; i < 4; ++i) cross(Side::client, kAck, isn + 1 + 100 * i, server_isn + 1, 100);
      cross(Side::client, kFinAck, isn + 401, server_isn + 1);
      cross(Side::server, kFinAck, server_isn + 1, isn + 402);
      cross(Side::client, kAck, isn + 402, server_isn + 2);
    }
    sensor.advance(20 * kSecond, 50 * kMs);
    const EngineCounters counters = sensor.engine().counters();
    uint64_t taken_back = 0;
    for (const uint64_t count : counters.pairings_taken_back) taken_back += count;
    EXPECT_EQ(taken_back, kConnections);
    EXPECT_GT(counters.fates_taken_back, 0u);
    const SummaryRecord summary = sensor.engine().summary();
    EXPECT_EQ(summary.paired_connections, kConnections);
    for (const std::string& bound : summary.bounds_hit) EXPECT_FALSE(bound.starts_with("pairs")) << bound;
    for (const FindingRecord& finding : sensor.engine().findings(0, SIZE_MAX)) {
      if (finding.severity < Severity::warning) continue;  // ports that are used again, a timer's rhythm: true, and harmless
      EXPECT_EQ(finding.kind, FindingKind::syn_unanswered) << finding.summary;
    }
    for (const ConnectionRecord& connection : sensor.engine().connections(0, SIZE_MAX)) {
      for (const CrossingRecord& crossing : connection.crossings) {
        EXPECT_TRUE(crossing.transit[Side::server]) << connection.id;  // what the client sends leaves before it enters
        EXPECT_EQ(crossing.lost[Side::client] + crossing.lost[Side::server], 0u) << connection.id;
      }
    }
  }
}

}  // namespace
}  // namespace parallax::test
