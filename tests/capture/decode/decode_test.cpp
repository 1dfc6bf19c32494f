// What each shape of frame decodes to, and what each malformed one is called.
#include "capture/decode/decode.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/support/wire.h"

namespace parallax {

using namespace test;

namespace {

const Wire kPayload = {'h', 'e', 'l', 'l', 'o'};
const Address kFirst4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
const Address kSecond4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 2};
const Address kFirst6 = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
const Address kSecond6 = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};
constexpr uint8_t kAck = tcp_flag::ack;

std::string name(DecodeError error) { return std::string(decode_error_name(error)); }

void expect_tcp(const Decoded& d, uint32_t payload_length = 5) {
  ASSERT_EQ(name(d.error), "none");
  EXPECT_EQ(d.sighting.protocol, ip_protocol::tcp);
  EXPECT_EQ(d.sighting.source_port, 40000);
  EXPECT_EQ(d.sighting.destination_port, 443);
  EXPECT_EQ(d.sighting.seq, 0x01020304u);
  EXPECT_EQ(d.sighting.ack, 0x05060708u);
  EXPECT_EQ(d.sighting.window, 0x7210);
  EXPECT_EQ(d.sighting.payload_length, payload_length);
  EXPECT_TRUE(d.sighting.is_tcp());
}

}  // namespace

TEST(Decode, TcpOverIpv4) {
  const Decoded d = decoded(ipv4_frame(6, tcp(kAck | tcp_flag::psh) + kPayload));
  expect_tcp(d);
  EXPECT_EQ(d.sighting.source, kFirst4);
  EXPECT_EQ(d.sighting.destination, kSecond4);
  EXPECT_EQ(d.sighting.ttl, 61);
  EXPECT_EQ(d.sighting.ip_id, 0x1234);
  EXPECT_EQ(d.sighting.tcp_flags, kAck | tcp_flag::psh);
  EXPECT_EQ(d.sighting.flags, bit(SightingFlag::dont_fragment));
  EXPECT_EQ(d.sighting.options, 0);
  EXPECT_EQ(d.sighting.key, 0u);
}

TEST(Decode, TcpOverIpv6) {
  const Decoded d = decoded(ipv6_frame(6, tcp(kAck) + kPayload));
  expect_tcp(d);
  EXPECT_EQ(d.sighting.source, kFirst6);
  EXPECT_EQ(d.sighting.destination, kSecond6);
  EXPECT_EQ(d.sighting.ttl, 57);
  EXPECT_EQ(d.sighting.flags, bit(SightingFlag::ipv6));
}

TEST(Decode, WhatTheCaptureKnowsIsLeftAlone) {
  Sighting s{};
  s.time_ns = 1, s.order_ns = 2, s.frame = 3, s.stamp_uncertainty_ns = 4, s.port = 5, s.point = 6;
  s.seq = s.tsval = s.window = s.ip_id = s.key = s.mss = s.options = 9;
  s.sack.fill(9);
  const Wire frame = ipv4_frame(17, udp(0));
  ASSERT_EQ(
      decode({frame.data(), static_cast<uint32_t>(frame.size()), static_cast<uint32_t>(frame.size()), LinkType::ethernet}, s),
      DecodeError::none);
  EXPECT_EQ(s.time_ns, 1);
  EXPECT_EQ(s.order_ns, 2);
  EXPECT_EQ(s.frame, 3u);
  EXPECT_EQ(s.stamp_uncertainty_ns, 4u);
  EXPECT_EQ(s.port, 5);
  EXPECT_EQ(s.point, 6);
  EXPECT_EQ(s.seq + s.tsval + s.window + s.key + s.mss + s.options + s.sack[0] + s.sack[5], 0u);
}

TEST(Decode, DatagramsWithoutChecksumAreKnownByTheirFirstBytes) {
  const auto sum = [](uint32_t length, uint8_t first, uint8_t behind, uint32_t captured = 0) {
    Wire payload = zeros(length);
    payload[0] = first;
    if (length > 64) payload[64] = behind;
    Wire frame = ipv4_frame(17, udp(length) + payload);
    const auto whole = static_cast<uint32_t>(frame.size());
    if (captured > 0) frame.resize(frame.size() - length + captured);
    return decoded(frame, LinkType::ethernet, whole).sighting.seq;
  };
  EXPECT_EQ(sum(100, 1, 2) >> 31, 1u);  // no sum has that bit
  EXPECT_NE(sum(100, 1, 2), sum(100, 3, 2));
  EXPECT_NE(sum(100, 1, 2), sum(101, 1, 2));
  EXPECT_EQ(sum(100, 1, 2), sum(100, 1, 3));
  EXPECT_EQ(sum(100, 1, 2), sum(100, 1, 0, 64));
  EXPECT_EQ(sum(100, 1, 2, 63), 0u) << "another point may have captured more";
  EXPECT_NE(sum(5, 1, 0), 0u);
  EXPECT_NE(sum(5, 1, 0), sum(5, 2, 0));
}

