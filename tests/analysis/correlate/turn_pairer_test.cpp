// Which leg beyond a proxy is a client's by nothing but when its exchanges happen, and how large they are.
#include "analysis/correlate/turn_pairer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace parallax {
namespace {

constexpr int64_t kStart = 1'700'000'000'000'000'000;
constexpr PointIndex kOutside = 0, kInside = 1;
constexpr double kRequestMs = 0.4, kResponseMs = 0.2, kServerMs = 5;  // what proxy and server take

class TurnPairerTest : public testing::Test {
 protected:
  uint64_t leg(PointIndex point, double ms, uint16_t server_port = 443) {
    LegEvent event{};
    event.type = LegEventType::opened;
    event.leg = LegId::make(0, next_leg_++, 1);
    event.protocol = ip_protocol::tcp;
    event.packet.point = point;
    event.packet.order_ns = at(ms);
    event.client.port = static_cast<uint16_t>(40000 + next_leg_);
    event.server.port = point == kOutside ? server_port : uint16_t{8080};
    return store_.open(event).legs.front().id.value();
  }
  TurnPairer::Match message(uint64_t id, Side from, double ms, uint32_t bytes) {
    LegEvent event{};
    event.type = LegEventType::turn;
    event.packet.order_ns = at(ms);
    event.packet.from = from;
    event.packet.payload_length = bytes;
    event.packet.seq = seq_ != 0 ? seq_ : static_cast<uint32_t>(id * 1'000'003 + event.packet.order_ns);
    return pairer_.take(*store_.leg(id), event, 2);
  }
  std::vector<TurnPairer::Match> written(uint64_t id, Side from, double ms, uint32_t bytes) {
    LegEvent event{};
    event.type = LegEventType::written;
    event.packet.order_ns = at(ms);
    event.packet.from = from;
    event.packet.payload_length = bytes;
    return pairer_.take_written(*store_.leg(id), event, 2);
  }
  // A client's exchange that begins at `ms`, and the proxy's within it. What has become clear with it.
  TurnPairer::Match exchange(uint64_t client, uint64_t beyond, double ms, uint32_t bytes = 122) {
    message(client, Side::client, ms, bytes);
    message(beyond, Side::client, ms + kRequestMs, bytes - 22);
    EXPECT_EQ(message(beyond, Side::server, ms + kRequestMs + kServerMs, 300).leg_id, 0u);
    return message(client, Side::server, ms + kRequestMs + kServerMs + kResponseMs, 322);
  }
  // That there is a proxy, has been seen.
  void know_that_it_passes() {
    Endpoint service{};
    service.port = 443;
    for (int i = 0; i < 10; ++i) services_.of(service).learn_client(), services_.of(service).learn_partner();
  }
  // Connections of the same service until it is known what the proxy takes. Returns when the next may begin.
  double learn() {
    double ms = 0;
    for (int i = 0; i < 40; ++i, ms += 100) {
      const uint64_t client = leg(kOutside, ms), beyond = leg(kInside, ms + 1);
      for (int turn = 0; turn < 3; ++turn, ms += 100) {
        if (const auto match = exchange(client, beyond, ms); match.leg_id != 0) connect(client, match.leg_id);
      }
    }
    return ms;
  }
  void connect(uint64_t client, uint64_t beyond) {
    Connection& connection = store_.connect(client, beyond);
    connection.crossings.push_back({.client_leg = 0, .server_leg = 1, .is_proxied = true});
    store_.mark_paired(*store_.leg(client), *store_.leg(beyond));
    services_.of(store_.leg(client)->server).learn_pairing(store_.leg(beyond)->server, PairingMethod::timing);
  }
  static int64_t at(double ms) { return kStart + static_cast<int64_t>(ms * 1e6); }

  EngineOptions options_;
  ConnectionStore store_{options_};
  PassageModels services_;
  TurnPairer pairer_{store_, services_};
  uint32_t next_leg_ = 0, seq_ = 0;
};

TEST_F(TurnPairerTest, ExchangesThatLieWithinOneAnotherAreOneConnections) {
  know_that_it_passes();
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 1);
  TurnPairer::Match match;
  for (int turn = 0; turn < 4 && match.leg_id == 0; ++turn) match = exchange(client, beyond, 10 + 100 * turn);
  EXPECT_EQ(match.leg_id, beyond);
  EXPECT_GE(match.confidence, 0.97);
}

