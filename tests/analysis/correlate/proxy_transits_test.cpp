// What a proxy takes, by turns: which exchanges are compared, and what of each is the proxy's time.
#include "analysis/correlate/proxy_transits.h"

#include <gtest/gtest.h>

#include <map>

namespace parallax {
namespace {

constexpr PointIndex kOutside = 0, kInside = 1;
constexpr int64_t kStart = 1'700'000'000'000'000'000;

class ProxyTransitsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (PortChannel* port : {&outside_, &inside_}) {
      port->covered_from_ns = kTimeMin;
      port->covered_to_ns = kTimeMax;
      port->watermark_ns = kTimeMax;
    }
  }
  uint64_t leg(PointIndex point, double ms) {
    LegEvent event{};
    event.leg = LegId::make(0, next_leg_++, 1);
    event.protocol = ip_protocol::tcp;
    event.packet.point = point;
    event.packet.order_ns = event.packet.time_ns = at(ms);
    return store_.open(event).legs.front().id.value();
  }
  uint64_t pair(uint64_t client, uint64_t beyond) {
    Connection& connection = store_.connect(client, beyond);
    connection.crossings.push_back(
        {.client_leg = store_.place_of(client).leg, .server_leg = store_.place_of(beyond).leg, .is_proxied = true});
    store_.mark_paired(*store_.leg(client), *store_.leg(beyond));
    return connection.id;
  }
  // A message of the leg begins, and the one before it ended `waited_ms` before.
  void message(uint64_t id, Side from, double ms, double waited_ms, uint32_t retransmissions = 0, bool is_whole = true) {
    Marks& marks = marks_[id];
    marks.waited_ns[from] += static_cast<int64_t>(waited_ms * 1e6);
    marks.turns += from == Side::server;
    LegEvent event{};
    event.type = LegEventType::turn;
    event.packet.time_ns = event.packet.order_ns = at(ms);
    event.packet.from = from;
    event.turn = {marks.waited_ns[from], marks.turns, retransmissions, is_whole};
    transits_.take(id, event);
  }
  // At `ms` the client asks, in a moment; 1 ms later the proxy does; the server takes 10 ms; 2 ms later the client has the
  // answer.
  void exchange(uint64_t client, uint64_t beyond, double ms) {
    message(client, Side::client, ms, 1);
    message(beyond, Side::client, ms + 1, 1);
    message(beyond, Side::server, ms + 11, 10);
    message(client, Side::server, ms + 13, 13);
  }
  // Its last answer is over with its first byte.
  void end(uint64_t id) {
    LegState& leg = *store_.leg(id);
    leg.has_summary = leg.over = true;
    leg.summary.times.valid = leg.summary.times.is_answering = true;
    leg.summary.times.turns = marks_[id].turns;
    leg.summary.is_whole = {true, true};
    if (leg.turns && !leg.turns->exchanges().empty()) leg.summary.times.last_data_ns = leg.turns->exchanges().back().response_ns;
    transits_.end(id);
  }
  std::vector<int64_t> transits_ms(uint64_t connection, Side sender) {
    const auto exact = store_.find(connection)->crossings.front().turn_transits[sender].exact();
    std::vector<int64_t> ms(exact.begin(), exact.end());
    for (int64_t& t : ms) t /= 1'000'000;
    return ms;
  }
  void ask(uint64_t id, double ms, const char* target) {
    RecognitionEvent event{};
    event.kind = RecognitionKind::http_request;
    event.order_ns = at(ms);
    event.leg = store_.leg(id)->id;
    event.seq = static_cast<uint32_t>(ms * 1000);
    event.from = Side::client;
    event.add(0, "GET", 24);
    event.add(1, "host", 128);
    event.add(2, "", 96);
    event.add(3, "", 96);
    event.add(4, target, 100);
    store_.take(event);
  }
  static PacketFacts packet(double ms) {
    PacketFacts facts{};
    facts.order_ns = facts.time_ns = at(ms);
    return facts;
  }
  static int64_t at(double ms) { return kStart + static_cast<int64_t>(ms * 1e6); }

  struct Marks {
    PerSide<int64_t> waited_ns{};
    uint32_t turns = 0;
  };
  EngineOptions options_;
  ConnectionStore store_{options_};
  PortChannel outside_{{"outside", kOutside, PortDirection::both, ""}, 1, 64},
      inside_{{"inside", kInside, PortDirection::both, ""}, 1, 64};
  SensorView sensor_{{&outside_, &inside_}, 1};
  ProxyTransits transits_{store_, sensor_};
  std::map<uint64_t, Marks> marks_;
  uint32_t next_leg_ = 1;
};