TEST(Decode, ThePayloadBeginsBehindTheTransportHeader) {
  EXPECT_EQ(decoded(ipv4_frame(6, tcp(kAck) + kPayload)).payload, kPayload);
  EXPECT_EQ(decoded(ipv6_frame(17, udp(5) + kPayload)).payload, kPayload);
  EXPECT_TRUE(decoded(ipv4_frame(6, tcp(kAck))).payload.empty());
  EXPECT_EQ(decoded(ipv4_frame(17, udp(5) + kPayload) + zeros(9)).payload, kPayload) << "padding is none of it";
  Wire cut = ipv4_frame(6, tcp(kAck) + kPayload);
  const auto wire_length = static_cast<uint32_t>(cut.size());
  cut.resize(cut.size() - 2);
  EXPECT_EQ(decoded(cut, LinkType::ethernet, wire_length).payload, Wire(kPayload.begin(), kPayload.end() - 2));
  cut.resize(cut.size() - 3);
  EXPECT_TRUE(decoded(cut, LinkType::ethernet, wire_length).payload.empty());
  EXPECT_TRUE(decoded(ipv4_frame(1, Wire{8, 0, 0, 0, 0, 1, 0, 1} + kPayload)).payload.empty()) << "ICMP has none of interest";
}

TEST(Decode, EthernetPaddingIsNoPayload) {
  expect_tcp(decoded(ipv4_frame(6, tcp(kAck)) + zeros(6)), 0);
  expect_tcp(decoded(ipv6_frame(6, tcp(kAck)) + zeros(4)), 0);
}

TEST(Decode, PayloadLengthIsThatOfTheWireWhereTheCaptureWasCut) {
  Wire frame = ipv4_frame(6, tcp(kAck) + zeros(1000));
  const auto wire = static_cast<uint32_t>(frame.size());
  frame.resize(60);
  const Decoded d = decoded(frame, LinkType::ethernet, wire);
  expect_tcp(d, 1000);
  EXPECT_TRUE(d.sighting.has(SightingFlag::cut_short));
}

TEST(Decode, Ipv4OptionsAreSkipped) {
  const Wire rest = tcp(kAck) + kPayload;
  expect_tcp(decoded(ethernet(0x0800) + ipv4({.payload = 25, .options = {7, 7, 4, 0, 0, 0, 0, 0}}) + rest));
  expect_tcp(decoded(ethernet(0x0800) + ipv4({.payload = 25, .options = zeros(40)}) + rest));
}

TEST(Decode, TotalLengthZeroIsTakenFromTheFrame) {
  const Decoded d = decoded(ethernet(0x0800) + ipv4({.total_length = 0}) + tcp(kAck) + zeros(4000));
  expect_tcp(d, 4000);
  EXPECT_TRUE(d.sighting.has(SightingFlag::length_from_frame));
  const Decoded six = decoded(ethernet(0x86dd) + ipv6(6, 0) + tcp(kAck) + zeros(4000));
  expect_tcp(six, 4000);
  EXPECT_TRUE(six.sighting.has(SightingFlag::length_from_frame));
  // BIG TCP: the jumbo option stands before the segment.
  expect_tcp(decoded(ethernet(0x86dd) + ipv6(0, 0) + extension(6) + tcp(kAck) + zeros(70000)), 70000);
}

TEST(Decode, StackedVlans) {
  const Wire inner = ipv4({.payload = 25}) + tcp(kAck) + kPayload;
  expect_tcp(decoded(ethernet(0x8100) + vlan_tag(0x2064, 0x0800) + inner));
  expect_tcp(decoded(ethernet(0x88a8) + vlan_tag(7, 0x8100) + vlan_tag(8, 0x0800) + inner));
  expect_tcp(
      decoded(ethernet(0x9100) + vlan_tag(7, 0x9100) + vlan_tag(8, 0x8100) + vlan_tag(9, 0x8100) + vlan_tag(1, 0x0800) + inner));
}

TEST(Decode, OuterVlanIsTheKeyWhereConfigured) {
  const Wire frame = ethernet(0x88a8) + vlan_tag(0x6007, 0x8100) + vlan_tag(8, 0x0800) + ipv4({.payload = 20}) + tcp(kAck);
  const Decoded without = decoded(frame), with = decoded(frame, LinkType::ethernet, 0, KeyFrom::vlan);
  EXPECT_EQ(without.sighting.key, 0u);
  EXPECT_EQ(with.sighting.key, 7u);
  EXPECT_NE(without.sighting.flow_hash, with.sighting.flow_hash);
}

TEST(Decode, Ieee8023WithSnap) {
  const Wire inner = ipv4({.payload = 25}) + tcp(kAck) + kPayload;
  const Wire snap = {0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00};
  expect_tcp(decoded(ethernet(static_cast<uint16_t>(8 + inner.size())) + snap + inner + zeros(9)));
}