TEST_F(TurnPairerTest, ALegThatWasThereBeforeTheClientIsAtMostSharedWithIt) {
  know_that_it_passes();
  const uint64_t beyond = leg(kInside, 0), client = leg(kOutside, 1);
  for (int turn = 0; turn < 4; ++turn) {
    const auto match = exchange(client, beyond, 10 + 100 * turn);
    EXPECT_TRUE(match.leg_id == 0 || match.is_shared);
  }
}

// Two connections to the server for all clients, each of which asks once: also after thousands of turns.
TEST_F(TurnPairerTest, OverAPoolEachRequestIsFoundByItself) {
  double ms = learn();
  const std::array pool{leg(kInside, ms), leg(kInside, ms)};
  for (int i = 0; i < 2000; ++i, ms += 20) {
    const uint64_t client = leg(kOutside, ms + 1);
    const auto match = exchange(client, pool[i % 2], ms + 2);
    if (i < 20) continue;
    ASSERT_EQ(match.leg_id, pool[i % 2]) << i;
    EXPECT_TRUE(match.is_shared);
    EXPECT_GE(match.confidence, 0.97);
  }
}

TEST_F(TurnPairerTest, WhatAsksForSomethingElseIsNotTheClients) {
  double ms = learn();
  for (const uint64_t asked_beyond : {uint64_t{7}, uint64_t{8}}) {
    ms += 500;
    const uint64_t client = leg(kOutside, ms), beyond = leg(kInside, ms + 1);
    message(client, Side::client, ms + 10, 122);
    pairer_.asks(client, 7, false);
    message(beyond, Side::client, ms + 10.4, 100);
    pairer_.asks(beyond, asked_beyond, false);
    message(beyond, Side::server, ms + 15.4, 300);
    const auto match = message(client, Side::server, ms + 15.6, 322);
    EXPECT_EQ(match.leg_id, asked_beyond == 7 ? beyond : 0u);
    EXPECT_EQ(match.asks_the_same, asked_beyond == 7);
  }
}

TEST_F(TurnPairerTest, WhatIsKnownToBeAnothersOrNamesItsClientIsNotTakenForThisOnes) {
  double ms = learn();
  const uint64_t other = leg(kOutside, ms);
  for (const bool is_named : {false, true}) {
    const uint64_t client = leg(kOutside, ms), beyond = leg(kInside, ms + 1);
    message(other, Side::client, ms + 9, 122);
    message(client, Side::client, ms + 10, 122);
    message(beyond, Side::client, ms + 10.4, 100);
    if (is_named) {
      pairer_.asks(beyond, 7, true);
    } else {
      pairer_.explain(other, beyond);
    }
    message(beyond, Side::server, ms + 15.4, 300);
    EXPECT_EQ(message(client, Side::server, ms + 15.6, 322).leg_id, 0u);
    message(other, Side::server, ms + 16, 322);
    ms += 100;
  }
}

// HTTP/2: four requests at once on one connection, each over a connection of its own beyond; frames of another kind between.
TEST_F(TurnPairerTest, OnAMultiplexedConnectionEachRequestIsFound) {
  double ms = learn();
  size_t found = 0;
  for (int i = 0; i < 10; ++i, ms += 200) {
    const uint64_t client = leg(kOutside, ms);
    written(client, Side::client, ms + 1, 60);
    written(client, Side::server, ms + 1.5, 40);
    written(client, Side::client, ms + 2, 30);
    std::array<uint64_t, 4> beyond;
    for (int k = 0; k < 4; ++k) {
      beyond[k] = leg(kInside, ms + 10 + k);
      written(client, Side::client, ms + 10 + k, 122);
      message(beyond[k], Side::client, ms + 10 + k + kRequestMs, 100);
    }
    for (const int k : {2, 0, 3, 1}) {  // not in the order in which they were asked
      const double answered = ms + 20 + (k * 7) % 4;
      message(beyond[k], Side::server, answered, 300);
      for (const auto& match : written(client, Side::server, answered + kResponseMs, 322)) {
        EXPECT_EQ(match.leg_id, beyond[k]);
        ++found;
      }
    }
  }
  EXPECT_GE(found, 28u) << "of 40";
}

