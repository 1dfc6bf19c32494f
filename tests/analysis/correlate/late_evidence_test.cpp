// What is paired by when it speaks, and then shows what it is: the packets of both sides are the same, or another's, or a request
// names another client. The pairing is raised and its packets are followed, or replaced, or taken back; the same for any number
// of workers.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "tests/support/packet_builder.h"
#include "tests/support/pipeline.h"

namespace parallax::test {
namespace {

constexpr int64_t kStartNs = 1'700'000'000'000'000'000, kUs = 1'000, kMs = 1'000'000, kSecond = 1'000'000'000;
constexpr int64_t kRequestNs = 400 * kUs, kResponseNs = 200 * kUs, kServerNs = 5 * kMs;  // what device and server take
constexpr PerSide<uint32_t> kShift{77'123'457, 33'001'003};  // of what each side sends: its sequence numbers
constexpr PointIndex kOutside = 0, kInside = 1;
constexpr size_t kUsual = 14;  // connections, from which it is learned what the device takes

struct Shown {
  bool outside = true, inside = true;
};

// Connections to one service behind a device that renames both ends and rewrites sequence numbers. Timestamps and IP IDs it
// leaves alone, or makes anew as a proxy does.
class Traffic {
 public:
  explicit Traffic(bool keeps_timestamps) : keeps_timestamps_(keeps_timestamps) {
    input_.options.path = {"outside", "inside"};
    input_.options.offline = true;
    for (const PointIndex point : {kOutside, kInside}) {
      for (const bool inward : {true, false}) {
        InputPort port;
        port.info.name = std::string(point == kOutside ? "outside" : "inside") + (inward ? "-in" : "-out");
        port.info.point = point;
        port.info.direction = inward ? PortDirection::toward_inside : PortDirection::toward_outside;
        input_.ports.push_back(port);
      }
    }
  }

  void open(uint16_t number, int64_t at_ns) {
    segment(number, Side::client, at_ns, tcp_flag::syn, {}, {});
    segment(number, Side::server, at_ns + kMs, tcp_flag::syn | tcp_flag::ack, {}, {});
    segment(number, Side::client, at_ns + 2 * kMs, tcp_flag::ack, {}, {});
  }
  // A request of so many segments, and its response of one, which the device loses once where it says so.
  void exchange(uint16_t number, int64_t at_ns, Shown shown = {}, size_t segments = 1, bool loses = false) {
    for (size_t i = 0; i < segments; ++i, at_ns += kMs) {
      const std::string said(100, static_cast<char>('a' + i));
      request(number, at_ns, said, shown, keeps_timestamps_ ? said : "GET /status HTTP/1.1\r\nHost: www\r\n\r\n");
    }
    const int64_t answer_ns = at_ns + kRequestNs + kServerNs;
    if (loses) {
      Connection& connection = connections_[number];
      const Connection before = connection;
      segment(number, Side::server, answer_ns, tcp_flag::ack, std::string(300, 'r'), {false, shown.inside});
      connection.seq = before.seq;
    }
    segment(number, Side::server, answer_ns + (loses ? 300 * kMs : 0), tcp_flag::ack, std::string(300, 'r'), shown);
  }
  void request(uint16_t number, int64_t at_ns, std::string_view said, Shown shown = {}, std::string_view as_passed_on = {}) {
    segment(number, Side::client, at_ns, tcp_flag::ack | tcp_flag::psh, said, shown, as_passed_on);
  }
  // The ones that teach what the device takes: two exchanges each, too few packets to compare.
  void usual(bool with_openings = false) {
    for (uint16_t i = 0; i < kUsual; ++i) {
      const int64_t at_ns = kSecond + i * 60 * kMs;
      if (with_openings) open(i, at_ns - 10 * kMs);
      exchange(i, at_ns);
      exchange(i, at_ns + 20 * kMs);
    }
  }

  PipelineOutput analyze() {
    for (InputPort& port : input_.ports) {
      for (const int64_t at_ns : {int64_t{0}, 20 * kSecond})  // what a port covers is told by its packets
        port.frames.push_back({kStartNs + at_ns, 0, arp_request_frame(address("10.0.0.80"), address("10.0.0.80"))});
      std::stable_sort(port.frames.begin(), port.frames.end(),
                       [](const TimedFrame& a, const TimedFrame& b) { return a.time_ns < b.time_ns; });
    }
    const PipelineOutput one = run(input_, 1);
    EXPECT_TRUE(one.finished);
    const std::string text = one.text(input_.options.path);
    EXPECT_EQ(text, run(input_, 2).text(input_.options.path));
    EXPECT_EQ(text, run_threaded(input_, 4).text(input_.options.path));
    return one;
  }

  // Of a client's connection at that point.
  static Endpoint client_of(uint16_t number, PointIndex point) {
    return {point == kOutside ? address("192.0.2." + std::to_string(10 + number)) : address("10.0.0.1"),
            static_cast<uint16_t>((point == kOutside ? 50'000 : 61'000) + number)};
  }