TEST(Decode, LinuxCooked) {
  const Wire inner = ipv4({.payload = 25}) + tcp(kAck) + kPayload;
  expect_tcp(decoded(be16(4) + be16(1) + be16(6) + zeros(8) + be16(0x0800) + inner, LinkType::linux_sll));
  expect_tcp(decoded(be16(0) + be16(1) + be16(6) + zeros(8) + be16(0x8100) + vlan_tag(5, 0x0800) + inner, LinkType::linux_sll));
  const Wire snap = {0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00};
  expect_tcp(decoded(be16(0) + be16(1) + be16(6) + zeros(8) + be16(4) + snap + inner, LinkType::linux_sll));
  expect_tcp(decoded(be16(0x0800) + zeros(2) + be32(3) + be16(1) + Wire{0, 6} + zeros(8) + inner, LinkType::linux_sll2));
}

TEST(Decode, RawIpAndLoopback) {
  const Wire four = ipv4({.payload = 25}) + tcp(kAck) + kPayload, six = ipv6(6, 25) + tcp(kAck) + kPayload;
  expect_tcp(decoded(four, LinkType::raw_ip));
  expect_tcp(decoded(six, LinkType::raw_ip));
  expect_tcp(decoded(four, LinkType::ipv4));
  expect_tcp(decoded(six, LinkType::ipv6));
  expect_tcp(decoded(Wire{2, 0, 0, 0} + four, LinkType::null_loopback));
  expect_tcp(decoded(Wire{0, 0, 0, 2} + four, LinkType::null_loopback));
  for (const uint8_t family : {10, 24, 28, 30}) expect_tcp(decoded(Wire{family, 0, 0, 0} + six, LinkType::null_loopback));
  expect_tcp(decoded(be32(2) + four, LinkType::loop));
}

TEST(Decode, EveryLinkTypeThatIsListedIsRead) {
  const Wire four = ipv4({.payload = 25}) + tcp(kAck) + kPayload, six = ipv6(6, 25) + tcp(kAck) + kPayload;
  const Wire snap = {0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00};
  // HDLC framing or none, the protocol in one byte or two.
  for (const LinkType type : {LinkType::ppp, LinkType::ppp_hdlc}) {
    expect_tcp(decoded(Wire{0xff, 3, 0, 0x21} + four, type));
    expect_tcp(decoded(Wire{0, 0x57} + six, type));
    expect_tcp(decoded(Wire{0x21} + four, type));
    expect_tcp(decoded(Wire{0x0f, 0, 0x08, 0x00} + four, type));
  }
  expect_tcp(decoded(Wire{0x8f, 0, 0x86, 0xdd} + six, LinkType::cisco_hdlc));
  expect_tcp(decoded(Wire{0, 3, 0, 0x21} + four, LinkType::ppp_pppd));
  expect_tcp(decoded(Wire{1, 0xff, 3, 0, 0x21} + four, LinkType::ppp_with_direction));
  expect_tcp(
      decoded(Wire{0x11, 0, 0, 1} + be16(static_cast<uint16_t>(four.size() + 2)) + Wire{0, 0x21} + four, LinkType::ppp_ethernet));

  expect_tcp(decoded(Wire{0x50} + zeros(12) + snap + four, LinkType::fddi));
  EXPECT_EQ(name(decoded(Wire{0x41} + zeros(12) + snap + four, LinkType::fddi).error), "no_ip");  // station management
  expect_tcp(decoded(Wire{0x10, 0x40} + zeros(12) + snap + four, LinkType::token_ring));
  expect_tcp(decoded(Wire{0x10, 0x40} + zeros(6) + Wire{0x80} + zeros(5) + Wire{0x06, 0x30, 0, 1, 0, 2} + snap + four,
                     LinkType::token_ring));

  expect_tcp(decoded(Wire{0x08, 0x01} + zeros(22) + snap + four, LinkType::wlan));
  expect_tcp(decoded(Wire{0x88, 0x03} + zeros(28) + Wire{0, 0} + snap + four, LinkType::wlan));  // QoS, four addresses
  expect_tcp(
      decoded(Wire{0, 0, 12, 0} + zeros(8) + Wire{0x88, 0x02} + zeros(22) + Wire{0, 0} + snap + four, LinkType::wlan_radiotap));
  EXPECT_EQ(name(decoded(Wire{0x80, 0} + zeros(40), LinkType::wlan).error), "no_ip");               // a beacon
  EXPECT_EQ(name(decoded(Wire{0x08, 0x41} + zeros(40), LinkType::wlan).error), "network_unknown");  // encrypted

  expect_tcp(decoded(Wire{61, 2} + zeros(62) + four, LinkType::pflog));
  expect_tcp(decoded(Wire{100, 24} + zeros(98) + six, LinkType::pflog));  // OpenBSD's longer header
  const auto length = static_cast<uint8_t>(four.size() + 4);
  expect_tcp(
      decoded(Wire{2, 0, 0, 5} + Wire{8, 0, 1, 0, 8, 0, 1, 0} + Wire{5, 0, 10, 0, 0, 0, 0, 0} + Wire{length, 0, 9, 0} + four,
              LinkType::nflog));
  expect_tcp(decoded(Wire{2, 0, 0, 5} + Wire{0, 8, 0, 1, 8, 0, 1, 0} + Wire{0, length, 0, 9} + four, LinkType::nflog));
  EXPECT_EQ(name(decoded(Wire{2, 0, 0, 5} + Wire{8, 0, 1, 0, 8, 0, 1, 0}, LinkType::nflog).error), "no_ip");
}