TEST_F(TurnPairerTest, WhatOverlapsWithoutLyingWithinIsNot) {
  know_that_it_passes();
  const uint64_t client = leg(kOutside, 0), other = leg(kInside, 1);
  for (int turn = 0; turn < 4; ++turn) {
    const double ms = 10 + 100 * turn;
    message(client, Side::client, ms, 100);
    message(other, Side::client, ms + 1, 100);
    EXPECT_EQ(message(client, Side::server, ms + 5, 300).leg_id, 0u);
    message(other, Side::server, ms + 6, 300);
  }
}

TEST_F(TurnPairerTest, OneExchangeIsEnoughOnceTheDeviceIsKnown) {
  const double ms = learn();
  const uint64_t client = leg(kOutside, ms), beyond = leg(kInside, ms + 1);
  EXPECT_EQ(exchange(client, beyond, ms + 10).leg_id, beyond);
}

TEST_F(TurnPairerTest, ClientsAtTheSameTimeAreToldApartByWhatTheDeviceTakes) {
  const double ms = learn();
  const uint64_t a = leg(kOutside, ms), b = leg(kOutside, ms + 1), of_a = leg(kInside, ms + 2), of_b = leg(kInside, ms + 3);
  message(a, Side::client, ms + 10, 122);
  message(of_a, Side::client, ms + 10.4, 100);
  message(b, Side::client, ms + 13, 122);
  message(of_b, Side::client, ms + 13.4, 100);
  message(of_a, Side::server, ms + 15.4, 300);
  const auto match_of_a = message(a, Side::server, ms + 15.6, 322);
  message(of_b, Side::server, ms + 18.4, 300);
  const auto match_of_b = message(b, Side::server, ms + 18.6, 322);
  EXPECT_EQ(match_of_a.leg_id, of_a);
  EXPECT_EQ(match_of_b.leg_id, of_b);
}

TEST_F(TurnPairerTest, ClientsAtTheVerySameTimeAreLeftAlone) {
  const double ms = learn();
  const uint64_t a = leg(kOutside, ms), b = leg(kOutside, ms), x = leg(kInside, ms + 2), y = leg(kInside, ms + 2);
  for (const uint64_t client : {a, b}) message(client, Side::client, ms + 10, 122);
  for (const uint64_t beyond : {x, y}) message(beyond, Side::client, ms + 10.4, 100);
  for (const uint64_t beyond : {x, y}) message(beyond, Side::server, ms + 15.4, 300);
  for (const uint64_t client : {a, b})
    EXPECT_EQ(message(client, Side::server, ms + 15.6, 322).leg_id, 0u) << "a wrong pairing is worse than none";
}

TEST_F(TurnPairerTest, AnEndOfTlsWithoutAnExchangeBeyondDoesNotRefute) {
  know_that_it_passes();
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 1);
  TurnPairer::Match match;
  for (int turn = 0; turn < 6 && match.leg_id == 0; ++turn) {
    match = exchange(client, beyond, 10 + 100 * turn);
    if (turn == 0) {
      message(client, Side::client, 60, 64);
      message(client, Side::server, 61, 64);
    }
  }
  EXPECT_EQ(match.leg_id, beyond);
}

