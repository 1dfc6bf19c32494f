// Turns: what begins a request and a response, and where the time between them goes.
#include "analysis/tcp/turns.h"

#include <gtest/gtest.h>

#include "tests/support/timed_leg.h"

namespace parallax {
namespace {

using test::TimedLeg;
using enum Side;

constexpr uint8_t kAck = tcp_flag::ack;

// Times in microseconds, of the client and of the server.
PerSide<int64_t> us(const PerSide<int64_t>& ns) { return {ns[client] / 1000, ns[server] / 1000}; }
using Times = PerSide<int64_t>;

TEST(Turns, RequestAndResponseAreOne) {
  TimedLeg leg;
  leg.handshake();  // ends at 1200; 1000 us to the server, 200 us to the client
  leg.data(1500, client, 1, 101, 1);
  leg.ack(2500, server, 1, 101);
  leg.packet(6500, server, kAck, 1, 1461, 101);
  leg.data(6600, server, 1461, 2001, 101);
  leg.ack(6800, client, 101, 2001);
  const FlowTimesSummary s = leg.summary();
  EXPECT_EQ(s.turns, 1u);
  EXPECT_EQ(us(s.wait_ns), (Times{300, 5000}));
  EXPECT_EQ(us(s.network_ns), (Times{0, 1000})) << "both ends of the first wait are the client's packets";
  EXPECT_EQ(us(s.transfer_ns), (Times{0, 100}));
  EXPECT_NEAR(s.wait_max_ns[server], 5'000'000, 1024);
  EXPECT_EQ(s.message_max, (PerSide<uint32_t>{100, 2000}));
  EXPECT_EQ(s.in_flight_max, (PerSide<uint32_t>{100, 2000}));
  EXPECT_EQ(s.outstanding_max, 1);
}

TEST(Turns, ThinkingOfTheClientIsLessTheRoundTripToIt) {
  TimedLeg leg;
  leg.handshake();
  leg.data(1200, client, 1, 101, 1);
  leg.data(2200, server, 1, 101, 101);
  leg.data(82'200, client, 101, 201, 101);
  leg.data(83'200, server, 101, 201, 201);
  leg.data(83'300, client, 201, 301, 201);  // sooner than the round trip: all of it is the network's
  leg.data(84'300, server, 201, 301, 301);
  const FlowTimesSummary s = leg.summary();
  EXPECT_EQ(s.turns, 3u);
  EXPECT_EQ(us(s.wait_ns), (Times{80'100, 3000}));
  EXPECT_EQ(us(s.network_ns), (Times{300, 3000}));
  EXPECT_NEAR(s.wait_max_ns[client], 80'000'000, 1024);
  EXPECT_NEAR(s.wait_max_ns[server], 1'000'000, 1024);
}

TEST(Turns, ServerThatSpeaksFirstAnswersTheHandshake) {
  TimedLeg leg;
  leg.handshake();
  leg.data(31'200, server, 1, 41, 1);
  leg.data(31'500, client, 1, 11, 41);
  leg.data(32'500, server, 41, 81, 11);
  const FlowTimesSummary s = leg.summary();
  EXPECT_EQ(s.turns, 2u);
  EXPECT_EQ(us(s.wait_ns), (Times{300, 31'000}));
  EXPECT_EQ(us(s.network_ns), (Times{200, 2000}));
}

TEST(Turns, WhatIsMetInMidstreamAnswersNobodyKnowsWhat) {
  TimedLeg leg;
  leg.data(0, server, 1, 101, 1);
  leg.data(500, client, 1, 101, 101);
  leg.data(900, server, 101, 201, 101);
  EXPECT_EQ(leg.summary().turns, 1u);
  EXPECT_EQ(us(leg.summary().wait_ns), (Times{500, 400}));
}

TEST(Turns, ResponseThatCrossesARequestIsNotItsAnswer) {
  TimedLeg leg;
  leg.handshake();
  leg.data(2000, client, 1, 101, 1);
  leg.data(3000, server, 1, 101, 101);
  leg.data(3100, client, 101, 201, 1);    // sent before the response came: in line
  leg.data(3200, server, 101, 201, 101);  // still the first response
  leg.data(5000, server, 201, 301, 201);  // the answer to the second
  const FlowTimesSummary s = leg.summary();
  EXPECT_EQ(s.turns, 2u);
  EXPECT_EQ(us(s.wait_ns), (Times{800, 1000 + 1800}));
}

TEST(Turns, RetransmissionsKeepAlivesAndProbesMakeNone) {
  TimedLeg leg;
  leg.handshake();
  leg.data(2000, client, 1, 101, 1);
  leg.data(3000, server, 1, 101, 101);
  leg.data(203'000, server, 1, 101, 101);  // again
  leg.packet(300'000, client, kAck, 100, 101, 101, {.labels = bit(PacketLabel::keep_alive)});
  leg.packet(400'000, client, kAck, 101, 102, 101, {.labels = bit(PacketLabel::zero_window_probe)});
  leg.data(500'000, client, 101, 201, 101);
  leg.data(501'000, server, 101, 201, 201);
  const FlowTimesSummary s = leg.summary();
  EXPECT_EQ(s.turns, 2u);
  EXPECT_EQ(us(s.wait_ns), (Times{800 + 497'000, 2000}));
  EXPECT_EQ(us(s.network_ns), (Times{200'000 + 200, 2000}))
      << "the response was lost beyond the point: the client waited for it too";
}

TEST(Turns, TimeUntilTheRequestArrivedIsNotTheServers) {
  TimedLeg leg;
  leg.handshake();
  leg.data(2000, client, 1, 101, 1);
  leg.data(302'000, client, 1, 101, 1);  // lost beyond the point
  leg.data(304'000, server, 1, 101, 101);
  const FlowTimesSummary s = leg.summary();
  EXPECT_EQ(us(s.wait_ns), (Times{800, 302'000}));
  EXPECT_EQ(us(s.network_ns), (Times{0, 301'000}));
}

TEST(Turns, RequestSentAgainAlthoughAcknowledgedIsTheServersTime) {
  TimedLeg leg;
  leg.handshake();
  leg.data(2000, client, 1, 101, 1);
  leg.ack(3000, server, 1, 101);
  leg.data(302'000, client, 1, 101, 1);
  leg.data(304'000, server, 1, 101, 101);
  EXPECT_EQ(us(leg.summary().network_ns), (Times{0, 1000}));
}

TEST(Turns, MessageIsWholeWhenItsHoleIsFilled) {
  TimedLeg leg;
  leg.handshake();
  leg.data(2000, client, 1, 101, 1);
  leg.packet(3000, server, kAck, 1, 101, 101);
  leg.data(3100, server, 201, 301, 101);
  leg.data(53'000, server, 101, 201, 101);
  leg.data(54'000, client, 101, 201, 301);
  EXPECT_EQ(us(leg.summary().transfer_ns), (Times{0, 50'000}));
  EXPECT_EQ(us(leg.summary().wait_ns), (Times{800 + 1000, 1000}));
}

TEST(Turns, DataInTheSynIsARequest) {
  TimedLeg leg;
  leg.packet(0, client, tcp_flag::syn, 0, 100, 0);
  leg.packet(1000, server, tcp_flag::syn | kAck, 0, 0, 101);
  leg.data(4000, server, 1, 101, 101);
  leg.ack(4200, client, 101, 101);
  EXPECT_EQ(leg.summary().turns, 1u);
  EXPECT_EQ(us(leg.summary().wait_ns), (Times{0, 4000}));
}

// 64 KiB reads two at a time: the next two go out when both have come, after a pause.
TEST(Turns, RequestsSentTogetherAreOutstandingTogether) {
  TimedLeg leg;
  leg.handshake();
  uint32_t asked = 1, sent = 1;
  int64_t now = 2000;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 2; ++i) leg.data(now += 13, client, asked, asked + 117, sent), asked += 117;
    now += 1000;
    for (int i = 0; i < 2; ++i) {
      for (int k = 0; k < 45; ++k) leg.packet(now += 100, server, kAck, sent, sent + 1460, asked), sent += 1460;
      leg.data(now += 100, server, sent, sent + 100, asked), sent += 100;
    }
    leg.ack(now += 200, client, asked, sent);
    now += 80'000;
  }
  const FlowTimesSummary s = leg.summary();
  EXPECT_EQ(s.turns, 3u);
  EXPECT_EQ(s.outstanding_max, 2);
  // Of the 13 us between the requests one is outstanding; of the 1100 us before the first byte and the 4500 of the first response
  // two; then one.
  EXPECT_EQ(s.outstanding_ns / 1000, 3 * (13 + 2 * (1100 + 4500) + 4600));
  EXPECT_EQ(us(s.network_ns), (Times{2 * 200, 3 * 1000}));
}

TEST(Turns, SixteenReadsInLineAreSixteenOutstanding) {
  TimedLeg leg;
  leg.handshake();
  uint32_t asked = 1, sent = 1;
  int64_t now = 2000;
  for (int i = 0; i < 16; ++i) leg.data(now += 12, client, asked, asked + 117, 1), asked += 117;
  for (int i = 0; i < 16; ++i) leg.data(now += 5000, server, sent, sent + 1000, asked), sent += 1000;
  EXPECT_EQ(leg.summary().outstanding_max, 16);
  EXPECT_EQ(leg.summary().turns, 1u);
}

TEST(Turns, RequestWrittenInTwoPiecesDoesNotPileUp) {
  TimedLeg leg;
  leg.handshake();
  uint32_t asked = 1, sent = 1;
  int64_t now = 2000;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 2; ++i) leg.data(now += 10, client, asked, asked + 100, sent), asked += 100;
    leg.data(now += 1000, server, sent, sent + 100, asked), sent += 100;
  }
  EXPECT_EQ(leg.summary().outstanding_max, 2);
  EXPECT_EQ(leg.summary().turns, 20u);
}

TEST(Turns, FirstFlightIsWhatComesBeforeAnAcknowledgementCanCallForMore) {
  TimedLeg leg;
  leg.handshake();
  leg.data(2000, client, 1, 101, 1);
  for (uint32_t i = 0; i < 10; ++i) leg.packet(3000 + 10 * i, server, kAck, 1 + 1460 * i, 1461 + 1460 * i, 101);
  leg.ack(3250, client, 101, 2921);
  leg.packet(3300, server, kAck, 14601, 16061, 101);  // had been on the way
  leg.packet(4260, server, kAck, 16061, 17521, 101);  // called for
  leg.packet(4270, server, kAck, 17521, 18981, 101);
  EXPECT_EQ(leg.summary().first_flight, (PerSide<uint32_t>{100, 16060}));
  EXPECT_TRUE(leg.summary().first_flight_known);
}

TEST(Turns, HopLimitOfTheNewestDataAndItsChanges) {
  TimedLeg leg;
  leg.packet(0, client, tcp_flag::syn, 0, 0, 0, {.ttl = 60});
  leg.packet(1000, server, tcp_flag::syn | kAck, 0, 0, 1, {.ttl = 255});  // a device answers for the server
  leg.packet(1200, client, kAck, 1, 1, 1, {.ttl = 60});
  leg.data(1300, client, 1, 101, 1, {.ttl = 60});
  leg.data(2300, server, 1, 101, 101, {.ttl = 57});
  leg.data(2400, server, 101, 201, 101, {.ttl = 57});
  leg.data(2500, server, 201, 301, 101, {.ttl = 56});
  EXPECT_EQ(leg.summary().ttl, (PerSide<uint8_t>{60, 56}));
  EXPECT_EQ(leg.summary().ttl_changes, (PerSide<uint8_t>{0, 1}));
}

TEST(Turns, InvertedStampsTakeNoTime) {
  TimedLeg leg;
  leg.handshake();
  leg.data(2000, client, 1, 101, 1);
  leg.data(1990, server, 1, 101, 101);
  EXPECT_EQ(leg.summary().turns, 1u);
  EXPECT_EQ(us(leg.summary().wait_ns), (Times{800, 0}));
}

}  // namespace
}  // namespace parallax