TEST(Decode, FrameThatAMirrorCutHasTheLengthsOfItsHeaders) {
  for (const Wire& frame : {ethernet(0x0800) + ipv4({.total_length = 1452}) + tcp(kAck) + kPayload,
                            ethernet(0x8100) + vlan_tag(5, 0x86dd) + ipv6(6, 1432) + tcp(kAck) + kPayload,
                            ethernet(0x8847) + Wire{0, 0, 0x11, 64} + ipv4({.total_length = 1452}) + tcp(kAck) + kPayload,
                            ethernet(0x8864) + Wire{0x11, 0, 0, 1} + be16(1454) + Wire{0, 0x21} + ipv4({.total_length = 1452}) +
                                tcp(kAck) + kPayload}) {
    const Decoded d = decoded(frame);
    expect_tcp(d, 1412);
    EXPECT_TRUE(d.sighting.has(SightingFlag::cut_short));
    EXPECT_FALSE(d.sighting.has(SightingFlag::length_from_frame));
    EXPECT_EQ(d.payload, kPayload);
  }
  // Nor is a length of 0 a cut: it is what a card that segments is handed.
  const Decoded offloaded = decoded(ethernet(0x0800) + ipv4({.total_length = 0}) + tcp(kAck) + kPayload);
  expect_tcp(offloaded);
  EXPECT_TRUE(offloaded.sighting.has(SightingFlag::length_from_frame));
}

TEST(Decode, OptionsThatTheCaptureCutOffAreMarked) {
  const Wire options = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7};
  const Wire frame = ipv4_frame(6, tcp(tcp_flag::syn, options));
  EXPECT_EQ(decoded(frame).sighting.options & tcp_option::cut, 0);
  for (uint32_t captured = 54; captured < frame.size(); ++captured) {
    const Decoded d =
        decoded(Wire(frame.begin(), frame.begin() + captured), LinkType::ethernet, static_cast<uint32_t>(frame.size()));
    EXPECT_TRUE(d.sighting.options & tcp_option::cut) << captured;
  }
}

TEST(Decode, Ipv6ExtensionHeadersAreWalked) {
  const Wire segment = tcp(kAck) + kPayload;
  expect_tcp(decoded(ipv6_frame(0, extension(43) + extension(60, 2) + extension(6) + segment)));
  const Wire authentication = Wire{6, 4} + zeros(22);  // (4 + 2) * 4 bytes
  expect_tcp(decoded(ipv6_frame(51, authentication + segment)));
  const Decoded atomic = decoded(ipv6_frame(44, fragment_header(6, 0, false, 0xabcd1234) + segment));
  expect_tcp(atomic);
  EXPECT_EQ(atomic.sighting.ip_id, 0x1234);
  EXPECT_FALSE(atomic.sighting.has(SightingFlag::fragment));
}

TEST(Decode, FirstFragmentHasPortsAndLaterOnesHaveNone) {
  const Decoded first = decoded(ethernet(0x0800) + ipv4({.payload = 28, .fragment = 0x2000}) + tcp(kAck) + zeros(8));
  expect_tcp(first, 8);
  EXPECT_EQ(first.sighting.flags, bit(SightingFlag::fragment));
  const Decoded later = decoded(ethernet(0x0800) + ipv4({.payload = 24, .fragment = 0x0003}) + zeros(24));
  ASSERT_EQ(later.error, DecodeError::none);
  EXPECT_EQ(later.sighting.flags, bit(SightingFlag::fragment) | bit(SightingFlag::later_fragment));
  EXPECT_EQ(later.sighting.source_port, 0);
  EXPECT_EQ(later.sighting.payload_length, 24u);
  EXPECT_EQ(later.sighting.protocol, ip_protocol::tcp);
  EXPECT_FALSE(later.sighting.is_tcp());
  const Decoded six = decoded(ipv6_frame(44, fragment_header(17, 5, true, 77) + zeros(16)));
  ASSERT_EQ(six.error, DecodeError::none);
  EXPECT_TRUE(six.sighting.has(SightingFlag::later_fragment));
  EXPECT_EQ(six.sighting.ip_id, 77);
  // The UDP length is that of the whole datagram.
  const Decoded datagram =
      decoded(ethernet(0x0800) + ipv4({.protocol = 17, .payload = 24, .fragment = 0x2000}) + udp(8192) + zeros(16));
  ASSERT_EQ(datagram.error, DecodeError::none);
  EXPECT_EQ(datagram.sighting.payload_length, 16u);
}