using Times = std::vector<int64_t>;

TEST_F(ProxyTransitsTest, EachTurnOfAKeptConnectionGivesOneEachWay) {
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 1), id = pair(client, beyond);
  for (int turn = 0; turn < 10; ++turn) exchange(client, beyond, 10 + 100 * turn);
  EXPECT_EQ(transits_ms(id, Side::client), Times(9, 1)) << "the last answer may go on";
  end(beyond);
  EXPECT_EQ(transits_ms(id, Side::client), Times(10, 1));
  EXPECT_EQ(transits_ms(id, Side::server), Times(10, 2));
  EXPECT_EQ(transits_.at(kOutside)[Direction::toward_inside].count(), 10u);
}

TEST_F(ProxyTransitsTest, OfThousandsOfTurnsEachCounts) {
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 1), id = pair(client, beyond);
  for (int turn = 0; turn < 5000; ++turn) exchange(client, beyond, 10 + 100 * turn);
  const auto transits = store_.find(id)->crossings.front().turn_transits[Side::client].distribution();
  ASSERT_TRUE(transits);
  EXPECT_EQ(transits->count, 4999u);
  EXPECT_EQ(transits->min_ns, 1'000'000);
  EXPECT_NEAR(static_cast<double>(transits->median_ns), 1e6, 5e4);
}

// A connection to the server that has served thousands: what the newest take is told all the same.
TEST_F(ProxyTransitsTest, LateClientsOfAConnectionThatManyHaveSharedAreTimed) {
  const uint64_t beyond = leg(kInside, 0);
  for (int i = 0; i < 3000; ++i) store_.share(*store_.leg(leg(kOutside, 1)), *store_.leg(beyond), {});
  EXPECT_EQ(store_.leg(beyond)->shared_with.size(), LegState::kSharedMax);
  EXPECT_EQ(store_.totals().sharings_forgotten, 3000 - LegState::kSharedMax);
  const uint64_t client = leg(kOutside, 2), id = pair(client, beyond);
  for (int turn = 0; turn < 3; ++turn) exchange(client, beyond, 10 + 100 * turn);
  EXPECT_EQ(transits_ms(id, Side::client), Times(2, 1));
}

TEST_F(ProxyTransitsTest, TurnsBeforeThePairingCountAsFarAsTheyAreKept) {
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 1);
  for (int turn = 0; turn < 3; ++turn) exchange(client, beyond, 10 + 100 * turn);
  const uint64_t id = pair(client, beyond);
  end(beyond);
  EXPECT_EQ(transits_ms(id, Side::client), Times(3, 1));
}

TEST_F(ProxyTransitsTest, NothingIsSaidOfWhatWasSentAgainOrMissed) {
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 1), id = pair(client, beyond);
  message(client, Side::client, 10, 1);
  message(beyond, Side::client, 11, 1);
  message(beyond, Side::server, 221, 10, 1);  // the request was sent again
  message(client, Side::server, 223, 213);
  message(client, Side::client, 300, 1);
  message(beyond, Side::client, 301, 1, 1);
  message(beyond, Side::server, 311, 10, 1, false);  // some of it was missed
  message(client, Side::server, 313, 13);
  end(beyond);
  EXPECT_EQ(transits_ms(id, Side::client), Times{});
  EXPECT_EQ(transits_ms(id, Side::server), Times{});
}

TEST_F(ProxyTransitsTest, NothingIsSaidWhereAMarkIsLacking) {
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 1), id = pair(client, beyond);
  exchange(client, beyond, 10);
  marks_[client].turns += 1;  // a turn of which nobody told
  exchange(client, beyond, 110);
  end(beyond);
  EXPECT_EQ(transits_ms(id, Side::client), Times{1});
}

TEST_F(ProxyTransitsTest, WhatTheServerTakesToBeConnectedIsNotTheProxys) {
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 12), id = pair(client, beyond);
  LegState& state = *store_.leg(beyond);
  state.attempts.push_back(packet(12));
  state.syn_ack = packet(50);
  message(client, Side::client, 10, 1);
  message(beyond, Side::client, 51, 1);
  message(beyond, Side::server, 61, 10);
  message(client, Side::server, 63, 53);
  end(beyond);
  EXPECT_EQ(transits_ms(id, Side::client), Times{3});
}