// Two networks that have nothing to do with one another: exchanges lie within others by chance.
TEST_F(TurnPairerTest, WhereThereIsNoProxyNoneIsInvented) {
  struct Message {
    double ms;
    uint64_t leg;
    Side from;
    uint32_t bytes;
  };
  std::mt19937 random(5);
  std::exponential_distribution<double> gap(10.0 / 1000), thinking(1.0 / 20), answer(1.0 / 15);
  std::uniform_int_distribution<uint32_t> bytes(80, 600);
  std::vector<Message> messages;
  std::vector<std::pair<double, PointIndex>> openings;
  for (const PointIndex point : {kOutside, kInside}) {
    double ms = 0;
    for (int i = 0; i < 500; ++i) openings.emplace_back(ms += gap(random), point);
  }
  std::sort(openings.begin(), openings.end());
  for (const auto& [opened_ms, point] : openings) {
    const uint64_t id = leg(point, opened_ms);
    double ms = opened_ms + thinking(random);
    for (int turn = 0; turn < 3; ++turn) {
      messages.push_back({ms, id, Side::client, bytes(random)});
      messages.push_back({ms += answer(random), id, Side::server, 300});
      ms += thinking(random);
    }
  }
  std::sort(messages.begin(), messages.end(), [](const Message& a, const Message& b) { return a.ms < b.ms; });
  size_t paired = 0;
  for (const Message& m : messages) {
    const TurnPairer::Match match = message(m.leg, m.from, m.ms, m.bytes);
    EXPECT_TRUE(pairer_.take_released().empty());
    if (match.leg_id == 0) continue;
    connect(m.leg, match.leg_id);
    ++paired;
  }
  EXPECT_EQ(paired, 0u) << "of 500 clients";
}

TEST_F(TurnPairerTest, ACandidateThatAnotherHasTakenIsAtMostShared) {
  know_that_it_passes();
  const uint64_t client = leg(kOutside, 0), other = leg(kOutside, 0), beyond = leg(kInside, 1);
  exchange(client, beyond, 10);
  connect(other, beyond);
  for (int turn = 1; turn < 5; ++turn) {
    const auto match = exchange(client, beyond, 10 + 100 * turn);
    EXPECT_TRUE(match.leg_id == 0 || match.is_shared);
  }
}

TEST_F(TurnPairerTest, ACandidateThatIsOverAndForgottenDoesNoHarm) {
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 1);
  exchange(client, beyond, 10);
  message(client, Side::client, 100, 122);
  message(beyond, Side::client, 100.4, 100);
  message(beyond, Side::server, 105, 300);
  pairer_.forget(beyond);
  message(client, Side::server, 105.2, 322);
}

TEST_F(TurnPairerTest, TheSameSegmentsAreANatsAndFollowed) {
  know_that_it_passes();
  const uint64_t client = leg(kOutside, 0), beyond = leg(kInside, 1);
  TurnPairer::Match match;
  for (int turn = 0; turn < 4 && match.leg_id == 0; ++turn) {
    seq_ = 1000 * static_cast<uint32_t>(turn + 1);
    match = exchange(client, beyond, 10 + 100 * turn);
  }
  ASSERT_EQ(match.leg_id, beyond);
  EXPECT_TRUE(match.keeps_packets);
}

// Until a service's clients are seen to have partners, chance might have found them: they are told when it is seen.
TEST_F(TurnPairerTest, WhatWasClearBeforeTheProxyWasKnownIsToldAfterwards) {
  std::map<uint64_t, uint64_t> beyond_of, told;
  size_t told_at_once = 0;
  for (int i = 0; i < 30; ++i) {
    const double ms = 200.0 * i;
    const uint64_t client = leg(kOutside, ms), beyond = leg(kInside, ms + 0.2);
    beyond_of[client] = beyond;
    const TurnPairer::Match match = exchange(client, beyond, ms + 1);
    const auto released = pairer_.take_released();
    told_at_once += match.leg_id != 0;
    for (const TurnPairer::Match& m : released) EXPECT_TRUE(told.emplace(m.client_leg_id, m.leg_id).second) << "once";
    if (match.leg_id != 0) {
      EXPECT_TRUE(told.emplace(client, match.leg_id).second);
      connect(client, match.leg_id);
    }
  }
  EXPECT_LT(told_at_once, 30u);
  EXPECT_GE(told.size(), 29u) << "of the first nothing is known with which to compare";
  for (const auto& [client, leg_id] : told) EXPECT_EQ(leg_id, beyond_of[client]);
}

}  // namespace
}  // namespace parallax