TEST(Decode, FirstFragmentTooSmallForItsHeaderIsRefused) {
  EXPECT_EQ(decoded(ethernet(0x0800) + ipv4({.payload = 8, .fragment = 0x2000}) + zeros(8)).error, DecodeError::transport_cut);
  EXPECT_EQ(decoded(ethernet(0x0800) + ipv4({.payload = 24, .fragment = 0x2000}) + tcp(2, zeros(4), 10)).error,
            DecodeError::transport_cut);
}

TEST(Decode, TimestampsAloneTakeTheFastPathAndMeanTheSame) {
  const Wire fast = Wire{1, 1, 8, 10} + be32(111) + be32(222), slow = Wire{8, 10} + be32(111) + be32(222) + Wire{1, 1};
  for (const Wire& options : {fast, slow}) {
    const Decoded d = decoded(ipv4_frame(6, tcp(kAck, options) + kPayload));
    expect_tcp(d);
    EXPECT_EQ(d.sighting.tsval, 111u);
    EXPECT_EQ(d.sighting.tsecr, 222u);
    EXPECT_EQ(d.sighting.options, tcp_option::timestamps);
    EXPECT_TRUE(d.sighting.has(SightingFlag::has_timestamps));
  }
}

TEST(Decode, OptionsOfASyn) {
  const Wire options = Wire{2, 4, 0x05, 0xb4, 4, 2, 8, 10} + be32(7) + be32(0) + Wire{1, 3, 3, 9};
  const Decoded d = decoded(ipv4_frame(6, tcp(tcp_flag::syn, options)));
  expect_tcp(d, 0);
  EXPECT_EQ(d.sighting.mss, 1460);
  EXPECT_EQ(d.sighting.window_scale, 9);
  EXPECT_EQ(d.sighting.options, tcp_option::mss | tcp_option::sack_permitted | tcp_option::timestamps | tcp_option::window_scale);
  EXPECT_EQ(decoded(ipv4_frame(6, tcp(2, {34, 2, 0, 0}))).sighting.options, tcp_option::fast_open);
  EXPECT_EQ(decoded(ipv4_frame(6, tcp(2, {254, 4, 0xf9, 0x89}))).sighting.options, tcp_option::fast_open);
  EXPECT_EQ(decoded(ipv4_frame(6, tcp(2, {30, 4, 0, 0}))).sighting.options, tcp_option::other);
}

TEST(Decode, ThreeSackBlocksAreKept) {
  Wire blocks;
  for (uint32_t i = 1; i <= 8; ++i) blocks = blocks + be32(i * 100);
  const Decoded d = decoded(ipv4_frame(6, tcp(kAck, Wire{1, 1, 5, 34} + blocks)));
  expect_tcp(d, 0);
  EXPECT_EQ(d.sighting.sack, (std::array<uint32_t, 6>{100, 200, 300, 400, 500, 600}));
  EXPECT_EQ(d.sighting.options, tcp_option::sack);
}

TEST(Decode, BrokenOptionsAreToleratedAndTold) {
  const Wire good = {2, 4, 0x05, 0xb4};
  const Wire broken[] = {{3, 0, 0, 0}, {3, 1, 0, 0}, {3, 4, 0, 0}, {3, 9, 0, 0}, {8, 4, 0, 0},
                         {5, 4, 0, 0}, {1, 1, 1, 3}, {2, 3, 0, 0}, {4, 4, 0, 0}};
  for (const Wire& options : broken) {
    const Decoded d = decoded(ipv4_frame(6, tcp(2, good + options) + kPayload));
    expect_tcp(d);
    EXPECT_TRUE(d.sighting.has(SightingFlag::options_malformed)) << int{options[0]} << ' ' << int{options[1]};
    EXPECT_EQ(d.sighting.options, tcp_option::mss);
  }
  EXPECT_FALSE(decoded(ipv4_frame(6, tcp(2, good + Wire{0, 9, 9, 9}))).sighting.has(SightingFlag::options_malformed));
}

TEST(Decode, OptionsCutByTheCaptureAreNotMalformed) {
  const Wire whole = ipv4_frame(6, tcp(2, Wire{2, 4, 0x05, 0xb4, 4, 2, 8, 10} + be32(7) + be32(0) + Wire{1, 3, 3, 9}));
  for (size_t cut = 54; cut < whole.size(); ++cut) {
    const Decoded d = decoded(Wire(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(cut)), LinkType::ethernet,
                              static_cast<uint32_t>(whole.size()));
    expect_tcp(d, 0);
    EXPECT_FALSE(d.sighting.has(SightingFlag::options_malformed)) << cut;
    EXPECT_EQ(d.sighting.has(SightingFlag::has_timestamps), cut >= 70) << cut;
  }
}

