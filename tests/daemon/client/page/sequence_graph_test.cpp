// The time-sequence graph: what is drawn of a connection's segments, and where.
#include "daemon/client/page/sequence_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/model/vocabulary.h"
#include "tests/support/ladder_steps.h"

namespace parallax {
namespace {

using test::ladder_step;
using test::numbered;
using testing::HasSubstr;
using testing::Not;

constexpr uint8_t kAck = tcp_flag::ack;

std::string drawn(std::vector<LadderStep> steps) {
  return sequence_graphs({.title = {}, .lanes = {"outside", "inside"}, .steps = std::move(steps)});
}

size_t count_of(const std::string& what, const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}
size_t segments_at(int lane, const std::string& html) {  // that of the legend has no title
  return count_of("<path class=\"segment p" + std::to_string(lane) + "\"", html) - 1;
}

TEST(SequenceGraph, ConnectionWithoutDataHasNone) {
  EXPECT_EQ(
      drawn({ladder_step(Side::client, tcp_flag::syn, 0, {0, 1}), ladder_step(Side::client, tcp_flag::syn, 0, {1000, 1001})}),
      "");
}

TEST(SequenceGraph, SegmentsOfBothPointsStandOverEachOther) {
  const std::string html = drawn({numbered(ladder_step(Side::client, kAck, 100, {0, 1}), 1, 1),
                                  numbered(ladder_step(Side::client, kAck, 100, {2, 3}), 101, 1),
                                  numbered(ladder_step(Side::server, kAck, 0, {5, 4}), 1, 201)});
  EXPECT_EQ(count_of("<figure", html), 1u);
  EXPECT_EQ(segments_at(0, html), 2u);
  EXPECT_EQ(segments_at(1, html), 2u);
  EXPECT_EQ(count_of("<path class=\"ack p", html), 2u + 2u);  // and in the legend
  EXPECT_THAT(html, HasSubstr("client to server"));
  EXPECT_THAT(html, HasSubstr("ms since 1970-01-01T00:00:00Z<"));
}

TEST(SequenceGraph, EachDirectionWithDataHasItsOwn) {
  const std::string html = drawn({numbered(ladder_step(Side::client, kAck, 100, {0, 1}), 1, 1),
                                  numbered(ladder_step(Side::server, kAck, 500, {11, 10}), 1, 101)});
  EXPECT_EQ(count_of("<figure", html), 2u);
}

TEST(SequenceGraph, WhatWasLostAndSentAgainIsMarkedOnce) {
  const std::string html =
      drawn({numbered(ladder_step(Side::client, kAck, 100, {0, -1}, bit(PacketLabel::lost_in_device)), 1, 1),
             numbered(ladder_step(Side::client, kAck, 100, {300, 301}, bit(PacketLabel::timeout_retransmission)), 1, 1)});
  EXPECT_EQ(segments_at(0, html), 2u);
  EXPECT_EQ(segments_at(1, html), 1u);
  EXPECT_EQ(count_of("<path class=\"mark lost\" transform", html), 1u);
  EXPECT_EQ(count_of("<path class=\"mark again\" transform", html), 1u);
  EXPECT_THAT(html, HasSubstr("lost in the device"));
  EXPECT_THAT(html, Not(HasSubstr("injected by the device")));
}

TEST(SequenceGraph, WhatTheOtherDirectionLostIsMarkedWhereItIsDataOrNothingButAnAcknowledgement) {
  const uint32_t lost = bit(PacketLabel::lost_in_device);
  const std::string html = drawn({numbered(ladder_step(Side::client, kAck, 100, {0, 1}), 1, 1),
                                  numbered(ladder_step(Side::server, kAck, 50, {-1, 2}, lost), 1, 101),
                                  numbered(ladder_step(Side::server, kAck, 0, {-1, 3}, lost), 51, 101)});
  const size_t second = html.find("server to client");
  EXPECT_EQ(count_of("<path class=\"mark lost\" transform", html.substr(0, second)), 1u);
  EXPECT_EQ(count_of("<path class=\"mark lost\" transform", html.substr(second)), 1u);
}

// RFC 9293, 3.4: numbers wrap; and a keep-alive repeats the byte before the first.
TEST(SequenceGraph, NumbersWrapAndGoBack) {
  const std::string html = drawn({numbered(ladder_step(Side::client, kAck, 1, {0, 1}), 0xffff'ffff, 1),
                                  numbered(ladder_step(Side::client, kAck, 1000, {2, 3}), 0, 1)});
  EXPECT_THAT(html, HasSubstr(">1,000</text>"));
  EXPECT_THAT(html, Not(HasSubstr(",000,000")));
}

TEST(SequenceGraph, NumberOfAForgedResetDoesNotStretchTheAxis) {
  const std::string html = drawn(
      {numbered(ladder_step(Side::client, kAck, 1000, {0, 1}), 1, 1),
       numbered(ladder_step(Side::client, tcp_flag::rst, 0, {-1, 5}, bit(PacketLabel::injected_by_device)), 900'000'000, 0)});
  EXPECT_THAT(html, HasSubstr("<path class=\"mark injected\" transform"));
  EXPECT_THAT(html, Not(HasSubstr(",000,000")));
}

TEST(SequenceGraph, OfVeryManySegmentsTheFirstAreDrawn) {
  std::vector<LadderStep> steps;
  for (uint32_t i = 0; i < 1500; ++i) steps.push_back(numbered(ladder_step(Side::client, kAck, 10, {i, i + 1}), i * 10, 1));
  const std::string html = drawn(steps);
  EXPECT_EQ(segments_at(0, html) + segments_at(1, html), kGraphSegmentsMax);
  EXPECT_THAT(html, HasSubstr("the first 2,000 segments"));
}

}  // namespace
}  // namespace parallax
