// Which leg beyond a proxy carries on a client's message: by names in headers, by what is asked for, and by how long it took.
#include "analysis/correlate/message_pairer.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr int64_t kStart = 1'700'000'000'000'000'000, kMs = 1'000'000;
constexpr PointIndex kOutside = 0, kInside = 1;

Address ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) { return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}; }

class MessagePairerTest : public testing::Test {
 protected:
  // A leg at that point, whose client has the given last byte of its address.
  LegState& leg(PointIndex point, uint8_t client) {
    LegEvent event{};
    event.type = LegEventType::opened;
    event.leg = LegId::make(0, next_leg_++, 1);
    event.protocol = ip_protocol::tcp;
    event.packet.point = point;
    event.packet.order_ns = now_ns_;
    event.client = {ipv4(192, 0, 2, client), static_cast<uint16_t>(40000 + next_leg_)};
    event.server = {ipv4(198, 51, 100, 1), 80};
    return store_.open(event).legs.front();
  }
  // At `ms` after the start; never before the one before.
  std::vector<MessagePairer::Match> request(const LegState& leg, double ms, const std::string& target,
                                            const std::string& forwarded_for = {}, const std::string& forwarded = {}) {
    RecognitionEvent event{};
    event.kind = RecognitionKind::http_request;
    event.order_ns = now_ns_ = kStart + static_cast<int64_t>(ms * kMs);
    event.leg = leg.id;
    event.point = leg.point;
    event.from = Side::client;
    event.add(0, "GET", 24);
    event.add(1, host_, 128);
    event.add(2, forwarded_for, 96);
    event.add(3, forwarded, 96);
    event.add(4, target, 100);
    return pairer_.take(leg, event, 2);
  }
  // That there is a proxy, has been seen.
  void know_that_it_passes() {
    PassageModel& service = services_.of({ipv4(198, 51, 100, 1), 80});
    for (int i = 0; i < 10; ++i) service.learn_asked(), service.learn_passed();
  }
  // What the device usually takes has been seen often enough.
  void learn_one_millisecond(double& ms) {
    know_that_it_passes();
    for (int i = 0; i < 200; ++i, ms += 100) {
      request(leg(kOutside, 99), ms, "/unique/" + std::to_string(i));
      ASSERT_EQ(request(leg(kInside, 1), ms + 1, "/unique/" + std::to_string(i)).size(), 1u) << i;
    }
  }

  EngineOptions options_;
  ConnectionStore store_{options_};
  PassageModels services_;
  MessagePairer pairer_{store_, services_};
  std::string host_ = "host";
  uint32_t next_leg_ = 0;
  int64_t now_ns_ = kStart;
};

TEST_F(MessagePairerTest, ARequestThatIsPassedOnIsFound) {
  know_that_it_passes();
  const LegState& client = leg(kOutside, 10);
  EXPECT_TRUE(request(client, 0, "/a").empty());
  const auto found = request(leg(kInside, 1), 1, "/a");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].leg_id, client.id.value());
  EXPECT_EQ(found[0].method, PairingMethod::payload);
  EXPECT_GT(found[0].confidence, 0.8);
  EXPECT_EQ(found[0].rivals, 0u);
}

TEST_F(MessagePairerTest, AnotherRequestIsNot) {
  request(leg(kOutside, 10), 0, "/a");
  EXPECT_TRUE(request(leg(kInside, 1), 1, "/b").empty());
  EXPECT_TRUE(request(leg(kOutside, 11), 2, "/a").empty()) << "at the same point";
}

TEST_F(MessagePairerTest, AMessageIsPassedOnOnce) {
  know_that_it_passes();
  request(leg(kOutside, 10), 0, "/a");
  EXPECT_EQ(request(leg(kInside, 1), 1, "/a").size(), 1u);
  EXPECT_TRUE(request(leg(kInside, 1), 1.1, "/a").empty());
}

TEST_F(MessagePairerTest, TheClientThatAHeaderNamesIsFoundAmongManyThatAskTheSame) {
  const LegState &a = leg(kOutside, 10), &b = leg(kOutside, 11), &c = leg(kOutside, 12);
  for (const LegState* client : {&a, &b, &c}) request(*client, 0, "/");
  const auto of_b = request(leg(kInside, 1), 30, "/", "192.0.2.11");
  ASSERT_EQ(of_b.size(), 1u);
  EXPECT_EQ(of_b[0].leg_id, b.id.value());
  EXPECT_EQ(of_b[0].method, PairingMethod::forwarded_header);
  // The client had written something itself; the proxy appends whom it has seen.
  const auto of_a = request(leg(kInside, 1), 31, "/", "203.0.113.7, 192.0.2.10");
  ASSERT_EQ(of_a.size(), 1u);
  EXPECT_EQ(of_a[0].leg_id, a.id.value());
  const auto of_c = request(leg(kInside, 1), 32, "/", "", "for=\"192.0.2.12:4711\";proto=http");
  ASSERT_EQ(of_c.size(), 1u);
  EXPECT_EQ(of_c[0].leg_id, c.id.value());
}