TEST(Decode, AccurateEcnBit) {
  Wire segment = tcp(2);
  segment[12] |= 1;
  const Decoded d = decoded(ipv4_frame(6, segment));
  expect_tcp(d, 0);
  EXPECT_TRUE(d.sighting.has(SightingFlag::accurate_ecn));
}

TEST(Decode, Udp) {
  const Decoded d = decoded(ipv4_frame(17, udp(5) + kPayload + zeros(3)));  // three bytes beyond the UDP length
  ASSERT_EQ(d.error, DecodeError::none);
  EXPECT_EQ(d.sighting.protocol, ip_protocol::udp);
  EXPECT_EQ(d.sighting.source_port, 5353);
  EXPECT_EQ(d.sighting.destination_port, 53);
  EXPECT_EQ(d.sighting.payload_length, 5u);
  EXPECT_EQ(
      decoded(ethernet(0x0800) + ipv4({.protocol = 17, .total_length = 0}) + udp(0, 0) + zeros(3000)).sighting.payload_length,
      3000u);
}

TEST(Decode, IcmpEchoAndItsReplyShareIdentifierAndHash) {
  const Decoded d = decoded(ipv4_frame(1, icmp(8, 0, 0x4321'0001) + zeros(56)));
  ASSERT_EQ(d.error, DecodeError::none);
  EXPECT_EQ(d.sighting.source_port, 0x0800);
  EXPECT_EQ(d.sighting.destination_port, 0x4321);
  EXPECT_EQ(d.sighting.payload_length, 56u);
  Sighting reply = d.sighting;
  std::swap(reply.source, reply.destination);
  reply.source_port = 0;
  EXPECT_EQ(flow_hash(reply), d.sighting.flow_hash);
  EXPECT_EQ(decoded(ipv6_frame(58, icmp(128, 0, 0x4321'0001))).sighting.destination_port, 0x4321);
  EXPECT_EQ(decoded(ipv6_frame(58, icmp(135, 0, 0x4321'0001))).sighting.destination_port, 0);
}

TEST(Decode, IcmpErrorCarriesWhatItQuotes) {
  const Wire quoted = ipv4({.payload = 1000}) + tcp(kAck);
  for (const uint8_t type : {3, 4, 5, 11, 12}) {
    const Decoded d = decoded(ipv4_frame(1, icmp(type, 4, 1400) + quoted));
    ASSERT_EQ(name(d.error), "none");
    EXPECT_EQ(d.sighting.flags, bit(SightingFlag::icmp_quote) | bit(SightingFlag::dont_fragment));
    EXPECT_EQ(d.sighting.protocol, ip_protocol::tcp);
    EXPECT_EQ(d.sighting.source, kFirst4);
    EXPECT_EQ(d.sighting.source_port, 40000);
    EXPECT_EQ(d.sighting.destination_port, 443);
    EXPECT_EQ(d.sighting.seq, 0x01020304u);
    EXPECT_EQ(d.sighting.window, type << 8 | 4);
    EXPECT_EQ(d.sighting.mss, type == 3 ? 1400 : 0);
    EXPECT_EQ(d.sighting.icmp_sender(), kFirst4);
    EXPECT_FALSE(d.sighting.is_tcp());
    EXPECT_EQ(d.sighting.flow_hash, decoded(ipv4_frame(6, tcp(kAck))).sighting.flow_hash);
  }
}

TEST(Decode, Icmpv6ErrorCarriesWhatItQuotes) {
  const Decoded d = decoded(ipv6_frame(58, icmp(2, 0, 1280) + ipv6(0, 1500) + extension(17) + udp(1000)));
  ASSERT_EQ(name(d.error), "none");
  EXPECT_TRUE(d.sighting.has(SightingFlag::icmp_quote));
  EXPECT_EQ(d.sighting.protocol, ip_protocol::udp);
  EXPECT_EQ(d.sighting.source_port, 5353);
  EXPECT_EQ(d.sighting.mss, 1280);
  EXPECT_EQ(d.sighting.icmp_sender(), kFirst6);
}

TEST(Decode, QuoteOfALaterFragmentHasNoPorts) {
  const Decoded d = decoded(ipv4_frame(1, icmp(11, 1, 0) + ipv4({.payload = 1000, .fragment = 0x00b9}) + zeros(8)));
  ASSERT_EQ(d.error, DecodeError::none);
  EXPECT_EQ(d.sighting.protocol, ip_protocol::tcp);
  EXPECT_EQ(d.sighting.source_port, 0);
}

TEST(Decode, Arp) {
  const Decoded d = decoded(ethernet(0x0806) + arp_request() + zeros(18));
  ASSERT_EQ(d.error, DecodeError::none);
  EXPECT_EQ(d.sighting.flags, bit(SightingFlag::arp));
  EXPECT_EQ(d.sighting.protocol, 0);
  EXPECT_EQ(d.sighting.source_port, 1);
  EXPECT_EQ(d.sighting.source, kFirst4);
  EXPECT_EQ(d.sighting.destination[15], 9);
}

TEST(Decode, ProtocolWithoutPortsIsASighting) {
  const Decoded d = decoded(ipv4_frame(47, zeros(30)));
  ASSERT_EQ(d.error, DecodeError::none);
  EXPECT_EQ(d.sighting.protocol, 47);
  EXPECT_EQ(d.sighting.payload_length, 30u);
}

TEST(DecodeErrors, EachHasItsReason) {
  const Wire segment = tcp(kAck);
  const Wire inner = ipv4({.payload = 20}) + segment;
  struct Case {
    DecodeError error;
    Wire frame;
    LinkType link_type = LinkType::ethernet;
  };
  const Case cases[] = {
      {DecodeError::link_type_unknown, inner, static_cast<LinkType>(147)},
      {DecodeError::frame_too_short, {}},
      {DecodeError::frame_too_short, Wire(13, 0)},
      {DecodeError::frame_too_short, ethernet(0x8100) + Wire{0, 1, 8}},
      {DecodeError::frame_too_short, Wire(15, 0), LinkType::linux_sll},
      {DecodeError::frame_too_short, Wire(19, 0), LinkType::linux_sll2},
      {DecodeError::frame_too_short, Wire(3, 0), LinkType::null_loopback},
      {DecodeError::frame_too_short, {}, LinkType::raw_ip},
      {DecodeError::vlan_too_deep, ethernet(0x8100) + vlan_tag(1, 0x8100) + vlan_tag(1, 0x8100) + vlan_tag(1, 0x8100) +
                                       vlan_tag(1, 0x8100) + vlan_tag(1, 0x0800) + inner},
      {DecodeError::no_ip, ethernet(0x88cc) + zeros(46)},
      {DecodeError::no_ip, ethernet(0x0026) + zeros(46)},
      {DecodeError::no_ip, ethernet(0x0000) + zeros(46)},
      {DecodeError::no_ip, ethernet(0x0004) + zeros(46)},
      {DecodeError::network_unknown, ethernet(0x88e5) + zeros(46)},
      {DecodeError::network_unknown, Wire(16, 0), LinkType::linux_sll},
      {DecodeError::network_unknown, be32(7) + inner, LinkType::loop},
      {DecodeError::network_unknown, Wire{0x55} + inner, LinkType::raw_ip},
      {DecodeError::ip_header_cut, ethernet(0x0800) + Wire(19, 0x45)},
      {DecodeError::ip_header_cut, ethernet(0x0800) + ipv4({.payload = 20, .version_and_length = 0x4f}) + segment},
      {DecodeError::ip_header_cut, ethernet(0x86dd) + Wire(39, 0x60)},
      {DecodeError::ip_version_wrong, ethernet(0x0800) + ipv6(6, 20) + segment},
      {DecodeError::ip_version_wrong, ethernet(0x86dd) + inner + zeros(8)},
      {DecodeError::ip_header_length_wrong, ethernet(0x0800) + ipv4({.payload = 20, .version_and_length = 0x44}) + segment},
      {DecodeError::ip_length_wrong, ethernet(0x0800) + ipv4({.total_length = 19}) + segment},
      {DecodeError::extension_header_cut, ipv6_frame(0, Wire{6, 0, 0, 0})},
      {DecodeError::extension_header_cut, ipv6_frame(0, Wire{6, 1} + zeros(6))},
      {DecodeError::extension_header_cut, ipv6_frame(44, zeros(7))},
      {DecodeError::extension_headers_too_many, ipv6_frame(0, zeros(8 * 20))},
      {DecodeError::transport_cut, ipv4_frame(6, Wire(19, 0))},
      {DecodeError::transport_cut, ipv4_frame(6, {}) + zeros(46)},
      {DecodeError::transport_cut, ipv4_frame(17, Wire(7, 0))},
      {DecodeError::transport_cut, ipv4_frame(1, Wire(7, 0))},
      {DecodeError::tcp_offset_wrong, ipv4_frame(6, tcp(kAck, {}, 4))},
      {DecodeError::tcp_offset_wrong, ipv4_frame(6, tcp(kAck, {}, 6))},
      {DecodeError::udp_length_wrong, ipv4_frame(17, udp(0, 7))},
      {DecodeError::udp_length_wrong, ipv4_frame(17, udp(0, 0))},
      {DecodeError::udp_length_wrong, ipv4_frame(17, udp(0, 9))},
      {DecodeError::icmp_quote_cut, ipv4_frame(1, icmp(3, 1, 0))},
      {DecodeError::icmp_quote_cut, ipv4_frame(1, icmp(3, 1, 0) + ipv4({.payload = 20}) + zeros(7))},
      {DecodeError::icmp_quote_cut, ipv6_frame(58, icmp(1, 4, 0) + ipv6(0, 48) + Wire{6, 2} + zeros(14))},
      {DecodeError::ip_version_wrong, ipv4_frame(1, icmp(3, 1, 0) + zeros(28))},
      {DecodeError::ip_header_length_wrong, ipv4_frame(1, icmp(3, 1, 0) + Wire{0x41} + zeros(27))},
      {DecodeError::arp_malformed, ethernet(0x0806) + Wire(27, 0)},
      {DecodeError::arp_malformed, ethernet(0x0806) + be16(6) + Wire(26, 0)},
  };
  // Those of tunnels: decode_tunnels_test.cpp.
  std::set<DecodeError> seen = {DecodeError::none, DecodeError::tunnel_too_deep, DecodeError::tunnel_header_cut,
                                DecodeError::tunnel_header_wrong};
  for (const Case& c : cases) {
    EXPECT_EQ(name(decoded(c.frame, c.link_type).error), name(c.error)) << "case " << &c - cases;
    seen.insert(c.error);
  }
  EXPECT_EQ(static_cast<int>(seen.size()), kDecodeErrorCount) << "a reason without a test";
}

TEST(DecodeErrors, EveryCutOfEveryShapeIsSafe) {
  const Wire shapes[] = {
      ethernet(0x88a8) + vlan_tag(7, 0x8100) + vlan_tag(8, 0x0800) + ipv4({.payload = 40, .options = zeros(8)}) +
          tcp(2, Wire{2, 4, 5, 0xb4, 4, 2, 8, 10} + zeros(8) + Wire{1, 3, 3, 9}),
      ipv6_frame(0, extension(44) + fragment_header(60, 0, true, 1) + extension(6) + tcp(kAck) + kPayload),
      ipv4_frame(1, icmp(3, 4, 1400) + ipv4({.payload = 20}) + tcp(kAck)),
      ipv6_frame(58, icmp(2, 0, 1280) + ipv6(0, 1500) + extension(17) + udp(1000)),
      ethernet(0x0806) + arp_request(),
  };
  for (const Wire& shape : shapes) {
    for (size_t cut = 0; cut <= shape.size(); ++cut) {
      const Wire part(shape.begin(), shape.begin() + static_cast<ptrdiff_t>(cut));
      const Decoded as_cut = decoded(part, LinkType::ethernet, static_cast<uint32_t>(shape.size()));
      const Decoded as_short = decoded(part);
      if (cut == shape.size()) {
        EXPECT_EQ(as_cut.error, DecodeError::none);
        EXPECT_EQ(as_short.error, DecodeError::none);
      }
    }
  }
}

TEST(DecodeErrors, NamesAndTextsAreThere) {
  EXPECT_EQ(decode_error_name(DecodeError::none), "none");
  EXPECT_EQ(decode_error_name(DecodeError::tunnel_too_deep), "tunnel_too_deep");
  for (int i = 0; i < kDecodeErrorCount; ++i) EXPECT_FALSE(decode_error_text(static_cast<DecodeError>(i)).empty());
}

TEST(FlowHash, BothDirectionsAlikeAndEndsToldApart) {
  Sighting s = decoded(ipv4_frame(6, tcp(kAck))).sighting;
  Sighting back = s;
  std::swap(back.source, back.destination);
  std::swap(back.source_port, back.destination_port);
  EXPECT_EQ(flow_hash(back), flow_hash(s));
  Sighting crossed = s;  // a:2 - b:1 is not a:1 - b:2
  std::swap(crossed.source_port, crossed.destination_port);
  EXPECT_NE(flow_hash(crossed), flow_hash(s));
  Sighting datagram = s;
  datagram.protocol = ip_protocol::udp;
  EXPECT_NE(flow_hash(datagram), flow_hash(s));
}

TEST(FlowHash, SpreadsNeighbouringConnectionsEvenly) {
  Sighting s = decoded(ipv4_frame(6, tcp(kAck))).sighting;
  constexpr int kConnections = 100000, kWorkers = 7, kBuckets = 1024;
  int workers[kWorkers] = {}, buckets[kBuckets] = {};
  for (int i = 0; i < kConnections; ++i) {
    s.source_port = static_cast<uint16_t>(1024 + i % 60000);
    s.source[15] = static_cast<uint8_t>(i / 60000);
    const uint32_t hash = flow_hash(s);
    ++workers[static_cast<uint64_t>(hash) * kWorkers >> 32];
    ++buckets[hash % kBuckets];
  }
  for (const int n : workers) EXPECT_NEAR(n, kConnections / kWorkers, kConnections / kWorkers * 0.06);
  for (const int n : buckets) EXPECT_NEAR(n, kConnections / kBuckets, 60);  // six standard deviations
}

}  // namespace parallax
