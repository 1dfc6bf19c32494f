// Which captured request an entry of an access log tells of, and when that is not known.
#include "analysis/correlate/access_log_join.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr int64_t kStart = 1'700'000'000'000'000'000, kMs = 1'000'000, kSecond = 1000 * kMs;
constexpr PointIndex kOutside = 0, kInside = 1;

Address ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) { return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}; }
const Address kProxy = ipv4(10, 0, 0, 1);
Address client(uint8_t number) { return ipv4(192, 0, 2, number); }

class AccessLogJoinTest : public testing::Test {
 protected:
  // A leg from `ms` to `until_ms`. Returns its id.
  uint64_t leg(PointIndex point, const Address& from, double ms, double until_ms, uint8_t protocol = ip_protocol::tcp) {
    LegEvent event{};
    event.type = LegEventType::opened;
    event.leg = LegId::make(0, next_leg_++, 1);
    event.protocol = protocol;
    event.packet.point = point;
    event.packet.order_ns = at(ms);
    event.client = {from, static_cast<uint16_t>(40000 + next_leg_)};
    event.server = {point == kOutside ? ipv4(198, 51, 100, 1) : ipv4(10, 0, 0, 80), 443};
    Connection& connection = store_.open(event);
    // As the correlator settles it: who is seen at the last point alone may be anywhere.
    connection.client_outer = point == kOutside;
    LegState& state = connection.legs.front();
    state.established = event.packet;
    state.has_summary = true;
    state.summary.last_ns = at(until_ms);
    return state.id.value();
  }
  void request(uint64_t leg_id, double ms, const std::string& target, const std::string& forwarded_for = {}) {
    LegState& state = *store_.leg(leg_id);
    if (!state.recognised) state.recognised = std::make_unique<Recognised>();
    RecognisedRequest request;
    request.method = "GET";
    request.target = target;
    request.status = 200;
    request.forwarded_for = forwarded_for;
    request.order_ns = at(ms);
    request.answered_ns = at(ms + 5);
    state.recognised->requests.push_back(request);
  }
  // Of the second in which `ms` lies.
  AccessLogEntry& entry(double ms, const std::string& target, std::vector<Address> clients) {
    AccessLogEntry& e = log_.entries.emplace_back();
    e.line = log_.entries.size();
    e.from_ns = at(ms) / kSecond * kSecond;
    e.to_ns = e.from_ns + kSecond - 1;
    e.clients = std::move(clients);
    e.has_peer = true;
    e.method = "GET";
    e.target = target;
    e.status = 200;
    return e;
  }
  void pair(uint64_t client_leg_id, uint64_t server_leg_id) {
    Connection& connection = store_.connect(client_leg_id, server_leg_id);
    Crossing& crossing = connection.crossings.emplace_back();
    crossing.client_leg = store_.place_of(client_leg_id).leg;
    crossing.server_leg = store_.place_of(server_leg_id).leg;
    crossing.is_proxied = true;
    store_.mark_paired(*store_.leg(client_leg_id), *store_.leg(server_leg_id));
  }
  const RecognisedRequest& shown(uint64_t leg_id, size_t index = 0) { return store_.leg(leg_id)->recognised->requests[index]; }
  static int64_t at(double ms) { return kStart + static_cast<int64_t>(ms * kMs); }

  EngineOptions options_;
  ConnectionStore store_{options_};
  AccessLog log_;
  uint32_t next_leg_ = 0;
};

TEST_F(AccessLogJoinTest, AServersLogNamesTheClientBehindTheProxy) {
  const uint64_t outside = leg(kOutside, client(10), 0, 900);
  const uint64_t inside = leg(kInside, kProxy, 100, 800);
  request(inside, 200, "/a");
  entry(200, "/a", {kProxy, client(10)}).forwarded_for = "192.0.2.10";
  AccessLogJoin join(log_, store_, 2);
  EXPECT_EQ(join.record().joined, 1u);
  EXPECT_EQ(join.record().clients_named, 1u);
  EXPECT_EQ(shown(inside).log_line, 1u);
  EXPECT_EQ(shown(inside).logged_client, "192.0.2.10");
  ASSERT_EQ(join.joins().size(), 1u);
  const auto found = join.client_leg_of(join.joins()[0]);
  EXPECT_EQ(found.leg_id, inside);
  EXPECT_EQ(found.client_leg_id, outside);
  EXPECT_LT(found.confidence, 0.95) << "it is only the one leg that the client had then";
}

