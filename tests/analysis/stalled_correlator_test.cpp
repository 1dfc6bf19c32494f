// The correlator stands still while packets go on coming, until every ring and every queue behind one is full. When that is over
// the engine must be as before: pairs are followed, and nothing stays open that has ended.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "analysis/engine.h"
#include "capture/decode/decode.h"

namespace parallax {
namespace {

constexpr int64_t kMillisecond = 1'000'000, kSecond = 1'000'000'000;
constexpr int64_t kStartNs = 1'700'000'000'000'000'000;
constexpr size_t kRingSlots = 1 << 12, kLegs = 1 << 13;
constexpr uint32_t kPairsAtStall = 3000;  // for each worker; their ends do not fit into a ring

Address ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) { return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}; }

// Two points with a source NAT between them, a live engine, and a clock of packet time. One thread runs the stages by turns.
class Sensor {
 public:
  explicit Sensor(size_t workers) : workers_(workers) {
    for (PointIndex point = 0; point < 2; ++point) {
      channels_.push_back(std::make_unique<PortChannel>(
          PortInfo{point == 0 ? "tap0" : "tap1", point, PortDirection::both, "test"}, workers, kRingSlots));
      channels_.back()->covered_from_ns = kStartNs - kSecond;
    }
    EngineOptions options;
    options.path = {"outside", "inside"};
    options.workers = workers;
    options.legs = kLegs;
    options.half_open_legs = kLegs / 4;
    engine_ = std::make_unique<Engine>(options, std::vector<PortChannel*>{channels_[0].get(), channels_[1].get()});
  }

  Engine& engine() { return *engine_; }
  int64_t now_ns = kStartNs;

