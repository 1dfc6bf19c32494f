// The methods that scenarios cannot show: legs paired by what a message said, and two legs of one point.
#include <gtest/gtest.h>

#include <algorithm>

#include "analysis/correlate/hairpin.h"
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

// A leg of datagrams or of segments met in midstream, each a millisecond after the one before it.
LegState leg_with_packets(uint8_t protocol, uint16_t client_port, uint8_t ttl, int64_t at_ns, std::vector<PacketFacts> packets) {
  LegState leg;
  leg.protocol = protocol;
  leg.midstream = protocol == ip_protocol::tcp;
  leg.client.port = client_port;
  leg.server.port = 5060;
  for (PacketFacts& p : packets) {
    p.tcp_flags = protocol == ip_protocol::tcp ? tcp_flag::ack : 0;
    p.ttl = ttl;
    p.order_ns = at_ns;
    at_ns += 1'000'000;
  }
  leg.sighted = std::move(packets);
  return leg;
}
PacketFacts packet(uint32_t seq, uint16_t ip_id, uint32_t length = 100) {
  PacketFacts p{};
  p.seq = seq;
  p.ip_id = ip_id;
  p.payload_length = length;
  return p;
}

TEST(PairingMethods, OneDatagramTwiceAtOnePointIsOneWhereItsTtlFell) {
  const auto score = row_of(PairingMethod::payload, PairingReach::same_point).score;
  const auto leg = [](uint16_t port, uint8_t ttl, int64_t at_ns, std::vector<PacketFacts> packets) {
    return leg_with_packets(ip_protocol::udp, port, ttl, at_ns, std::move(packets));
  };
  const LegState in = leg(40000, 64, kNow, {packet(77, 9)});
  EXPECT_GT(score(in, leg(51000, 63, kNow + 50'000, {packet(77, 9)})), 0.9);
  EXPECT_EQ(score(in, leg(51000, 64, kNow + 50'000, {packet(77, 9)})), 0) << "of one sender to two";
  EXPECT_EQ(score(in, leg(51000, 63, kNow + 50'000, {packet(77, 10)})), 0) << "another IP ID";
  EXPECT_EQ(score(in, leg(51000, 63, kNow - 50'000, {packet(77, 9)})), 0) << "it would have come back before it came";
  EXPECT_EQ(score(in, leg(51000, 63, kNow + 30'000'000, {packet(77, 9)})), 0) << "long after";
  EXPECT_EQ(score(in, leg(40000, 63, kNow + 50'000, {packet(77, 9)})), 0) << "under the same names: the capture shows it twice";
}

TEST(PairingMethods, DatagramsWithoutIdsMustDifferFromOneAnother) {
  const auto score = row_of(PairingMethod::payload, PairingReach::same_point).score;
  const auto scored = [&](std::vector<PacketFacts> packets) {
    return score(leg_with_packets(ip_protocol::udp, 40000, 64, kNow, packets),
                 leg_with_packets(ip_protocol::udp, 51000, 63, kNow + 50'000, packets));
  };
  EXPECT_GT(scored({packet(1, 0), packet(2, 0), packet(3, 0)}), 0.9);
  EXPECT_EQ(scored({packet(1, 0), packet(1, 0), packet(1, 0), packet(1, 0)}), 0) << "keep-alives of two hosts";
}

TEST(PairingMethods, SegmentsInMidstreamMustDifferFromOneAnother) {
  const auto rows = pairing_methods();
  const auto row = std::find_if(rows.begin(), rows.end(), [](const PairingMethodRow& r) {
    return r.method == PairingMethod::sequence && r.reach == PairingReach::same_point && r.triggers == pairing_trigger::packet;
  });
  ASSERT_NE(row, rows.end());
  const auto scored = [&](std::vector<PacketFacts> packets, uint8_t far_ttl) {
    return row->score(leg_with_packets(ip_protocol::tcp, 40000, 64, kNow, packets),
                      leg_with_packets(ip_protocol::tcp, 51000, far_ttl, kNow + 50'000, packets));
  };
  EXPECT_GT(scored({packet(1, 7), packet(101, 8)}, 63), 0.9);
  EXPECT_EQ(scored({packet(1, 7), packet(101, 8)}, 64), 0) << "nothing shows that they passed a device";
  EXPECT_GT(scored({packet(1, 7), packet(101, 8), packet(201, 9)}, 64), 0.9);
  EXPECT_EQ(scored({packet(1, 7), packet(1, 7), packet(1, 7)}, 63), 0) << "a scan with constant numbers";
}

TEST(Hairpin, TheClientsLegIsThatWhichShowsItsPacketsFirst) {
  const LegState near = leg_with_packets(ip_protocol::udp, 40000, 64, kNow, {packet(77, 9)});
  LegState far = leg_with_packets(ip_protocol::udp, 51000, 63, kNow + 50'000, {packet(77, 9)});
  EXPECT_EQ(is_on_client_side(near, far), true);
  EXPECT_EQ(is_on_client_side(far, near), false);
  far.sighted[0].port = 1;  // of another clock
  far.sighted[0].order_ns = kNow - 50'000;
  far.sighted[0].stamp_uncertainty_ns = 100'000;
  EXPECT_EQ(is_on_client_side(near, far), true) << "the TTL tells";
  far.sighted[0].ttl = 64;
  EXPECT_EQ(is_on_client_side(near, far), std::nullopt);
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

LegState leg_with_quic(std::string_view first, std::string_view client, std::string_view server, bool goes_on = false) {
  const auto id = [](std::string_view text) { return quic_id_of({reinterpret_cast<const uint8_t*>(text.data()), text.size()}); };
  LegState leg;
  leg.protocol = ip_protocol::udp;
  leg.recognised = std::make_unique<Recognised>();
  leg.recognised->quic = RecognisedQuic{id(first), id(client), id(server), !first.empty(), goes_on};
  return leg;
}

TEST(PairingMethods, QuicIsOneConnectionByTheIdThatItsClientBeganWith) {
  const PairingMethodRow& row = row_of(PairingMethod::application_id, PairingReach::neighbours);
  EXPECT_TRUE(row.keeps_packets);
  const LegState leg = leg_with_quic("FirstOne", "me", "");
  EXPECT_EQ(row.key(leg), row.key(leg_with_quic("FirstOne", "me", "")));
  EXPECT_GT(row.score(leg, leg_with_quic("FirstOne", "me", "ServerI1")), 0.95);
  EXPECT_EQ(row.score(leg, leg_with_quic("FirstTwo", "me", "")), 0);
  EXPECT_EQ(row.score(leg, leg_with_quic("FirstOne", "you", "")), 0);
  EXPECT_FALSE(row.key(leg_with_quic("Seven b", "me", "")).has_value()) << "no client may begin with so short an ID";
  EXPECT_FALSE(row.key(leg_with_quic("FirstOne", "me", "ServerI1", true)).has_value()) << "it began on another leg";
  EXPECT_FALSE(row.key(LegState{}).has_value());
}

TEST(PairingMethods, QuicWithoutItsBeginningIsOneConnectionByTheIdThatItsServerHasChosen) {
  const auto rows = pairing_methods();
  const auto row = std::find_if(rows.rbegin(), rows.rend(),
                                [](const PairingMethodRow& r) { return r.method == PairingMethod::application_id; });
  const LegState leg = leg_with_quic("FirstOne", "", "ServerI1", true);
  EXPECT_EQ(row->score(leg, leg_with_quic("", "", "ServerI1")), 0.9) << "less than what shows the same packets";
  EXPECT_EQ(row->score(leg, leg_with_quic("FirstOne", "", "ServerI2")), 0);
  EXPECT_FALSE(row->key(leg_with_quic("FirstOne", "me", "IDs")).has_value()) << "too short";
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

TEST(PairingIndex, KeysThatALegShowsAtOnceAgeTogetherAndOthersForThemselves) {
  constexpr int64_t kSecond = 1'000'000'000;
  PairingIndex index;
  const auto legs_of = [&index](uint64_t key) {
    const auto found = index.find(key).legs;
    return std::vector<uint64_t>(found.begin(), found.end());
  };
  for (int round = 0; round < 3; ++round) {  // what is forgotten leaves nothing behind
    const int64_t now_ns = kNow + round * 100 * kSecond;
    for (const uint64_t key : {1, 2, 3}) index.add(key, 7, PairingIndex::Window::opening, now_ns);
    for (const uint64_t key : {2, 3}) index.add(key, 8, PairingIndex::Window::opening, now_ns);
    index.add(3, 7, PairingIndex::Window::opening, now_ns + kSecond);
    EXPECT_EQ(legs_of(1), (std::vector<uint64_t>{7}));
    EXPECT_EQ(legs_of(2), (std::vector<uint64_t>{7, 8}));
    EXPECT_EQ(legs_of(3), (std::vector<uint64_t>{7, 8, 7}));
    index.expire(now_ns + 10 * kSecond + 1);
    EXPECT_TRUE(legs_of(2).empty());
    EXPECT_EQ(legs_of(3), (std::vector<uint64_t>{7}));
    index.expire(now_ns + 11 * kSecond + 1);
    EXPECT_TRUE(legs_of(3).empty());
  }
}

}  // namespace
}  // namespace parallax