TEST_F(AccessLogJoinTest, AProxysLogNamesTheClientByItsPort) {
  leg(kOutside, client(10), 0, 900);
  const uint64_t second = leg(kOutside, client(10), 0, 900);
  const uint64_t inside = leg(kInside, kProxy, 100, 800);
  request(inside, 200, "/a");
  entry(200, "/a", {client(10)}).peer_port = store_.leg(second)->client.port;
  AccessLogJoin join(log_, store_, 2);
  ASSERT_EQ(join.joins().size(), 1u);
  EXPECT_EQ(join.client_leg_of(join.joins()[0]).client_leg_id, second);
  EXPECT_EQ(shown(inside).logged_client, "192.0.2.10");
}

// The client's own connection is encrypted beyond the proxy, too, and another client asks for the same at that moment.
TEST_F(AccessLogJoinTest, AnEntryIsNotOfARequestOnAConnectionThatIsPairedWithAnother) {
  const uint64_t own = leg(kOutside, client(10), 0, 900), another = leg(kOutside, client(10), 0, 900);
  const uint64_t unread = leg(kInside, kProxy, 100, 800), inside = leg(kInside, kProxy, 100, 800);
  pair(own, unread);
  pair(another, inside);
  request(inside, 200, "/a");
  entry(200, "/a", {client(10)}).peer_port = store_.leg(own)->client.port;
  EXPECT_EQ(AccessLogJoin(log_, store_, 2).joins().size(), 0u);
}

TEST_F(AccessLogJoinTest, NorOnOneWithoutAPartnerWhereTheClientsHasOne) {
  const uint64_t own = leg(kOutside, client(10), 0, 900), unread = leg(kInside, kProxy, 100, 800);
  pair(own, unread);
  request(leg(kInside, kProxy, 100, 800), 200, "/a");
  entry(200, "/a", {client(10)}).peer_port = store_.leg(own)->client.port;
  EXPECT_EQ(AccessLogJoin(log_, store_, 2).joins().size(), 0u);
}

TEST_F(AccessLogJoinTest, ARequestOfTheClientsPairIsTheLogsOwnWhateverElseTheServiceIsAsked) {
  const uint64_t own = leg(kOutside, client(10), 0, 900), inside = leg(kInside, kProxy, 100, 800);
  pair(own, inside);
  request(inside, 200, "/a");
  entry(200, "/a", {client(10)}).peer_port = store_.leg(own)->client.port;
  for (int i = 0; i < 10; ++i) request(leg(kInside, kProxy, 100, 800), 300, "/of-another-proxy");
  entry(900, "/b", {client(11)});
  AccessLogJoin join(log_, store_, 2);
  ASSERT_EQ(join.joins().size(), 1u);
  EXPECT_EQ(shown(inside).log_line, 1u);
}

TEST_F(AccessLogJoinTest, WithoutAPortTwoLegsOfOneClientAreNotToldApart) {
  leg(kOutside, client(10), 0, 900);
  leg(kOutside, client(10), 0, 900);
  const uint64_t inside = leg(kInside, kProxy, 100, 800);
  request(inside, 200, "/a");
  entry(200, "/a", {client(10)});
  AccessLogJoin join(log_, store_, 2);
  ASSERT_EQ(join.joins().size(), 1u) << "the client is the same";
  EXPECT_EQ(join.client_leg_of(join.joins()[0]).client_leg_id, 0u);
  EXPECT_EQ(shown(inside).logged_client, "192.0.2.10");
}

