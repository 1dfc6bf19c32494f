// Round trips from the middle of the path: what gives a sample, and what must not.
#include "analysis/tcp/round_trip.h"

#include <gtest/gtest.h>

#include "tests/support/timed_leg.h"

namespace parallax {
namespace {

using test::TimedLeg;
using enum Side;

constexpr int64_t kUs = 1000;

int64_t ack_us(const RoundTripSamples& samples) { return to_ns(samples.ticks[RoundTripMethod::ack]) / kUs; }
int64_t echo_us(const RoundTripSamples& samples) { return to_ns(samples.ticks[RoundTripMethod::timestamp]) / kUs; }

TEST(RoundTrip, AcknowledgementOfDataIsTheWayToItsReceiverAndBack) {
  TimedLeg leg;
  leg.handshake();
  EXPECT_EQ(ack_us(leg.data(2000, client, 1, 101, 1)), 0);
  EXPECT_EQ(ack_us(leg.ack(3100, server, 1, 101)), 1100);
  leg.data(4000, server, 1, 501, 101);
  EXPECT_EQ(ack_us(leg.ack(4240, client, 101, 501)), 240);
  const FlowTimesSummary s = leg.summary();
  EXPECT_EQ(s.trips[Side::server].min_ns, 1000 * kUs) << "the handshake's";
  EXPECT_EQ(s.trips[Side::server].max_ns, 1100 * kUs);
  EXPECT_EQ(s.trips[Side::server].smoothed_ns, 1012'496) << "7/8 of 1000 us and 1/8 of 1100, in ticks of 16 ns";
  EXPECT_EQ(s.trips[Side::server].samples, 2u);
  EXPECT_EQ(s.trips[Side::client].min_ns, 200 * kUs);
  EXPECT_EQ(s.trips[Side::client].samples, 2u);
}

TEST(RoundTrip, OneSegmentIsTimedAtATime) {
  TimedLeg leg;
  leg.handshake();
  leg.data(2000, client, 1, 101, 1);
  leg.data(2500, client, 101, 201, 1);
  EXPECT_EQ(ack_us(leg.ack(3000, server, 1, 201)), 1000) << "of the first";
  EXPECT_EQ(ack_us(leg.ack(3500, server, 1, 201)), 0);
}

TEST(RoundTrip, PartialAcknowledgementIsNoSample) {
  TimedLeg leg;
  leg.handshake();
  leg.data(2000, client, 1, 101, 1);
  EXPECT_EQ(ack_us(leg.ack(3000, server, 1, 100)), 0);
  EXPECT_EQ(ack_us(leg.ack(3300, server, 1, 101)), 1300);
}

TEST(RoundTrip, NothingIsLearnedOfWhatWasSentAgain) {
  TimedLeg leg;
  leg.handshake();
  leg.data(2000, client, 1, 101, 1);
  leg.data(202'000, client, 1, 101, 1);
  EXPECT_EQ(ack_us(leg.ack(203'000, server, 1, 101)), 0);
  leg.data(204'000, client, 101, 201, 1);
  EXPECT_EQ(ack_us(leg.ack(205'000, server, 1, 201)), 1000) << "but of what came after";
}

TEST(RoundTrip, NothingIsLearnedAcrossAHole) {
  TimedLeg leg;
  leg.handshake();
  leg.data(2000, client, 101, 201, 1);
  leg.data(2010, client, 301, 401, 1);  // [201, 301) was lost before the point
  leg.data(252'000, client, 201, 301, 1);
  EXPECT_EQ(ack_us(leg.ack(253'000, server, 1, 401)), 0);
}

TEST(RoundTrip, LostSynGivesNoRoundTrip) {
  TimedLeg leg;
  leg.packet(0, client, tcp_flag::syn, 0, 0, 0);
  leg.packet(1'000'000, client, tcp_flag::syn, 0, 0, 0);
  leg.packet(1'001'000, server, tcp_flag::syn | tcp_flag::ack, 0, 0, 1);
  leg.packet(1'001'200, client, tcp_flag::ack, 1, 1, 1);
  EXPECT_EQ(leg.summary().trips[Side::server].samples, 0u);
  EXPECT_EQ(leg.summary().trips[Side::client].samples, 1u);
}

TEST(RoundTrip, TimestampComesBackToTheOneWhoSentIt) {
  TimedLeg leg;
  leg.data(0, client, 1, 101, 1, {.tsval = 50, .tsecr = 7});
  const RoundTripSamples samples = leg.ack(900, server, 1, 101, {.tsval = 8, .tsecr = 50});
  EXPECT_EQ(ack_us(samples), 900);
  EXPECT_EQ(echo_us(samples), 900);
}

TEST(RoundTrip, TimestampIsMeasuredAlsoWhereTheSegmentWasSentAgain) {
  TimedLeg leg;
  leg.data(0, client, 1, 101, 1, {.tsval = 50, .tsecr = 7});
  leg.data(200'000, client, 1, 101, 1, {.tsval = 250, .tsecr = 7});
  const RoundTripSamples samples = leg.ack(201'000, server, 1, 101, {.tsval = 208, .tsecr = 250});
  EXPECT_EQ(ack_us(samples), 0);
  EXPECT_EQ(echo_us(samples), 0) << "the first value was never echoed, the second one was not timed";
  leg.data(202'000, client, 101, 201, 1, {.tsval = 252, .tsecr = 208});
  leg.data(203'000, client, 201, 301, 1, {.tsval = 253, .tsecr = 208});
  EXPECT_EQ(echo_us(leg.ack(204'100, server, 1, 301, {.tsval = 211, .tsecr = 253})), 1100);
}

TEST(RoundTrip, OnlyTheFirstPacketOfATimestampCounts) {
  TimedLeg leg;
  leg.data(0, client, 1, 101, 1, {.tsval = 50, .tsecr = 7});
  leg.data(600, client, 101, 201, 1, {.tsval = 51, .tsecr = 7});  // 51 is first seen while 50 is being timed
  EXPECT_EQ(echo_us(leg.ack(900, server, 1, 101, {.tsval = 8, .tsecr = 50})), 900);
  leg.data(1000, client, 201, 301, 1, {.tsval = 51, .tsecr = 8});  // not the first one
  EXPECT_EQ(echo_us(leg.ack(1500, server, 1, 301, {.tsval = 9, .tsecr = 51})), 0);
}

TEST(RoundTrip, AcknowledgementsOfABulkTransferMeasureTheWayToItsSender) {
  TimedLeg leg;
  leg.packet(0, server, tcp_flag::ack, 1, 1461, 101, {.tsval = 500, .tsecr = 40});
  leg.packet(10, server, tcp_flag::ack, 1461, 2921, 101, {.tsval = 500, .tsecr = 40});
  leg.ack(300, client, 101, 1461, {.tsval = 41, .tsecr = 500});  // more is in flight
  EXPECT_EQ(echo_us(leg.packet(5300, server, tcp_flag::ack, 2921, 4381, 101, {.tsval = 505, .tsecr = 41})), 5000);
}

TEST(RoundTrip, AcknowledgementThatLeavesNothingInFlightIsAnsweredWhenItPleases) {
  TimedLeg leg;
  leg.packet(0, server, tcp_flag::ack, 1, 1461, 101, {.tsval = 500, .tsecr = 40});
  leg.packet(10, server, tcp_flag::ack, 1461, 2921, 101, {.tsval = 500, .tsecr = 40});
  leg.ack(300, client, 101, 1461, {.tsval = 41, .tsecr = 500});
  leg.ack(310, client, 101, 2921, {.tsval = 41, .tsecr = 500});
  EXPECT_EQ(echo_us(leg.packet(9'000'300, server, tcp_flag::ack, 2921, 4381, 101, {.tsval = 9500, .tsecr = 41})), 0);
}

TEST(RoundTrip, OldAnswerSentAgainTeachesNothing) {
  TimedLeg leg;
  leg.data(0, client, 1, 101, 1);
  leg.data(100, server, 1, 101, 1);                              // crosses the request
  EXPECT_EQ(ack_us(leg.data(300'000, server, 1, 101, 101)), 0);  // sent again, and now acknowledges it
}

TEST(RoundTrip, LongSilenceIsNoRoundTrip) {
  TimedLeg leg;
  leg.data(0, client, 1, 101, 1);
  // 2^32 ticks of 16 ns and 1 ms: without care this would look like 1 ms.
  EXPECT_EQ(ack_us(leg.ack((int64_t{1} << 32) * 16 / 1000 + 1000, server, 1, 101)), 0);
}

TEST(RoundTrip, InvertedStampsAreNoRoundTrip) {
  TimedLeg leg;
  leg.data(1000, client, 1, 101, 1);
  EXPECT_EQ(ack_us(leg.ack(990, server, 1, 101)), 0);
}

}  // namespace
}  // namespace parallax
