// What the sums of round trips are made of: only what the stamps can tell.
#include <gtest/gtest.h>

#include <memory>

#include "analysis/engine.h"
#include "capture/decode/decode.h"

namespace parallax {
namespace {

constexpr int64_t kStartNs = 1'700'000'000'000'000'000, kMs = 1'000'000;

// One point, one worker, live; handshakes whose packets have the given stamps (0: not seen) and uncertainty.
class HandshakeTrip : public testing::Test {
 protected:
  HandshakeTrip() : channel_(PortInfo{"tap0", 0, PortDirection::both, "test"}, 1, 1024) {
    EngineOptions options;
    options.path = {"outside"};
    engine_ = std::make_unique<Engine>(options, std::vector<PortChannel*>{&channel_});
  }
  void handshake(std::array<int64_t, 3> after_ms, uint32_t uncertainty_ns = 0) {
    ++port_;
    int64_t order_ns = now_ns_;
    for (size_t i = 0; i < 3; ++i) {
      if (after_ms[i] < 0) continue;
      Sighting s{};
      s.time_ns = now_ns_ + after_ms[i] * kMs;
      s.order_ns = order_ns = std::max(order_ns, s.time_ns);
      s.stamp_uncertainty_ns = uncertainty_ns;
      s.protocol = ip_protocol::tcp;
      s.tcp_flags = i == 0 ? tcp_flag::syn : i == 1 ? tcp_flag::syn | tcp_flag::ack : tcp_flag::ack;
      s.seq = i == 0 ? 1000 : i == 1 ? 5000 : 1001;
      s.ack = i == 0 ? 0 : i == 1 ? 1001 : 5001;
      s.source = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
      s.destination = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 1};
      s.source_port = port_;
      s.destination_port = 443;
      if (i == 1) std::swap(s.source, s.destination), std::swap(s.source_port, s.destination_port);
      s.flow_hash = flow_hash(s);
      channel_.rings[0]->push(s);
    }
    now_ns_ += 10'000 * kMs;
    channel_.watermark_ns = now_ns_;
    for (int i = 0; i < 4; ++i) engine_->workers()[0]->poll(), engine_->correlator().poll();
  }
  int64_t sum_ns(Side side) const { return engine_->counters().points[0].handshake_rtt[side].sum_ns; }

  int64_t now_ns_ = kStartNs;
  uint16_t port_ = 1024;
  PortChannel channel_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(HandshakeTrip, IsTheTimeBetweenItsStamps) {
  handshake({0, 30, 35});
  EXPECT_EQ(sum_ns(Side::client), 5 * kMs);
  EXPECT_EQ(sum_ns(Side::server), 30 * kMs);
  EXPECT_EQ(engine_->counters().round_trips_uncertain, 0u);
}

// The sum rose by the time since 1970.
TEST_F(HandshakeTrip, OfAnAnswerThatWasNotSeenIsNone) {
  handshake({0, -1, 35});
  EXPECT_EQ(sum_ns(Side::client), 0);
  EXPECT_EQ(sum_ns(Side::server), 0);
}

TEST_F(HandshakeTrip, OfStampsThatAreInvertedIsNone) {
  handshake({30, 10, 35});
  EXPECT_EQ(sum_ns(Side::client), 25 * kMs);
  EXPECT_EQ(sum_ns(Side::server), 0);
  EXPECT_EQ(engine_->counters().round_trips_uncertain, 1u);
}

TEST_F(HandshakeTrip, ShorterThanTheStampsAreUncertainByIsNone) {
  handshake({0, 2600, 2600}, 2'500'000'000);
  EXPECT_EQ(sum_ns(Side::client), 0);
  EXPECT_EQ(sum_ns(Side::server), 2600 * kMs);
  EXPECT_EQ(engine_->counters().round_trips_uncertain, 1u);
}

}  // namespace
}  // namespace parallax