TEST_F(AccessLogJoinTest, OneThatMayHaveAskedOverQuicIsNotTakenForTheTcpClient) {
  leg(kOutside, client(10), 0, 900);
  leg(kOutside, client(10), 0, 900, ip_protocol::udp);
  request(leg(kInside, kProxy, 100, 800), 200, "/a");
  entry(200, "/a", {client(10)});
  AccessLogJoin join(log_, store_, 2);
  ASSERT_EQ(join.joins().size(), 1u);
  EXPECT_EQ(join.client_leg_of(join.joins()[0]).client_leg_id, 0u);
}

TEST_F(AccessLogJoinTest, AnEntryThatTellsOfBothRequestsPairsThem) {
  const uint64_t outside = leg(kOutside, client(10), 0, 900), inside = leg(kInside, kProxy, 100, 800);
  leg(kOutside, client(10), 0, 900);
  request(outside, 190, "/a");
  request(inside, 200, "/a");
  entry(200, "/a", {client(10)});
  AccessLogJoin join(log_, store_, 2);
  ASSERT_EQ(join.joins().size(), 2u);
  EXPECT_EQ(join.record().joined, 1u) << "an entry counts once";
  const auto found = join.client_leg_of(join.joins()[1]);
  EXPECT_EQ(found.client_leg_id, outside);
  EXPECT_GT(found.confidence, 0.95);
  EXPECT_EQ(shown(outside).logged_client, "") << "for itself";
}

TEST_F(AccessLogJoinTest, RivalsAreAmbiguous) {
  leg(kOutside, client(10), 0, 900);
  leg(kOutside, client(11), 0, 900);
  const uint64_t a = leg(kInside, kProxy, 100, 800), b = leg(kInside, kProxy, 100, 800);
  request(a, 200, "/a");
  request(b, 300, "/a");
  entry(200, "/a", {client(10)});
  entry(300, "/a", {client(11)});
  AccessLogJoin join(log_, store_, 2);
  EXPECT_TRUE(join.joins().empty());
  EXPECT_EQ(join.record().ambiguous, 2u);
  EXPECT_EQ(shown(a).log_line, 0u);
}