  // Both points see the packet, the inner one 100 us later and from another client address and port.
  void packet(uint32_t connection, bool from_client, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t length = 0) {
    for (PointIndex point = 0; point < 2; ++point) {
      Sighting s{};
      s.time_ns = s.order_ns = now_ns + point * 100'000;
      s.port = s.point = point;
      s.protocol = ip_protocol::tcp;
      s.ttl = static_cast<uint8_t>(64 - point);
      s.window = 64240;
      s.tcp_flags = flags;
      s.seq = seq;
      s.ack = ack;
      s.payload_length = length;
      s.ip_id = static_cast<uint16_t>(++ip_id_[from_client ? Side::client : Side::server]);
      const auto high = static_cast<uint8_t>(connection >> 16), low = static_cast<uint8_t>(connection >> 8);
      s.source = point == 0 ? ipv4(192, 0, high, low) : ipv4(10, 9, high, low);
      s.source_port = static_cast<uint16_t>((point == 0 ? 1024 : 20'000) + connection % 256);
      s.destination = ipv4(198, 51, 100, 1);
      s.destination_port = 443;
      if (!from_client) {
        std::swap(s.source, s.destination);
        std::swap(s.source_port, s.destination_port);
      }
      s.flow_hash = flow_hash(s);
      PortChannel& channel = *channels_[point];
      channel.counters.packets.add();
      s.frame = static_cast<uint32_t>(channel.counters.packets.get());
      if (!channel.rings[s.flow_hash % workers_]->push(s)) channel.loss.add(s.order_ns, s.order_ns, 1);
    }
  }
  void open(uint32_t connection) {
    const uint32_t isn = connection * 100'003, server_isn = isn + 7;
    packet(connection, true, tcp_flag::syn, isn, 0);
    packet(connection, false, tcp_flag::syn | tcp_flag::ack, server_isn, isn + 1);
    packet(connection, true, tcp_flag::ack, isn + 1, server_isn + 1);
  }
  void talk(uint32_t connection) {
    const uint32_t isn = connection * 100'003, server_isn = isn + 7;
    packet(connection, true, tcp_flag::ack | tcp_flag::psh, isn + 1, server_isn + 1, 100);
    packet(connection, false, tcp_flag::ack | tcp_flag::psh, server_isn + 1, isn + 101, 1000);
  }
  void close(uint32_t connection) {
    const uint32_t isn = connection * 100'003, server_isn = isn + 7;
    packet(connection, true, tcp_flag::fin | tcp_flag::ack, isn + 101, server_isn + 1001);
    packet(connection, false, tcp_flag::fin | tcp_flag::ack, server_isn + 1001, isn + 102);
    packet(connection, true, tcp_flag::ack, isn + 102, server_isn + 1002);
  }

  void advance(int64_t ns) {
    now_ns += ns;
    for (auto& channel : channels_) {
      channel->covered_to_ns = now_ns;
      channel->watermark_ns = now_ns;
    }
  }
  void poll_workers() {
    for (Pollable* worker : engine_->workers()) worker->poll();
  }
  void poll_all() {
    for (int i = 0; i < 4; ++i) {
      poll_workers();
      engine_->correlator().poll();
    }
  }
  // Time passes, and nothing comes.
  void rest(int64_t ns, int64_t step_ns = 10 * kMillisecond) {
    for (const int64_t until_ns = now_ns + ns; now_ns < until_ns;) {
      advance(step_ns);
      poll_all();
    }
  }
  // The correlator has much to catch up with, and the workers are slow to hear of it.
  void catch_up() {
    for (int i = 0; i < 40; ++i) {
      for (int k = 0; k < 16; ++k) engine_->correlator().poll();
      poll_workers();
    }
  }

 private:
  const size_t workers_;
  PerSide<uint32_t> ip_id_{};
  std::vector<std::unique_ptr<PortChannel>> channels_;
  std::unique_ptr<Engine> engine_;
};

class StalledCorrelator : public testing::TestWithParam<size_t> {};

TEST_P(StalledCorrelator, IsForgottenWhenItIsOver) {
  Sensor sensor(GetParam());
  uint32_t next = 0;
  for (int round = 0; round < 10; ++round) {
    const uint32_t first_open = next;
    for (const uint32_t end = next + kPairsAtStall * GetParam(); next < end; ++next) {
      sensor.open(next);
      sensor.advance(kMillisecond);
      sensor.poll_all();
    }
    const uint32_t end_open = next;
    // 5 s in which these end, and others come and go; every tenth of those stays open longer than the stall lasts.
    for (int ms = 0; ms < 5000; ++ms) {
      for (int i = 0; i < 2; ++i) {
        if (const uint32_t open = first_open + static_cast<uint32_t>(2 * ms + i); open < end_open) sensor.close(open);
        const uint32_t connection = next++;
        sensor.open(connection);
        sensor.talk(connection);
        if (connection % 10 != 0) sensor.close(connection);
      }
      sensor.advance(kMillisecond);
      sensor.poll_workers();
    }
    sensor.catch_up();
    for (uint32_t connection = end_open; connection < next; ++connection) {
      if (connection % 10 != 0) continue;
      sensor.close(connection);
      sensor.advance(kMillisecond);
      sensor.poll_all();
    }
    sensor.rest(100 * kSecond, 100 * kMillisecond);
  }
  const auto bounds = sensor.engine().summary().bounds_hit;
  const auto hit = [&](std::string_view name) {
    return std::any_of(bounds.begin(), bounds.end(), [&](const std::string& text) { return text.starts_with(name); });
  };
  EXPECT_TRUE(hit("event_ring")) << "the stall was too short to fill what it was to fill";
  EXPECT_FALSE(hit("pairs:"));

  // As many pairs as there are numbers for, at once: none of the numbers is still taken.
  const uint32_t first = next;
  const auto known = sensor.engine().connections(0, SIZE_MAX);
  const uint64_t last_id = known.empty() ? 0 : known.back().id;
  const auto all_fresh = [&](auto&& work) {
    for (uint32_t connection = first; connection < next; ++connection) {
      work(connection);
      sensor.advance(kMillisecond);
      sensor.poll_all();
    }
  };
  next += static_cast<uint32_t>(kLegs * GetParam() * 2 / 5);
  all_fresh([&](uint32_t connection) { sensor.open(connection); });
  sensor.rest(kSecond);
  all_fresh([&](uint32_t connection) { sensor.talk(connection); });
  all_fresh([&](uint32_t connection) { sensor.close(connection); });
  sensor.rest(20 * kSecond);
  const auto fresh = sensor.engine().connections(last_id, SIZE_MAX);
  EXPECT_EQ(fresh.size(), next - first);
  size_t followed = 0;
  for (const ConnectionRecord& c : fresh) {
    followed +=
        c.crossings.size() == 1 && c.crossings[0].transit[Side::client] && c.crossings[0].transit[Side::client]->count >= 2 ? 1
                                                                                                                            : 0;
  }
  EXPECT_EQ(followed, fresh.size());

  // Everything has ended; the idle timeout of a leg that was not seen to end is 300 s.
  sensor.rest(400 * kSecond, 100 * kMillisecond);
  EXPECT_EQ(sensor.engine().counters().connections_active[Protocol::tcp], 0u);
  size_t open = 0;
  for (const ConnectionRecord& c : sensor.engine().connections(0, SIZE_MAX)) open += c.close == Close::open ? 1 : 0;
  EXPECT_EQ(open, 0u);
  for (const FindingRecord& finding : sensor.engine().findings(0, SIZE_MAX))
    EXPECT_NE(finding.origin, Origin::device) << finding.summary;  // nothing was lost but by the sensor
}

INSTANTIATE_TEST_SUITE_P(Workers, StalledCorrelator, testing::Values(1, 2));

}  // namespace
}  // namespace parallax
