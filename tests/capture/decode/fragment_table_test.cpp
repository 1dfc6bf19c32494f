#include "capture/decode/fragment_table.h"

#include <gtest/gtest.h>

#include "capture/decode/decode.h"
#include "tests/support/wire.h"

namespace parallax {

using namespace test;

namespace {

constexpr int64_t kSecond = 1'000'000'000;

Sighting first_fragment(uint16_t id, int64_t time_ns, uint8_t protocol = 17) {
  Sighting s = decoded(ethernet(0x0800) + ipv4({.protocol = protocol, .payload = 24, .id = id, .fragment = 0x2000}) + udp(8192) +
                       zeros(16))
                   .sighting;
  s.time_ns = time_ns;
  return s;
}

Sighting later_fragment(uint16_t id, int64_t time_ns, uint8_t protocol = 17) {
  Sighting s =
      decoded(ethernet(0x0800) + ipv4({.protocol = protocol, .payload = 24, .id = id, .fragment = 3}) + zeros(24)).sighting;
  s.time_ns = time_ns;
  return s;
}

}  // namespace

TEST(FragmentTable, LaterFragmentGetsPortsAndHashOfTheFirst) {
  FragmentTable table;
  Sighting first = first_fragment(7, 0), later = later_fragment(7, kSecond);
  EXPECT_NE(later.flow_hash, first.flow_hash);
  EXPECT_TRUE(table.attribute(first));
  EXPECT_TRUE(table.attribute(later));
  EXPECT_EQ(later.source_port, 5353);
  EXPECT_EQ(later.destination_port, 53);
  EXPECT_EQ(later.flow_hash, first.flow_hash);
  EXPECT_EQ(later.flow_hash, flow_hash(later));
  EXPECT_TRUE(later.has(SightingFlag::later_fragment));
}

TEST(FragmentTable, LaterFragmentsOfASegmentAreNumbered) {
  const Wire segment = tcp(tcp_flag::ack);  // 20 bytes
  Sighting first =
      decoded(ethernet(0x0800) + ipv4({.protocol = 6, .payload = 48, .id = 7, .fragment = 0x2000}) + segment + zeros(28))
          .sighting;
  Sighting third = decoded(ethernet(0x0800) + ipv4({.protocol = 6, .payload = 24, .id = 7, .fragment = 12}) + zeros(24)).sighting;
  FragmentTable table;
  EXPECT_TRUE(table.attribute(first));
  EXPECT_TRUE(table.attribute(third));
  EXPECT_EQ(first.payload_length, 28u);
  EXPECT_EQ(third.seq, first.seq + 12 * 8 - 20);
  EXPECT_EQ(third.payload_length, 24u);
}

TEST(FragmentTable, WithoutItsFirstALaterFragmentIsUnattributed) {
  FragmentTable table;
  Sighting first = first_fragment(7, 0), other_id = later_fragment(8, 0), other_protocol = later_fragment(7, 0, 6);
  Sighting other_address = later_fragment(7, 0);
  other_address.source[15] ^= 1;
  EXPECT_TRUE(table.attribute(first));
  EXPECT_FALSE(table.attribute(other_id));
  EXPECT_FALSE(table.attribute(other_protocol));
  EXPECT_FALSE(table.attribute(other_address));
  EXPECT_EQ(other_id.source_port, 0);
}

TEST(FragmentTable, EntryHoldsForThirtySecondsOfPacketTime) {
  FragmentTable table;
  Sighting first = first_fragment(7, 100 * kSecond);
  table.attribute(first);
  for (const int64_t seconds : {70, 100, 130}) {
    Sighting later = later_fragment(7, seconds * kSecond);
    EXPECT_TRUE(table.attribute(later)) << seconds;
  }
  for (const int64_t seconds : std::initializer_list<int64_t>{69, 131, -100'000, 9'000'000'000}) {
    Sighting later = later_fragment(7, seconds * kSecond);
    EXPECT_FALSE(table.attribute(later)) << seconds;
  }
}

TEST(FragmentTable, WhatIsNoFragmentPassesUnchanged) {
  FragmentTable table;
  Sighting whole = decoded(ipv4_frame(17, udp(0))).sighting;
  EXPECT_TRUE(table.attribute(whole));
  EXPECT_EQ(whole.source_port, 5353);
}

TEST(FragmentTable, ReusedIdMeansTheNewerPacket) {
  FragmentTable table(8);
  Sighting old = first_fragment(7, 0), renewed = first_fragment(7, kSecond), later = later_fragment(7, kSecond);
  renewed.source_port = 999;
  table.attribute(old);
  table.attribute(renewed);
  EXPECT_TRUE(table.attribute(later));
  EXPECT_EQ(later.source_port, 999);
  EXPECT_EQ(table.replaced().get(), 0u);
}

TEST(FragmentTable, DatagramIsCompleteOnceAndBearsItsSum) {
  FragmentTable table;
  Sighting first = first_fragment(7, 0), later = later_fragment(7, kSecond), again = later;
  EXPECT_TRUE(table.attribute(first));
  EXPECT_TRUE(table.attribute(later));
  EXPECT_TRUE(table.attribute(again));
  EXPECT_FALSE(first.has(SightingFlag::completes_datagram));
  EXPECT_TRUE(later.has(SightingFlag::completes_datagram));
  EXPECT_FALSE(again.has(SightingFlag::completes_datagram));
  EXPECT_EQ(first.ack, 8192u);
  EXPECT_EQ(later.ack, first.ack);
  EXPECT_EQ(later.seq, first.seq);
}

TEST(FragmentTable, FirstFragmentCompletesWhatHasOvertakenIt) {
  FragmentTable table;
  Sighting later = later_fragment(7, 0), first = first_fragment(7, 1000), again = later_fragment(7, 2000);
  EXPECT_FALSE(table.attribute(later));
  EXPECT_TRUE(table.attribute(first));
  EXPECT_TRUE(first.has(SightingFlag::completes_datagram));
  EXPECT_TRUE(table.attribute(again));
  EXPECT_FALSE(again.has(SightingFlag::completes_datagram));
}

TEST(FragmentTable, OfAnEarlierDatagramWithThatIdNothingCounts) {
  FragmentTable table;
  Sighting later = later_fragment(7, 0), first = first_fragment(7, FragmentTable::kOvertakenNs + 1);
  EXPECT_FALSE(table.attribute(later));
  EXPECT_TRUE(table.attribute(first));
  EXPECT_FALSE(first.has(SightingFlag::completes_datagram));
  // And one of which the rest was lost.
  Sighting renewed = first_fragment(7, 3 * kSecond), rest = later_fragment(7, 3 * kSecond);
  EXPECT_TRUE(table.attribute(renewed));
  EXPECT_TRUE(table.attribute(rest));
  EXPECT_TRUE(rest.has(SightingFlag::completes_datagram));
}

TEST(FragmentTable, CompleteOnesAreReplacedFirst) {
  FragmentTable table(8);  // one set
  for (uint16_t id = 0; id < 8; ++id) {
    Sighting first = first_fragment(id, id * 1000);
    table.attribute(first);
  }
  Sighting rest = later_fragment(5, 20'000), more = first_fragment(8, 20'000), oldest = later_fragment(0, 30'000);
  table.attribute(rest);
  table.attribute(more);
  EXPECT_EQ(table.replaced().get(), 0u);
  EXPECT_TRUE(table.attribute(oldest));
}

TEST(FragmentTable, OldestIsReplacedWhereFull) {
  FragmentTable table(8);  // one set
  for (uint16_t id = 0; id < 12; ++id) {
    Sighting first = first_fragment(id, id * 1000);
    table.attribute(first);
  }
  EXPECT_EQ(table.replaced().get(), 4u);
  for (uint16_t id = 0; id < 12; ++id) {
    Sighting later = later_fragment(id, 20'000);
    EXPECT_EQ(table.attribute(later), id >= 4) << id;
  }
}

TEST(FragmentTable, InIpv6TheProtocolIsThatOfTheFirst) {
  FragmentTable table;
  Sighting first = decoded(ipv6_frame(44, fragment_header(60, 0, true, 9) + extension(17) + udp(8192) + zeros(8))).sighting;
  Sighting later = decoded(ipv6_frame(44, fragment_header(60, 3, false, 9) + zeros(8))).sighting;
  table.attribute(first);
  EXPECT_EQ(later.protocol, 60);
  EXPECT_TRUE(table.attribute(later));
  EXPECT_EQ(later.protocol, 17);
  EXPECT_EQ(later.destination_port, 53);
  EXPECT_EQ(later.flow_hash, flow_hash(later));
  EXPECT_TRUE(later.has(SightingFlag::completes_datagram));
}

TEST(FragmentTable, FragmentedIcmpErrorIsNotRememberedUnderWhatItQuotes) {
  FragmentTable table;
  const Wire quote = icmp(3, 1, 0) + ipv4({.payload = 1000}) + tcp(tcp_flag::ack);
  Sighting error = decoded(ethernet(0x0800) + ipv4({.protocol = 1, .payload = 48, .id = 7, .fragment = 0x2000}) + quote).sighting;
  ASSERT_TRUE(error.has(SightingFlag::icmp_quote));
  EXPECT_TRUE(table.attribute(error));
  Sighting later = later_fragment(7, 0, 6);
  EXPECT_FALSE(table.attribute(later));
}

TEST(FragmentTable, LaterFragmentsOfACarrierBelongToThePacketInside) {
  Wire packet = ipv4({.payload = 2000, .ttl = 33}) + tcp(tcp_flag::ack) + zeros(20);
  packet[12] = packet[16] = 10;  // the addresses inside
  const Wire whole = be16(2152) + be16(2152) + be16(8 + 8 + 2020) + be16(0) + Wire{0x30, 255} + be16(2020) + be32(9) + packet;
  const Wire frame = ethernet(0x0800) +
                     ipv4({.protocol = 17, .payload = static_cast<uint32_t>(whole.size()), .id = 7, .fragment = 0x2000}) + whole;
  Sighting inner = decoded(frame).sighting;
  ASSERT_TRUE(inner.has(SightingFlag::outer_fragment));
  const auto size = static_cast<uint32_t>(frame.size());
  FragmentTable table;
  EXPECT_TRUE(table.attribute({frame.data(), size, size, LinkType::ethernet}, inner));
  Sighting later = later_fragment(7, kSecond);
  EXPECT_TRUE(table.attribute(later));
  EXPECT_EQ(later.source, inner.source);
  EXPECT_EQ(later.destination, inner.destination);
  EXPECT_EQ(later.source_port, 40000);
  EXPECT_EQ(later.destination_port, 443);
  EXPECT_EQ(later.protocol, 6);
  EXPECT_EQ(later.flow_hash, inner.flow_hash);
  EXPECT_EQ(later.payload_length, 0u);  // the inner packet's length has it already
  EXPECT_EQ(later.flags, bit(SightingFlag::fragment) | bit(SightingFlag::later_fragment) | bit(SightingFlag::tunnelled));
  // The ID comes round, with a packet that is no tunnel's.
  Sighting first = first_fragment(7, 2 * kSecond), plain = later_fragment(7, 3 * kSecond);
  EXPECT_TRUE(table.attribute(first));
  EXPECT_TRUE(table.attribute(plain));
  EXPECT_EQ(plain.source_port, 5353);
  EXPECT_EQ(plain.source, first.source);
  EXPECT_EQ(plain.payload_length, 24u);
}

}  // namespace parallax