TEST_F(AccessLogJoinTest, AsManyOfOneClientAreJoinedInTheirOrder) {
  const uint64_t server = leg(kInside, client(10), 100, 800);
  for (int i = 0; i < 3; ++i) {
    request(server, 200 + 100 * i, "/poll");
    entry(200, "/poll", {client(10)});
  }
  AccessLogJoin join(log_, store_, 2);
  EXPECT_EQ(join.record().joined, 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(shown(server, i).log_line, i + 1);
  EXPECT_FALSE(join.joins()[0].is_single);
}

TEST_F(AccessLogJoinTest, OneMoreThanWasCapturedIsAmbiguous) {
  const uint64_t server = leg(kInside, client(10), 100, 800);
  request(server, 200, "/poll");
  entry(200, "/poll", {client(10)});
  entry(200, "/poll", {client(10)});
  EXPECT_EQ(AccessLogJoin(log_, store_, 2).record().ambiguous, 2u);
}

TEST_F(AccessLogJoinTest, AnotherTimeTargetStatusOrClientIsAnotherRequest) {
  const uint64_t server = leg(kInside, client(10), 100, 8000);
  request(server, 200, "/a");
  entry(5200, "/a", {client(10)});
  entry(200, "/b", {client(10)});
  entry(200, "/a", {client(10)}).status = 404;
  entry(200, "/a", {client(11)});
  const AccessLogRecord record = AccessLogJoin(log_, store_, 2).record();
  EXPECT_EQ(record.not_captured, 4u);
  EXPECT_EQ(record.joined + record.ambiguous, 0u);
}

// A server that the same monitors ask, and whose own log is another.
TEST_F(AccessLogJoinTest, AServerThatTheLogDoesNotKnowIsLeftAlone) {
  const uint64_t server = leg(kInside, client(10), 0, 20'000);
  for (int i = 0; i < 10; ++i) {
    request(server, 1000 * i + 500, i < 7 ? "/health" : "/page/" + std::to_string(i));
    entry(1000 * i + 500, "/health", {client(10)});
  }
  const AccessLogRecord record = AccessLogJoin(log_, store_, 2).record();
  EXPECT_EQ(record.joined, 0u);
  EXPECT_EQ(record.foreign_requests, 10u);
}

// As where another proxy, or a listener that logs nothing, asks the same server.
TEST_F(AccessLogJoinTest, AServerMayBeAskedMoreThanTheLogKnows) {
  const uint64_t server = leg(kInside, client(10), 0, 20'000);
  for (int i = 0; i < 10; ++i) {
    request(server, 1000 * i + 500, "/page/" + std::to_string(i));
    if (i < 3) entry(1000 * i + 500, "/page/" + std::to_string(i), {client(10)});
  }
  EXPECT_EQ(AccessLogJoin(log_, store_, 2).record().joined, 3u);
}

// The client's own request to the proxy is not one that the proxy asks for it; and the server's log names the proxy.
TEST_F(AccessLogJoinTest, AServersLogSaysNothingOfRequestsThatItsProxyWasAsked) {
  const uint64_t outside = leg(kOutside, client(10), 0, 900);
  leg(kInside, kProxy, 50, 900);
  request(outside, 200, "/a");
  entry(200, "/a", {kProxy});
  EXPECT_EQ(AccessLogJoin(log_, store_, 2).record().joined, 0u);
  EXPECT_EQ(shown(outside).logged_client, "");
}

TEST_F(AccessLogJoinTest, TheClockIsLearnedFromWhatStandsOnceInBoth) {
  const uint64_t server = leg(kInside, client(10), 0, 20'000);
  for (int i = 0; i < 12; ++i) {
    request(server, 1300 * i + 500, "/page/" + std::to_string(i));
    entry(1300 * i + 500 + 7'200'300, "/page/" + std::to_string(i), {client(10)});
  }
  const AccessLogRecord record = AccessLogJoin(log_, store_, 2).record();
  EXPECT_EQ(record.joined, 12u);
  EXPECT_TRUE(record.clock_is_known);
  EXPECT_NEAR(static_cast<double>(record.clock_offset_ns) * 1e-6, 7'200'300, 150);
}

TEST_F(AccessLogJoinTest, AClockThatDisagreesWithItselfIsNone) {
  const uint64_t server = leg(kInside, client(10), 0, 20'000);
  for (int i = 0; i < 6; ++i) {
    request(server, 1300 * i + 500, "/page/" + std::to_string(i));
    entry(1300 * i + 100'000 * (i + 1), "/page/" + std::to_string(i), {client(10)});
  }
  const AccessLogRecord record = AccessLogJoin(log_, store_, 2).record();
  EXPECT_FALSE(record.clock_is_known);
  EXPECT_EQ(record.joined, 0u);
  EXPECT_EQ(record.not_captured, 6u);
}

// As under a load generator: nothing is told apart, and the time it takes does not grow with the square of their number.
TEST_F(AccessLogJoinTest, ThousandsAlikeInASecondAreAmbiguous) {
  const uint64_t server = leg(kInside, client(10), 0, 5000);
  for (int i = 0; i < 20'000; ++i) {
    request(server, 100 + i * 0.01, "/");
    entry(100, "/", {client(10)});
  }
  request(server, 3000, "/");
  entry(3000, "/", {client(10)});
  const AccessLogRecord record = AccessLogJoin(log_, store_, 2).record();
  EXPECT_EQ(record.ambiguous, 20'000u);
  EXPECT_EQ(record.joined, 1u);
}

TEST(LogClock, ManyTellHowExactItIs) {
  std::vector<std::pair<int64_t, int64_t>> offsets;
  for (int i = 0; i < 20; ++i) offsets.emplace_back(-5 * kMs, i * kMs / 100);
  EXPECT_TRUE(log_clock(offsets).known);
  EXPECT_EQ(log_clock(offsets).offset_ns, 0);
  EXPECT_LT(log_clock(offsets).slack_ns, 10 * kMs);
  offsets.resize(5);
  EXPECT_EQ(log_clock(offsets).slack_ns, kLogSlackNs);
  offsets.assign(20, {INT64_MAX - 1, INT64_MAX});
  EXPECT_FALSE(log_clock(offsets).known);
}

}  // namespace
}  // namespace parallax