 private:
  struct Connection {
    PerSide<uint32_t> seq{1'000'000, 5'000'000};
  };

  void segment(uint16_t number, Side from, int64_t at_ns, uint8_t flags, std::string_view said, Shown shown,
               std::string_view as_passed_on = {}) {
    const auto fresh = connections_.try_emplace(number);
    Connection& connection = fresh.first->second;
    if (fresh.second) connection.seq = {1'000'000 + 10'007u * number, 5'000'000 + 30'011u * number};
    const uint16_t id = ++id_;
    const auto frame = [&](PointIndex point) {
      const bool is_new = point == kInside && !keeps_timestamps_;
      const auto shift = [point](Side side) { return point == kInside ? kShift[side] : 0; };
      Endpoint source = client_of(number, point);
      Endpoint destination = point == kOutside ? Endpoint{address("198.51.100.20"), 443} : Endpoint{address("10.0.0.80"), 8443};
      if (from == Side::server) std::swap(source, destination);
      const Ip ip{
          .source = source.address, .destination = destination.address, .id = is_new ? static_cast<uint16_t>(id * 31) : id};
      Tcp tcp{.source_port = source.port,
              .destination_port = destination.port,
              .seq = connection.seq[from] + shift(from),
              .flags = flags};
      if (flags & tcp_flag::ack) tcp.ack = connection.seq[opposite(from)] + shift(opposite(from));
      const auto clock = static_cast<uint32_t>(number * 100'003 + at_ns / kMs);
      if (keeps_timestamps_) tcp.timestamps = {clock, clock - 1};
      const std::string_view bytes = point == kInside && !as_passed_on.empty() ? as_passed_on : said;
      return tcp_frame(ip, tcp, std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
    };
    const bool in = from == Side::client;
    const auto show = [&](PointIndex point, int64_t after_ns) {
      input_.ports[2u * point + (in ? 0 : 1)].frames.push_back({kStartNs + at_ns + after_ns, 0, frame(point)});
    };
    if (shown.outside) show(kOutside, in ? 0 : kResponseNs);
    if (shown.inside) show(kInside, in ? kRequestNs : 0);
    connection.seq[from] += static_cast<uint32_t>(said.size()) + ((flags & tcp_flag::syn) ? 1 : 0);
  }

  PipelineInput input_;
  const bool keeps_timestamps_;
  std::map<uint16_t, Connection> connections_;
  uint16_t id_ = 0;
};

// The record with that client's end at that point; null: none.
const ConnectionRecord* with_leg(const PipelineOutput& output, uint16_t number, PointIndex point) {
  const auto it = std::find_if(output.connections.begin(), output.connections.end(), [&](const ConnectionRecord& connection) {
    return std::any_of(connection.legs.begin(), connection.legs.end(), [&](const LegRecord& leg) {
      return leg.point == point && leg.client == Traffic::client_of(number, point);
    });
  });
  return it == output.connections.end() ? nullptr : &*it;
}
size_t paired_by(const PipelineOutput& output, PairingMethod method) {
  return static_cast<size_t>(std::count_if(output.connections.begin(), output.connections.end(), [&](const ConnectionRecord& c) {
    return c.crossings.size() == 1 && c.crossings.front().method == method;
  }));
}
uint64_t lost_segments(const PipelineOutput& output) {
  uint64_t count = 0;
  for (const FindingRecord& finding : output.findings) count += finding.kind == FindingKind::segment_loss ? finding.count : 0;
  return count;
}
uint64_t taken_back(const PipelineOutput& output) {
  uint64_t sum = 0;
  for (const uint64_t count : output.counters.pairings_taken_back) sum += count;
  return sum;
}

// What the other tests begin with: by two exchanges each most are paired as a proxy's.
TEST(LateEvidence, TwoExchangesPairByTimeAlone) {
  Traffic traffic(true);
  traffic.usual();
  const PipelineOutput output = traffic.analyze();
  EXPECT_GE(paired_by(output, PairingMethod::timing), kUsual - 4);
  EXPECT_EQ(paired_by(output, PairingMethod::tcp_timestamp), 0u);
}

TEST(LateEvidence, WhatPassesUnchangedIsFollowedHoweverItWasPaired) {
  Traffic traffic(true);
  traffic.usual();
  for (uint16_t i = 0; i < kUsual; ++i) {
    const int64_t at_ns = 3 * kSecond + i * 500 * kMs;
    traffic.exchange(i, at_ns, {}, 3);
    traffic.exchange(i, at_ns + 100 * kMs, {}, 1, i % 2 == 0);
    traffic.exchange(i, at_ns + 470 * kMs);
  }
  const PipelineOutput output = traffic.analyze();
  EXPECT_EQ(paired_by(output, PairingMethod::tcp_timestamp), kUsual);
  EXPECT_EQ(lost_segments(output), kUsual / 2);
  for (uint16_t i = 0; i < kUsual; ++i) {
    const ConnectionRecord& connection = *with_leg(output, i, kOutside);
    EXPECT_EQ(&connection, with_leg(output, i, kInside));
    ASSERT_EQ(connection.crossings.size(), 1u);
    EXPECT_NE(connection.crossings.front().device_kind, DeviceKind::proxy);
    EXPECT_GE(connection.crossings.front().confidence, 0.95);
    EXPECT_EQ(connection.crossings.front().lost[Side::server], i % 2 == 0 ? 1u : 0u);
  }
}

// Their first packets are not the same, as one point begins later: later ones are, chosen by what both show.
TEST(LateEvidence, PointsThatBeginApartTellOfTheSamePackets) {
  Traffic traffic(true);
  for (size_t i = 0; i < 40; ++i) traffic.exchange(1, kSecond + static_cast<int64_t>(i) * 12 * kMs, {true, i >= 10});
  const PipelineOutput output = traffic.analyze();
  EXPECT_EQ(paired_by(output, PairingMethod::tcp_timestamp), 1u);
}

// Of one client the leg beyond is not seen at first, and a stranger's there keeps its time. `both`: it is seen later.
PipelineOutput after_a_mistake(bool both) {
  constexpr uint16_t kClient = 20, kStranger = 21;
  Traffic traffic(true);
  traffic.usual();
  for (const int64_t at_ns : {2 * kSecond, 2 * kSecond + 40 * kMs}) {
    traffic.exchange(kClient, at_ns, {true, false});
    traffic.exchange(kStranger, at_ns + 20 * kUs, {false, true});
  }
  const PipelineOutput mistaken = Traffic(traffic).analyze();
  EXPECT_EQ(with_leg(mistaken, kClient, kOutside), with_leg(mistaken, kStranger, kInside));
  for (int64_t at_ns = 4 * kSecond; at_ns < 5 * kSecond; at_ns += 200 * kMs) {
    traffic.exchange(kClient, at_ns, {true, both}, 3);
    traffic.exchange(kStranger, at_ns + 70 * kMs, {}, 3);
  }
  return traffic.analyze();
}

TEST(LateEvidence, WhatShowsTheSamePacketsTakesThePlaceOfWhatKeptTime) {
  const PipelineOutput output = after_a_mistake(true);
  for (const uint16_t number : {20, 21}) {
    const ConnectionRecord* connection = with_leg(output, number, kOutside);
    ASSERT_NE(connection, nullptr);
    EXPECT_EQ(connection, with_leg(output, number, kInside));
    ASSERT_EQ(connection->crossings.size(), 1u);
    EXPECT_EQ(connection->crossings.front().method, PairingMethod::tcp_timestamp);
  }
  EXPECT_GE(taken_back(output), 1u);
  EXPECT_EQ(lost_segments(output), 0u);
}

TEST(LateEvidence, WhoseLegProvesToBeAnothersIsLeftWithoutOne) {
  const PipelineOutput output = after_a_mistake(false);
  const ConnectionRecord *client = with_leg(output, 20, kOutside), *stranger = with_leg(output, 21, kOutside);
  ASSERT_NE(client, nullptr);
  ASSERT_NE(stranger, nullptr);
  EXPECT_TRUE(client->crossings.empty());
  EXPECT_EQ(stranger, with_leg(output, 21, kInside));
  EXPECT_GE(taken_back(output), 1u);
  EXPECT_EQ(lost_segments(output), 0u);
}

// A proxy that ends TLS: what its clients ask for shows beyond it alone.
PipelineOutput with_a_request_that_names(std::string_view whom) {
  Traffic traffic(false);
  traffic.usual(true);
  for (uint16_t i = 0; i < kUsual; ++i) {
    const int64_t at_ns = 3 * kSecond + i * 100 * kMs;
    std::string request = "GET /status HTTP/1.1\r\nHost: www\r\n";
    if (i == 3) request += "X-Forwarded-For: " + std::string(whom) + "\r\n";
    traffic.request(i, at_ns, std::string(request.size() + 2, 't'), {}, request + "\r\n");
  }
  return traffic.analyze();
}

TEST(LateEvidence, ARequestThatNamesAnotherClientDisprovesWhatKeptTime) {
  const PipelineOutput own = with_a_request_that_names("192.0.2.13"), others = with_a_request_that_names("192.0.2.99");
  ASSERT_EQ(with_leg(own, 3, kOutside), with_leg(own, 3, kInside));
  EXPECT_EQ(taken_back(own), 0u);
  EXPECT_NE(with_leg(others, 3, kOutside), with_leg(others, 3, kInside));
  EXPECT_EQ(taken_back(others), 1u);
  EXPECT_EQ(with_leg(others, 4, kOutside), with_leg(others, 4, kInside)) << "nobody else's";
}

}  // namespace
}  // namespace parallax::test
