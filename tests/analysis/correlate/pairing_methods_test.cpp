// The methods that scenarios cannot show: legs paired by what a message said, and two legs of one point.
#include <gtest/gtest.h>

#include <algorithm>

#include "analysis/correlate/pairer.h"

namespace parallax {
namespace {

constexpr int64_t kNow = 1'700'000'000'000'000'000;

const PairingMethodRow& row_of(PairingMethod method, PairingReach reach) {
  const auto rows = pairing_methods();
  return *std::find_if(rows.begin(), rows.end(),
                       [&](const PairingMethodRow& row) { return row.method == method && row.reach == reach; });
}

LegState leg_with_syn(PointIndex point, uint16_t client_port, uint32_t tsval, uint16_t ip_id, int64_t at_ns) {
  LegState leg;
  leg.point = point;
  leg.protocol = ip_protocol::tcp;
  leg.client.port = client_port;
  leg.server.port = 443;
  leg.client_isn = 5000;
  PacketFacts syn{};
  syn.seq = 5000;
  syn.tsval = tsval;
  syn.ip_id = ip_id;
  syn.order_ns = at_ns;
  leg.attempts = {syn};
  leg.attempt_count = 1;
  return leg;
}

LegState leg_with_hello(uint8_t random, const std::string& session) {
  LegState leg;
  leg.protocol = ip_protocol::tcp;
  leg.recognised = std::make_unique<Recognised>();
  leg.recognised->tls.emplace();
  leg.recognised->tls->client_hello = true;
  leg.recognised->tls->client_random.fill(random);
  leg.recognised->tls->client_session_id = session;
  return leg;
}

TEST(PairingMethods, OneSynThatPassesAPointTwiceIsOneConnection) {
  const PairingMethodRow& row = row_of(PairingMethod::sequence, PairingReach::same_point);
  const LegState in = leg_with_syn(0, 40000, 77, 9, kNow);
  EXPECT_GT(row.score(in, leg_with_syn(0, 51000, 77, 9, kNow + 100'000)), 0.9);
  EXPECT_EQ(row.key(in), row.key(leg_with_syn(0, 51000, 77, 9, kNow)));
}

TEST(PairingMethods, ClientsThatShareASequenceNumberAtOnePointAreNotOne) {
  const PairingMethodRow& row = row_of(PairingMethod::sequence, PairingReach::same_point);
  const LegState leg = leg_with_syn(0, 40000, 77, 9, kNow);
  EXPECT_EQ(row.score(leg, leg_with_syn(0, 40001, 78, 9, kNow)), 0) << "another timestamp";
  EXPECT_EQ(row.score(leg, leg_with_syn(0, 40001, 77, 10, kNow)), 0) << "another IP ID";
  EXPECT_EQ(row.score(leg, leg_with_syn(0, 40001, 77, 9, kNow + 500'000'000)), 0) << "half a second later";
  EXPECT_EQ(row.score(leg_with_syn(0, 40000, 0, 9, kNow), leg_with_syn(0, 40001, 0, 9, kNow)), 0) << "no timestamp";
}

TEST(PairingMethods, OneClientHelloIsOneConnection) {
  const PairingMethodRow& row = row_of(PairingMethod::tls_random, PairingReach::neighbours);
  EXPECT_FALSE(row.keeps_packets) << "a proxy passes the stream on, not its packets";
  EXPECT_TRUE(row.triggers & pairing_trigger::message);
  const LegState leg = leg_with_hello(1, "session");
  EXPECT_EQ(row.key(leg), row.key(leg_with_hello(1, "session")));
  EXPECT_GT(row.score(leg, leg_with_hello(1, "session")), 0.9);
  EXPECT_EQ(row.score(leg, leg_with_hello(2, "session")), 0);
  EXPECT_EQ(row.score(leg, leg_with_hello(1, "another")), 0);
  EXPECT_FALSE(row.key(LegState{}).has_value());
}

TEST(PairingIndex, AKeyThatManyShareGivesTheNewestAndCountsTheRest) {
  PairingIndex index;
  for (uint64_t leg = 1; leg <= 5000; ++leg) index.add(42, leg, PairingIndex::Window::opening, kNow);
  const PairingIndex::Candidates found = index.find(42);
  ASSERT_EQ(found.legs.size(), PairingIndex::kCandidatesMax);
  EXPECT_EQ(found.legs.front(), 5001 - PairingIndex::kCandidatesMax);
  EXPECT_EQ(found.legs.back(), 5000u);
  EXPECT_EQ(found.others, 5000 - PairingIndex::kCandidatesMax);
  index.expire(kNow + 11'000'000'000);
  EXPECT_TRUE(index.find(42).legs.empty());
}

}  // namespace
}  // namespace parallax