TEST_F(ProxyTransitsTest, KeysAgreedOnWithTheServerAreNotTheProxysTime) {
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 12), id = pair(client, beyond);
  store_.leg(beyond)->speaks_tls = true;
  message(client, Side::client, 10, 1);
  message(beyond, Side::client, 11, 1);
  message(beyond, Side::server, 41, 30);   // its hello
  message(beyond, Side::client, 42, 0.5);  // the last of the handshake, and the request
  message(beyond, Side::server, 52, 10);
  message(client, Side::server, 54, 44);
  end(beyond);
  EXPECT_EQ(transits_ms(id, Side::client), Times{1});  // 32 ms, of which 30.5 the server's
  EXPECT_EQ(transits_ms(id, Side::server), Times{2});
}

TEST_F(ProxyTransitsTest, OfARelayedAnswerItIsFromFirstByteToFirstByteButNotInATlsHandshake) {
  for (const bool tls : {false, true}) {
    const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 1), id = pair(client, beyond);
    store_.leg(client)->speaks_tls = tls;
    exchange(client, beyond, 10);
    message(beyond, Side::client, 200, 100);  // its answer ended at 100, when the client's had long begun
    EXPECT_EQ(transits_ms(id, Side::client), Times{1});
    EXPECT_EQ(transits_ms(id, Side::server), tls ? Times{} : Times{2});
  }
}

TEST_F(ProxyTransitsTest, AProxyHeaderThatGoesAheadIsNotTheRequest) {
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 1), id = pair(client, beyond);
  RecognitionEvent header{};
  header.kind = RecognitionKind::proxy_header;
  header.leg = store_.leg(beyond)->id;
  store_.take(header);
  message(beyond, Side::client, 2, 1);
  message(client, Side::client, 10, 1);
  message(beyond, Side::server, 21, 9);  // since 12
  message(client, Side::server, 24, 14);
  end(beyond);
  EXPECT_EQ(transits_ms(id, Side::client), Times{2});
  EXPECT_EQ(transits_ms(id, Side::server), Times{3});
}

TEST_F(ProxyTransitsTest, AnExchangeOfAnotherClientOverTheSameConnectionIsNotTaken) {
  const uint64_t a = leg(kOutside, 0), b = leg(kOutside, 1), beyond = leg(kInside, 2), other = leg(kInside, 3);
  const uint64_t id = pair(a, beyond);
  exchange(a, beyond, 10);
  store_.share(*store_.leg(b), *store_.leg(beyond), {});
  // What a asks goes another way, and what b asks over the connection that was a's, within.
  message(a, Side::client, 100, 1);
  message(other, Side::client, 101, 1);
  message(b, Side::client, 102, 1);
  message(beyond, Side::client, 103, 1);
  message(beyond, Side::server, 110, 7);
  message(b, Side::server, 111, 9);
  message(other, Side::server, 120, 19);
  message(a, Side::server, 121, 21);
  end(beyond);
  EXPECT_EQ(transits_ms(id, Side::client), Times{1});
}

TEST_F(ProxyTransitsTest, AnotherRequestIsNotTheSameExchange) {
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 1), id = pair(client, beyond);
  for (const auto& [ms, passed] : {std::pair{10.0, "/a"}, std::pair{110.0, "/b"}}) {
    exchange(client, beyond, ms);
    ask(client, ms, "/a");
    ask(beyond, ms + 1, passed);
  }
  end(beyond);
  EXPECT_EQ(transits_ms(id, Side::client), Times{1});
}

TEST_F(ProxyTransitsTest, ExchangesThatDoNotKeepStepAreNotCompared) {
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 1), id = pair(client, beyond);
  exchange(client, beyond, 10);
  for (int others = 0; others < 2; ++others) {
    message(beyond, Side::client, 50 + 20 * others, 1);
    message(beyond, Side::server, 60 + 20 * others, 10);
  }
  exchange(client, beyond, 110);
  end(beyond);
  EXPECT_EQ(transits_ms(id, Side::client), Times{1});
}

TEST_F(ProxyTransitsTest, NothingIsSaidOfATimeInWhichThePointLostPackets) {
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 1), id = pair(client, beyond);
  exchange(client, beyond, 10);
  exchange(client, beyond, 110);
  inside_.loss.add(at(105), at(112), 1);
  end(beyond);
  EXPECT_EQ(transits_ms(id, Side::client), Times{1});
}

}  // namespace
}  // namespace parallax
