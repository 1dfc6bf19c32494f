#include "analysis/model/icmp_error.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"
#include "tests/support/wire.h"

namespace parallax {

using namespace test;

namespace {

IcmpError error_of(std::string_view from, const Icmp& icmp, const Frame& quoted) {
  const Address source = address(from);
  const Address to = address(is_ipv4(source) ? "192.0.2.10" : "2001:db8::10");
  const Frame frame = icmp_error_frame({.source = source, .destination = to}, icmp, quoted);
  return icmp_error_of(decoded(frame).sighting);
}
const Frame kAsked = udp_frame({.source = address("192.0.2.10"), .destination = address("198.51.100.1")}, {5000, 53});
const Frame kAsked6 = udp_frame({.source = address("2001:db8::10"), .destination = address("2001:db8::1")}, {5000, 53});

TEST(IcmpError, EachVersionHasItsOwnNumbers) {
  EXPECT_EQ(error_of("198.51.100.1", {3, 3}, kAsked).meaning, IcmpMeaning::port_unreachable);
  EXPECT_EQ(error_of("2001:db8::1", {1, 4}, kAsked6).meaning, IcmpMeaning::port_unreachable);
  EXPECT_EQ(error_of("198.51.100.1", {11, 0}, kAsked).meaning, IcmpMeaning::ttl_exceeded);
  EXPECT_EQ(error_of("2001:db8::1", {3, 0}, kAsked6).meaning, IcmpMeaning::ttl_exceeded);
}

TEST(IcmpError, TooBigNamesTheMtuAndRefusesNothing) {
  const IcmpError error = error_of("203.0.113.1", {3, 4, 1400}, kAsked);
  EXPECT_EQ(error.meaning, IcmpMeaning::too_big);
  EXPECT_EQ(error.mtu, 1400);
  EXPECT_FALSE(error.refuses());
  EXPECT_EQ(text_of(error), "ICMP fragmentation needed (at most 1400 bytes) from 203.0.113.1");
  EXPECT_EQ(text_of(error_of("2001:db8::1", {2, 0, 1280}, kAsked6)),
            "ICMPv6 packet too big (at most 1280 bytes) from 2001:db8::1");
}

TEST(IcmpError, ProhibitedRefuses) {
  EXPECT_TRUE(error_of("203.0.113.1", {3, 13}, kAsked).refuses());
  EXPECT_TRUE(error_of("203.0.113.1", {3, 1}, kAsked).refuses());
}

TEST(IcmpError, UnknownOnesAreTextToo) {
  const IcmpError error = error_of("203.0.113.1", {12, 7}, kAsked);
  EXPECT_EQ(error.meaning, IcmpMeaning::other);
  EXPECT_FALSE(error.refuses());
  EXPECT_EQ(text_of(error), "ICMP type 12 code 7 from 203.0.113.1");
}

}  // namespace
}  // namespace parallax