TEST_F(MessagePairerTest, WhoAskTheSameAtTheSameTimeAreNotToldApart) {
  request(leg(kOutside, 10), 0, "/");
  request(leg(kOutside, 11), 0.1, "/");
  EXPECT_TRUE(request(leg(kInside, 1), 1, "/").empty()) << "a wrong pairing is worse than none";
}

TEST_F(MessagePairerTest, WhatTheDeviceUsuallyTakesTellsThemApart) {
  double ms = 0;
  learn_one_millisecond(ms);
  request(leg(kOutside, 10), ms, "/");
  const LegState& client = leg(kOutside, 11);
  request(client, ms + 60, "/");
  const auto found = request(leg(kInside, 1), ms + 61, "/");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].leg_id, client.id.value());
}

TEST_F(MessagePairerTest, WhatCameTooLateIsAStrangers) {
  double ms = 0;
  learn_one_millisecond(ms);
  request(leg(kOutside, 10), ms, "/");
  EXPECT_TRUE(request(leg(kInside, 1), ms + 3000, "/").empty());
  request(leg(kOutside, 10), ms + 4000, "/x", "");
  EXPECT_TRUE(request(leg(kInside, 1), ms + 20'000, "/x", "192.0.2.10").empty()) << "beyond the window";
}

TEST_F(MessagePairerTest, AConnectionThatGoesOnWithItsOwnProxyConnectionIsNoNews) {
  know_that_it_passes();
  const LegState &client = leg(kOutside, 10), &beyond = leg(kInside, 1);
  request(client, 0, "/a");
  ASSERT_EQ(request(beyond, 1, "/a").size(), 1u);
  const uint64_t client_id = client.id.value(), beyond_id = beyond.id.value();
  Connection& connection = store_.connect(client_id, beyond_id);
  connection.crossings.push_back({.client_leg = 0, .server_leg = 1, .is_proxied = true});
  request(*store_.leg(client_id), 10, "/b");
  request(leg(kOutside, 11), 10.1, "/b");
  EXPECT_TRUE(request(*store_.leg(beyond_id), 11, "/b").empty());
  const auto found = request(leg(kInside, 1), 11.2, "/b");
  ASSERT_EQ(found.size(), 1u) << "the other client's is still there";
}

TEST_F(MessagePairerTest, LegsThatAreFollowedPacketByPacketNeedNone) {
  const LegState &outside = leg(kOutside, 10), &inside = leg(kInside, 10);
  const uint64_t outside_id = outside.id.value(), inside_id = inside.id.value();
  Connection& connection = store_.connect(outside_id, inside_id);
  connection.crossings.push_back({.client_leg = 0, .server_leg = 1});
  request(*store_.leg(outside_id), 0, "/a");
  EXPECT_TRUE(request(leg(kInside, 1), 1, "/a").empty());
}

TEST_F(MessagePairerTest, OfANewServiceNothingIsToldUntilItsMessagesAreSeenToGoOn) {
  size_t told = 0;
  for (int i = 0; i < 20; ++i) {
    request(leg(kOutside, 10), 100 * i, "/page");
    told += request(leg(kInside, 1), 100 * i + 1, "/page").size();
    if (i == 2) {
      EXPECT_EQ(told, 0u);
    }
  }
  EXPECT_EQ(told, 20u) << "the first were held back, and are told then";
}

TEST_F(MessagePairerTest, WhatWasHeldBackIsForgottenWhereSomethingElseHasPairedItMeanwhile) {
  const LegState &client = leg(kOutside, 10), &beyond = leg(kInside, 1);
  const uint64_t client_id = client.id.value(), beyond_id = beyond.id.value();
  request(client, 0, "/first");
  EXPECT_TRUE(request(beyond, 1, "/first").empty());
  store_.mark_paired(*store_.leg(client_id), leg(kInside, 7));
  size_t told = 0;
  for (int i = 1; i < 14; ++i) {
    request(leg(kOutside, 10), 100 * i, "/page");
    for (const MessagePairer::Match& match : request(leg(kInside, 1), 100 * i + 1, "/page")) {
      EXPECT_NE(match.shown_again_by, beyond_id);
      ++told;
    }
  }
  EXPECT_EQ(told, 13u);
}

// A pool of connections to the server: opened for others, long before.
TEST_F(MessagePairerTest, AnOlderConnectionBeyondMayCarryTheRequestsOfLaterClients) {
  double ms = 0;
  learn_one_millisecond(ms);
  const LegState& pooled = leg(kInside, 1);
  for (int i = 0; i < 20; ++i, ms += 100) {
    request(leg(kOutside, 99), ms, "/else/" + std::to_string(i));
    const LegState& client = leg(kOutside, 10);
    request(client, ms + 50, "/a");
    const auto found = request(pooled, ms + 51, "/a");
    ASSERT_EQ(found.size(), 1u) << i;
    EXPECT_EQ(found[0].leg_id, client.id.value());
    EXPECT_TRUE(is_opened_for_another(client, pooled));
  }
}

TEST_F(MessagePairerTest, TheHostTellsRequestsApartThatAskForTheSame) {
  double ms = 0;
  learn_one_millisecond(ms);
  host_ = "one.example";
  const LegState& one = leg(kOutside, 10);
  request(one, ms, "/");
  host_ = "two.example";
  const LegState& two = leg(kOutside, 11);
  request(two, ms, "/");
  EXPECT_EQ(request(leg(kInside, 1), ms + 1, "/").at(0).leg_id, two.id.value());
  host_ = "one.example";
  EXPECT_EQ(request(leg(kInside, 1), ms + 1, "/").at(0).leg_id, one.id.value());
}

TEST_F(MessagePairerTest, AHostThatTheProxyRewritesDoesNotHideTheRequest) {
  double ms = 0;
  learn_one_millisecond(ms);
  const LegState& client = leg(kOutside, 10);
  request(client, ms, "/");
  host_ = "backend.internal";
  EXPECT_EQ(request(leg(kInside, 1), ms + 1, "/").at(0).leg_id, client.id.value());
}

// Monitors on either side of a plain firewall ask the same of services of their own, and nothing goes on.
TEST_F(MessagePairerTest, WhereNothingGoesOnNothingIsPaired) {
  size_t paired = 0;
  double ms = 0;
  for (int i = 0; i < 600; ++i, ms += 37) {
    paired += request(leg(kOutside, 10), ms, "/health").size();
    paired += request(leg(kInside, 11), ms + 5 + i % 30, "/health").size();
  }
  EXPECT_EQ(paired, 0u);
}

TEST(DelayModel, LearnsWhatADeviceTakes) {
  DelayModel delays;
  const double before = delays.density(kMs);
  for (int i = 0; i < 100; ++i) delays.learn(kMs);
  EXPECT_GT(delays.density(kMs), 5 * before);
  EXPECT_GT(delays.density(kMs), 100 * delays.density(100 * kMs));
  EXPECT_GT(delays.density(100 * kMs), 0) << "nothing is impossible";
  EXPECT_EQ(delays.density(-1), 0) << "but that a message leaves before it comes";
}

// As after a pause of the sensor, or where a port is polled seldom: who came first is not known, nor who took how long.
TEST(DelayModel, StampsThatAreUncertainTellLess) {
  DelayModel delays;
  for (int i = 0; i < 100; ++i) delays.learn(kMs / 10);
  EXPECT_GT(delays.density(kMs / 10), 20 * delays.density(kMs / 10, 2 * kMs));
  EXPECT_NEAR(delays.density(kMs / 10, 2 * kMs), delays.density(kMs, 2 * kMs), 10);
  EXPECT_GT(delays.density(-kMs, 2 * kMs), 0);
}

TEST(MessageIndex, ForgetsByAgeAndByItsBound) {
  MessageIndex index;
  const std::array<uint64_t, 2> keys{7, 8};
  index.add(keys, {.leg_id = 1, .order_ns = kStart});
  EXPECT_EQ(index.find(8, 0).messages.size(), 1u);
  EXPECT_TRUE(index.find(8, 1).messages.empty());
  index.expire(kStart + MessageIndex::kWindowNs + 1);
  EXPECT_TRUE(index.find(8, 0).messages.empty());
  for (uint64_t i = 0; i < MessageIndex::kEntriesMax; ++i) index.add(keys, {.leg_id = 1 + i, .order_ns = kStart});
  EXPECT_EQ(index.evicted(), MessageIndex::kEntriesMax / 2);
  const auto found = index.find(7, 0);
  EXPECT_EQ(found.messages.size(), MessageIndex::kCandidatesMax);
  EXPECT_EQ(found.messages.front().leg_id, MessageIndex::kEntriesMax) << "the newest first";
  EXPECT_GT(found.others, 0u);
}

}  // namespace
}  // namespace parallax
