// Which multiplexed connection beyond a proxy a client's exchanges go on over, by when each side writes.
#include "analysis/correlate/stream_pairer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <queue>
#include <random>

namespace parallax {
namespace {

constexpr int64_t kStart = 1'700'000'000'000'000'000;
constexpr PointIndex kOutside = 0, kInside = 1;

class StreamPairerTest : public testing::Test {
 protected:
  uint64_t leg(PointIndex point, double ms, bool is_multiplexed) {
    LegEvent event{};
    event.type = LegEventType::opened;
    event.leg = LegId::make(0, next_leg_++, 1);
    event.protocol = ip_protocol::tcp;
    event.packet.point = point;
    event.packet.order_ns = at(ms);
    event.client.port = static_cast<uint16_t>(20000 + next_leg_);
    event.server.port = point == kOutside ? uint16_t{443} : uint16_t{8080};
    LegState& opened = store_.open(event).legs.front();
    opened.is_multiplexed = is_multiplexed;
    return opened.id.value();
  }
  // At its time among all that are written.
  void writes(uint64_t id, Side from, double ms) { written_.push({ms, id, from}); }
  // A request over a connection beyond, which takes the server some milliseconds; and its answer. Returns when that has come.
  double exchange(uint64_t client, uint64_t beyond, double ms) {
    std::uniform_real_distribution<double> proxy(0.08, 0.16), server(2, 9);
    const double passed = ms + proxy(random_), answered = passed + server(random_), back = answered + proxy(random_);
    writes(client, Side::client, ms);
    writes(beyond, Side::client, passed);
    writes(beyond, Side::server, answered);
    writes(client, Side::server, back);
    return back;
  }
  // What becomes clear: by client, the connections beyond.
  std::map<uint64_t, std::vector<TurnPairer::Match>> tell() {
    std::map<uint64_t, std::vector<TurnPairer::Match>> told;
    for (; !written_.empty(); written_.pop()) {
      const auto [ms, id, from] = written_.top();
      PacketFacts packet{};
      packet.order_ns = at(ms);
      packet.from = from;
      packet.payload_length = 100;
      for (const TurnPairer::Match& match : pairer_.take(*store_.leg(id), packet, 2)) told[match.client_leg_id].push_back(match);
    }
    return told;
  }
  void learn_client() { services_.of(service_).learn_client(); }
  static int64_t at(double ms) { return kStart + static_cast<int64_t>(ms * 1e6); }

  EngineOptions options_;
  ConnectionStore store_{options_};
  PassageModels services_;
  StreamPairer pairer_{store_, services_};
  std::mt19937 random_{7};
  Endpoint service_ = [] {
    Endpoint service{};
    service.port = 443;
    return service;
  }();

 private:
  using Written = std::tuple<double, uint64_t, Side>;
  std::priority_queue<Written, std::vector<Written>, std::greater<>> written_;
  uint32_t next_leg_ = 0;
};

// Of 200 clients that come 20 a second, with three requests each, over two connections: nearly all are found, and none on the
// other one.
TEST_F(StreamPairerTest, ClientsOfASharedConnectionAreFoundByWhatIsWrittenOnIt) {
  for (const bool is_multiplexed : {false, true}) {
    const double from = is_multiplexed ? 20'000 : 0;
    const std::array beyond{leg(kInside, from, true), leg(kInside, from, true)};
    std::map<uint64_t, uint64_t> truth;
    std::uniform_real_distribution<double> pause(20, 200);
    for (int i = 0; i < 200; ++i) {
      const double begins = from + 10 + i * 50.0;
      const uint64_t client = leg(kOutside, begins - 1, is_multiplexed);
      learn_client();
      truth[client] = beyond[static_cast<size_t>(i) % 2];
      double ms = begins;
      for (int request = 0; request < 3; ++request) ms = exchange(client, truth[client], ms) + pause(random_);
    }
    size_t found = 0;
    for (const auto& [client, matches] : tell()) {
      for (const TurnPairer::Match& match : matches) {
        EXPECT_EQ(match.leg_id, truth[client]);
        EXPECT_TRUE(match.is_shared);  // it was there before
        EXPECT_GE(match.confidence, 0.99);
      }
      ++found;
    }
    EXPECT_GE(found, 180u);
    for (const uint64_t id : beyond) pairer_.forget(id);
  }
}

// Where nothing passes, a busy connection beyond keeps nobody's time.
TEST_F(StreamPairerTest, WhatIsNotPassedOnIsNotFound) {
  const uint64_t stranger = leg(kInside, 0, true);
  std::exponential_distribution<double> rate(0.1);  // 100 a second each way
  double last = 0;
  for (int i = 0; i < 1000; ++i) {
    last += rate(random_);
    writes(stranger, Side::client, last);
    writes(stranger, Side::server, last + 3);
  }
  std::uniform_real_distribution<double> when(0, last), server(2, 9);
  for (int i = 0; i < 300; ++i) {
    double ms = when(random_);
    const uint64_t client = leg(kOutside, ms - 1, false);
    learn_client();
    for (int request = 0; request < 3; ++request, ms += 40) {
      const double took = server(random_);
      writes(client, Side::client, ms);
      writes(client, Side::server, ms + took);
    }
  }
  EXPECT_TRUE(tell().empty());
}

// What is followed packet by packet is no proxy's, and a client that has a connection of its own has what it needs.
TEST_F(StreamPairerTest, LegsThatArePairedAlreadyAreLeftAlone) {
  double ms = 10;
  for (const bool client_is_paired : {false, true}) {
    const uint64_t beyond = leg(kInside, ms, true);
    std::vector<uint64_t> clients;
    for (int i = 0; i < 40; ++i, ms += 50) {
      const uint64_t client = leg(kOutside, ms - 1, false), own = leg(kInside, ms, false), other = leg(kOutside, ms, false);
      learn_client();
      const bool is_first = i == 0;
      if (client_is_paired || is_first) {
        const uint64_t outer = client_is_paired ? client : other, inner = client_is_paired ? own : beyond;
        Connection& connection = store_.connect(outer, inner);
        connection.crossings.push_back({.client_leg = store_.place_of(outer).leg, .server_leg = store_.place_of(inner).leg});
        store_.mark_paired(*store_.leg(outer), *store_.leg(inner));
      }
      for (int request = 0; request < 3; ++request) ms = exchange(client, beyond, ms) + 10;
    }
    EXPECT_TRUE(tell().empty());
    pairer_.forget(beyond);
  }
}

}  // namespace
}  // namespace parallax
