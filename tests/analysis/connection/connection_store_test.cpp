// Legs come together by pairings, which are edges: they can be taken back.
#include "analysis/connection/connection_store.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

class ConnectionStoreTest : public testing::Test {
 protected:
  uint64_t open(PointIndex point) {
    LegEvent event{};
    event.type = LegEventType::opened;
    event.leg = LegId::make(0, next_++, 1);
    event.packet.point = point;
    event.protocol = ip_protocol::tcp;
    store_.open(event);
    return event.leg.value();
  }
  void pair(uint64_t leg, uint64_t other) {
    Connection& connection = store_.connect(leg, other);
    Crossing& crossing = connection.crossings.emplace_back();
    crossing.client_leg = store_.place_of(leg).leg;
    crossing.server_leg = store_.place_of(other).leg;
  }
  uint64_t connection_of(uint64_t leg) const { return store_.place_of(leg).connection_id; }

  EngineOptions options_{.path = {"a", "b", "c"}, .offline = true};
  ConnectionStore store_{options_};
  uint32_t next_ = 1;
};

TEST_F(ConnectionStoreTest, PairedLegsAreOneConnection) {
  const uint64_t outside = open(0), inside = open(1);
  EXPECT_EQ(store_.totals().connections, 2u);
  pair(outside, inside);
  EXPECT_EQ(connection_of(outside), connection_of(inside));
  EXPECT_EQ(store_.totals().connections, 1u);
  EXPECT_EQ(store_.totals().paired_connections, 1u);
}

TEST_F(ConnectionStoreTest, AnEdgeTakenBackLeavesTwoConnections) {
  const uint64_t outside = open(0), inside = open(1);
  pair(outside, inside);
  Connection* other = store_.disconnect(*store_.connection_of(outside), 0);
  ASSERT_NE(other, nullptr);
  EXPECT_NE(connection_of(outside), connection_of(inside));
  EXPECT_EQ(other->id, connection_of(inside));
  EXPECT_EQ(store_.leg(inside)->point, 1);
  EXPECT_EQ(store_.totals().connections, 2u);
  EXPECT_EQ(store_.totals().paired_connections, 0u);
}

TEST_F(ConnectionStoreTest, WhatStillHangsTogetherStaysTogether) {
  const uint64_t a = open(0), b = open(1), c = open(2), again = open(1);
  pair(a, b);
  pair(b, c);
  pair(a, again);
  Connection* other = store_.disconnect(*store_.connection_of(a), 1);  // b and c
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(connection_of(a), connection_of(b));
  EXPECT_EQ(connection_of(a), connection_of(again));
  EXPECT_NE(connection_of(a), connection_of(c));
  const Connection& rest = *store_.connection_of(a);
  ASSERT_EQ(rest.crossings.size(), 2u);
  for (const Crossing& crossing : rest.crossings) {
    EXPECT_EQ(rest.legs[crossing.client_leg].point, 0);
    EXPECT_EQ(rest.legs[crossing.server_leg].point, 1);
  }
  EXPECT_EQ(store_.totals().paired_connections, 1u);
}

TEST(ConnectionStoreBounds, MessagesOfEndedConnectionsMakeRoom) {
  const EngineOptions options{.path = {"a"}, .recognised_bytes = 2 * sizeof(Recognised)};
  ConnectionStore store(options);
  std::vector<LegId> legs;
  const auto says = [&](LegId leg) {
    RecognitionEvent event{};
    event.leg = leg;
    event.kind = RecognitionKind::http_request;
    store.take(event);
    return store.leg(leg.value())->recognised != nullptr;
  };
  for (uint32_t i = 0; i < 4; ++i) {
    LegEvent event{};
    event.leg = legs.emplace_back(LegId::make(0, i, 1));
    event.protocol = ip_protocol::tcp;
    store.open(event);
  }
  while (says(legs[0]) && store.totals().recognitions_refused == 0) {
  }
  EXPECT_FALSE(says(legs[1])) << "all that is kept is of a connection that goes on";
  store.close(*store.leg(legs[0].value()), *store.connection_of(legs[0].value()), 0);
  EXPECT_TRUE(says(legs[1]));
  EXPECT_EQ(store.leg(legs[0].value())->recognised, nullptr);
  EXPECT_EQ(store.totals().messages_forgotten, 1u);
}

TEST_F(ConnectionStoreTest, ASharedLegIsAsSureAsTheLikeliestOfItsMessages) {
  const uint64_t client = open(0), other = open(0), beyond = open(1);
  pair(other, beyond);
  const auto share = [&](const PairingBasis& basis) { return store_.share(*store_.leg(client), *store_.leg(beyond), basis); };
  EXPECT_TRUE(share({PairingMethod::timing, 0.97, 1}));
  EXPECT_FALSE(share({PairingMethod::payload, 0.98, 0}));
  EXPECT_FALSE(share({PairingMethod::timing, 0.9, 2}));
  const auto of_client = store_.sharing(*store_.connection_of(client)), of_other = store_.sharing(*store_.connection_of(other));
  ASSERT_EQ(of_client.size(), 1u);
  EXPECT_EQ(of_client[0].connection_id, connection_of(other));
  EXPECT_EQ(of_client[0].method, PairingMethod::payload);
  EXPECT_EQ(of_client[0].confidence, 0.98);
  EXPECT_EQ(of_client[0].rivals, 0u);
  ASSERT_EQ(of_other.size(), 1u);
  EXPECT_EQ(of_other[0].connection_id, connection_of(client));
  EXPECT_EQ(of_other[0].confidence, 0.98);
}

TEST_F(ConnectionStoreTest, AMergedConnectionIsFoundByAnyOfItsLegs) {
  const uint64_t a = open(0), b = open(1);
  const uint64_t gone = connection_of(b);
  pair(a, b);
  EXPECT_EQ(store_.find(gone), nullptr);
  EXPECT_EQ(store_.connection_of(b), store_.connection_of(a));
}

}  // namespace
}  // namespace parallax
