// What is inside tunnels, and when the outer packet stands instead.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "capture/decode/decode.h"
#include "capture/decode/decode_layers.h"
#include "tests/support/tunnel_wire.h"

namespace parallax {

using namespace test;

namespace {

constexpr uint16_t kEphemeral = 50123;
const Wire kHello = {'h', 'e', 'l', 'l', 'o'};

// The inner packets: 203.0.113.7:40000 -> 203.0.113.9:443, TTL 33, so that none of it can be taken from the outer one.
Wire inner_ipv4(uint16_t fragment = 0x4000) {
  const Wire segment = tcp(tcp_flag::ack) + kHello;
  Wire packet = ipv4({.payload = static_cast<uint32_t>(segment.size()), .id = 0x7777, .fragment = fragment, .ttl = 33}) + segment;
  const uint8_t addresses[] = {203, 0, 113, 7, 203, 0, 113, 9};
  std::copy(std::begin(addresses), std::end(addresses), packet.begin() + 12);
  return packet;
}
Wire inner_ipv6() {
  const Wire segment = tcp(tcp_flag::ack) + kHello;
  Wire packet = ipv6(6, static_cast<uint32_t>(segment.size())) + segment;
  packet[7] = 33;
  packet[23] = 7;
  packet[39] = 9;
  return packet;
}
Wire inner_frame() { return ethernet(0x0800) + inner_ipv4(); }

std::string name(DecodeError error) { return std::string(decode_error_name(error)); }

void expect_inner(const Decoded& d, bool six = false) {
  ASSERT_EQ(name(d.error), "none");
  const Sighting& s = d.sighting;
  EXPECT_TRUE(s.is_tcp());
  EXPECT_EQ(s.source[15], 7);
  EXPECT_EQ(s.destination[15], 9);
  EXPECT_EQ(s.source_port, 40000);
  EXPECT_EQ(s.destination_port, 443);
  EXPECT_EQ(s.seq, 0x01020304u);
  EXPECT_EQ(s.ack, 0x05060708u);
  EXPECT_EQ(s.ttl, 33);
  EXPECT_EQ(s.payload_length, 5u);
  EXPECT_TRUE(s.has(SightingFlag::tunnelled));
  EXPECT_EQ(s.has(SightingFlag::ipv6), six);
  EXPECT_FALSE(s.has(SightingFlag::fragment));
  EXPECT_EQ(s.ip_id, six ? 0 : 0x7777);
  EXPECT_EQ(s.flow_hash, flow_hash(s));
}

// The outer packet as if it had no tunnel in it.
void expect_outer(const Decoded& d, uint8_t protocol, uint32_t payload_length) {
  ASSERT_EQ(name(d.error), "none");
  const Sighting& s = d.sighting;
  EXPECT_EQ(s.protocol, protocol);
  EXPECT_EQ(s.source[12], 192);
  EXPECT_EQ(s.destination[12], 198);
  EXPECT_EQ(s.ttl, 61);
  EXPECT_EQ(s.ip_id, 0x1234);
  EXPECT_EQ(s.payload_length, payload_length);
  EXPECT_TRUE(s.seq == 0 || s.seq >> 31 == 1) << "not of what is inside";
  EXPECT_EQ(s.tcp_flags, 0);
  EXPECT_EQ(s.key, 0u);
  EXPECT_FALSE(s.has(SightingFlag::tunnelled));
  EXPECT_EQ(s.flow_hash, flow_hash(s));
}
void expect_outer_datagram(const Wire& payload, uint16_t destination_port) {
  const Decoded d = decoded(udp_frame(kEphemeral, destination_port, payload), LinkType::ethernet, 0, KeyFrom::tunnel);
  expect_outer(d, 17, static_cast<uint32_t>(payload.size()));
  EXPECT_EQ(d.sighting.source_port, kEphemeral);
  EXPECT_EQ(d.sighting.destination_port, destination_port);
}

Wire with(Wire bytes, size_t at, uint8_t value) {
  bytes.at(at) = value;
  return bytes;
}

uint32_t key_of(const Wire& frame, KeyFrom from = KeyFrom::tunnel) {
  const Decoded d = decoded(frame, LinkType::ethernet, 0, from);
  EXPECT_EQ(name(d.error), "none");
  EXPECT_EQ(d.sighting.flow_hash, flow_hash(d.sighting));
  return d.sighting.key;
}

// One frame of each kind of tunnel around `packet` (IPv4) or `frame` (Ethernet).
std::vector<Wire> every_tunnel(const Wire& packet, const Wire& frame) {
  const Wire in_ppp = ppp(0x0021) + packet;
  return {
      ethernet(0x8847) + mpls_label(100, true) + packet,
      ethernet(0x8847) + mpls_label(100, true) + be32(0) + frame,
      ethernet(0x8100) + vlan_tag(5, 0x8864) + pppoe(3, in_ppp.size()) + in_ppp,
      ipv4_frame(4, packet),
      ipv4_frame(137, mpls_label(3, true) + packet),
      ipv4_frame(47, gre(0, 0x0800) + packet),
      ipv4_frame(47, gre(0xb000, 0x6558, zeros(4) + be32(7) + be32(1)) + frame),
      ipv4_frame(47, pptp(0x3081, in_ppp.size(), 5, be32(1) + be32(2)) + in_ppp),
      udp_frame(kEphemeral, 4789, vxlan(42) + frame),
      udp_frame(kEphemeral, 4790, vxlan_gpe(42, 1) + packet),
      udp_frame(kEphemeral, 6081, geneve(42, 0x6558, zeros(8)) + frame),
      udp_frame(2152, 2152, gtp(9, packet.size(), 0x34, be16(1) + Wire{0, 0x85, 1, 0x10, 9, 0}) + packet),
      udp_frame(1701, 1701, l2tp(0x4002, be16(static_cast<uint32_t>(8 + in_ppp.size())) + be16(1) + be16(2)) + in_ppp),
  };
}

}  // namespace

TEST(DecodeTunnels, Mpls) {
  expect_inner(decoded(ethernet(0x8847) + mpls_label(16, true) + inner_ipv4()));
  expect_inner(decoded(ethernet(0x8848) + mpls_label(16, true) + inner_ipv6()), true);
  expect_inner(decoded(ethernet(0x8100) + vlan_tag(9, 0x8847) + mpls_label(16, false) + mpls_label(17, true) + inner_ipv4()));
}

TEST(DecodeTunnels, MplsEthernetWithAndWithoutControlWord) {
  const Wire label = ethernet(0x8847) + mpls_label(16, true);
  expect_inner(decoded(label + be32(0) + inner_frame()));
  expect_inner(decoded(label + be32(0x00001234) + inner_frame()));
  expect_inner(decoded(label + inner_frame()));
  expect_inner(decoded(label + ethernet(0x8100) + vlan_tag(5, 0x86dd) + inner_ipv6()), true);
  // A MAC address whose first nibble is that of an IP version.
  for (const uint8_t first : {0x00, 0x44, 0x45, 0x60, 0x6c}) {
    expect_inner(decoded(label + with(inner_frame(), 0, first)));
    expect_inner(decoded(label + be32(0) + with(inner_frame(), 0, first)));
  }
  const Decoded arp = decoded(label + be32(0) + ethernet(0x0806) + arp_request());
  ASSERT_EQ(name(arp.error), "none");
  EXPECT_TRUE(arp.sighting.has(SightingFlag::arp));
}

TEST(DecodeTunnels, IpUnderLabelsIsIpThoughItsAddressLooksLikeAnEthernetType) {
  Wire packet = inner_ipv4();
  const uint8_t addresses[] = {0x08, 0x00, 0x45, 7, 0x00, 0x20, 113, 9};  // read as Ethernet: type IPv4, and a header that fits
  std::copy(std::begin(addresses), std::end(addresses), packet.begin() + 12);
  uint32_t sum = 0;
  for (size_t i = 0; i < 20; i += 2) sum += static_cast<uint32_t>(packet[i]) << 8 | packet[i + 1];
  sum = ~((sum & 0xffff) + (sum >> 16));
  packet[10] = static_cast<uint8_t>(sum >> 8);
  packet[11] = static_cast<uint8_t>(sum);
  const Decoded d = decoded(ethernet(0x8847) + mpls_label(16, true) + packet);
  expect_inner(d);
  EXPECT_EQ(d.sighting.source[12], 8);
}

TEST(DecodeTunnels, MplsWithoutAnythingReadableIsAnError) {
  const Wire label = ethernet(0x8847) + mpls_label(16, true);
  EXPECT_EQ(name(decoded(label + Wire{0x10, 0, 0, 0x21} + inner_ipv4()).error), "network_unknown");  // an associated channel
  EXPECT_EQ(name(decoded(label + zeros(60)).error), "network_unknown");
  EXPECT_EQ(name(decoded(label).error), "network_unknown");
  EXPECT_EQ(name(decoded(label + Wire(19, 0x45)).error), "ip_header_cut");
  EXPECT_EQ(name(decoded(ethernet(0x8847) + mpls_label(16, false) + Wire{0, 1, 0}).error), "tunnel_header_cut");
}

TEST(DecodeTunnels, LabelStackIsBounded) {
  Wire stack;
  for (int i = 1; i < layers::kMplsLabelsMax; ++i) stack = stack + mpls_label(16, false);
  expect_inner(decoded(ethernet(0x8847) + stack + mpls_label(17, true) + inner_ipv4()));
  EXPECT_EQ(name(decoded(ethernet(0x8847) + stack + mpls_label(16, false) + mpls_label(17, true) + inner_ipv4()).error),
            "tunnel_too_deep");
}

TEST(DecodeTunnels, Pppoe) {
  const Wire four = ppp(0x0021) + inner_ipv4(), six = ppp(0x0057) + inner_ipv6(), compressed = Wire{0x21} + inner_ipv4();
  expect_inner(decoded(ethernet(0x8864) + pppoe(1, four.size()) + four));
  expect_inner(decoded(ethernet(0x8864) + pppoe(1, six.size()) + six), true);
  expect_inner(decoded(ethernet(0x8864) + pppoe(1, compressed.size()) + compressed));
  expect_inner(decoded(ethernet(0x88a8) + vlan_tag(7, 0x8100) + vlan_tag(8, 0x8864) + pppoe(1, four.size()) + four + zeros(9)));
  const Wire labelled = ppp(0x0281) + mpls_label(16, true) + inner_ipv4();
  expect_inner(decoded(ethernet(0x8864) + pppoe(1, labelled.size()) + labelled));
}

TEST(DecodeTunnels, LengthOfPppoeHoldsAgainstAnIpHeaderThatCountedThePadding) {
  for (const bool six : {false, true}) {
    Wire packet = (six ? ppp(0x0057) + inner_ipv6() : ppp(0x0021) + inner_ipv4());
    const size_t length = packet.size();
    packet[six ? 7 : 5] = static_cast<uint8_t>(packet[six ? 7 : 5] + 6);
    expect_inner(decoded(ethernet(0x8864) + pppoe(1, length) + packet + zeros(6)), six);
  }
}

TEST(DecodeTunnels, PppoeThatIsNoSessionDataIsAnError) {
  const Wire four = ppp(0x0021) + inner_ipv4();
  EXPECT_EQ(name(decoded(ethernet(0x8863) + pppoe(1, four.size()) + four).error), "no_ip");
  EXPECT_EQ(name(decoded(ethernet(0x8864) + pppoe(1, 10) + ppp(0xc021) + zeros(8)).error), "no_ip");
  EXPECT_EQ(name(decoded(ethernet(0x8864) + pppoe(1, 10) + ppp(0x00fd) + zeros(8)).error), "network_unknown");
  EXPECT_EQ(name(decoded(ethernet(0x8864) + pppoe(1, four.size(), 0x2100) + four).error), "tunnel_header_wrong");
  EXPECT_EQ(name(decoded(ethernet(0x8864) + pppoe(1, four.size(), 0x11a7) + four).error), "tunnel_header_wrong");
  EXPECT_EQ(name(decoded(ethernet(0x8864) + pppoe(1, four.size() + 1) + four).error), "none");  // a frame that was cut
  EXPECT_EQ(name(decoded(ethernet(0x8864) + zeros(5)).error), "tunnel_header_cut");
  EXPECT_EQ(name(decoded(ethernet(0x8864) + pppoe(1, 1) + Wire{0}).error), "tunnel_header_cut");
}

TEST(DecodeTunnels, IpInIp) {
  expect_inner(decoded(ipv4_frame(4, inner_ipv4())));
  expect_inner(decoded(ipv4_frame(41, inner_ipv6())), true);
  expect_inner(decoded(ipv6_frame(4, inner_ipv4())));
  expect_inner(decoded(ipv6_frame(41, inner_ipv6())), true);
  expect_inner(decoded(ipv6_frame(60, extension(4) + inner_ipv4())));  // with a tunnel encapsulation limit (RFC 2473)
  expect_inner(decoded(ipv4_frame(137, mpls_label(16, true) + inner_ipv4())));
}

TEST(DecodeTunnels, Gre) {
  expect_inner(decoded(ipv4_frame(47, gre(0, 0x0800) + inner_ipv4())));
  expect_inner(decoded(ipv6_frame(47, gre(0, 0x86dd) + inner_ipv6())), true);
  expect_inner(decoded(ipv4_frame(47, gre(0x8000, 0x0800, zeros(4)) + inner_ipv4())));
  expect_inner(decoded(ipv4_frame(47, gre(0x2000, 0x0800, be32(7)) + inner_ipv4())));
  expect_inner(decoded(ipv4_frame(47, gre(0x1000, 0x0800, be32(7)) + inner_ipv4())));
  expect_inner(decoded(ipv4_frame(47, gre(0xb000, 0x0800, zeros(4) + be32(7) + be32(8)) + inner_ipv4())));
  expect_inner(decoded(ipv4_frame(47, gre(0x2000, 0x6558, be32(0x00ABCD01)) + inner_frame())));
  expect_inner(decoded(ipv4_frame(47, gre(0, 0x8847) + mpls_label(16, true) + inner_ipv4())));
  expect_inner(decoded(ipv4_frame(47, gre(0, 0x880b) + Wire{0xff, 3} + ppp(0x0021) + inner_ipv4())));
}

TEST(DecodeTunnels, GreThatCannotBeReadIsTheOuterPacket) {
  const Wire unreadable[] = {
      gre(0x4000, 0x0800, zeros(4)) + inner_ipv4(),  // source routes
      gre(0x0002, 0x0800) + inner_ipv4(),            // version
      gre(0x0008, 0x0800) + inner_ipv4(),            // reserved bits
      gre(0, 0x0806) + arp_request(),                // types that are not read
      gre(0, 0x88be) + inner_frame(),
      gre(0, 0x0800) + inner_ipv6(),
      gre(0, 0x0800),
      gre(0x2000, 0x0800, {0, 0, 0}),
      Wire{0, 0, 8},
      {},
  };
  for (const Wire& rest : unreadable) expect_outer(decoded(ipv4_frame(47, rest)), 47, static_cast<uint32_t>(rest.size()));
}

TEST(DecodeTunnels, Pptp) {
  const Wire four = ppp(0x0021) + inner_ipv4();
  expect_inner(decoded(ipv4_frame(47, pptp(0x3001, four.size(), 5, be32(1)) + four)));
  expect_inner(decoded(ipv4_frame(47, pptp(0x3081, four.size(), 5, be32(1) + be32(2)) + four)));
  const Wire unreadable[] = {
      pptp(0x2081, 0, 5, be32(2)),                                                               // an acknowledgement alone
      pptp(0x3001, 20, 5, be32(1)) + ppp(0x00fd) + zeros(18),                                    // compressed, encrypted
      pptp(0x3001, four.size() + 1, 5, be32(1)) + four,                                          // longer than the packet
      pptp(0x1001, four.size(), 5, be32(1)) + four,                                              // no call
      pptp(0x3001, four.size(), 5),                                                              // cut
      be16(0x3001) + be16(0x0800) + be16(static_cast<uint32_t>(four.size())) + zeros(6) + four,  // not PPP
  };
  for (const Wire& rest : unreadable) expect_outer(decoded(ipv4_frame(47, rest)), 47, static_cast<uint32_t>(rest.size()));
}

TEST(DecodeTunnels, Vxlan) {
  for (const uint16_t port : {4789, 8472}) {
    expect_inner(decoded(udp_frame(kEphemeral, port, vxlan(42) + inner_frame())));
    expect_inner(decoded(udp_frame(kEphemeral, port, vxlan(42, 0x88) + inner_frame() + zeros(6))));
    expect_outer_datagram(vxlan(42, 0x00) + inner_frame(), port);
    expect_outer_datagram(vxlan(42, 0x0c) + inner_frame(), port);
    expect_outer_datagram(vxlan(42) + ethernet(0x88cc) + zeros(46), port);
    expect_outer_datagram(vxlan(42) + with(inner_frame(), 14, 0x35), port);
    expect_outer_datagram(vxlan(42), port);
    expect_outer_datagram(zeros(7), port);
    expect_outer_datagram({}, port);
  }
  const Decoded answer = decoded(udp_frame(4789, kEphemeral, vxlan(42) + inner_frame()));  // the port is the receiver's
  expect_outer(answer, 17, static_cast<uint32_t>(8 + inner_frame().size()));
}

TEST(DecodeTunnels, VxlanGpe) {
  expect_inner(decoded(udp_frame(kEphemeral, 4790, vxlan_gpe(42, 1) + inner_ipv4())));
  expect_inner(decoded(udp_frame(kEphemeral, 4790, vxlan_gpe(42, 2) + inner_ipv6())), true);
  expect_inner(decoded(udp_frame(kEphemeral, 4790, vxlan_gpe(42, 3) + inner_frame())));
  expect_inner(decoded(udp_frame(kEphemeral, 4790, vxlan_gpe(42, 5) + mpls_label(16, true) + inner_ipv4())));
  expect_inner(decoded(udp_frame(kEphemeral, 4790, vxlan_gpe(42, 0, 0x08) + inner_frame())));
  expect_outer_datagram(vxlan_gpe(42, 4) + inner_ipv4(), 4790);
  expect_outer_datagram(vxlan_gpe(42, 6) + inner_ipv4(), 4790);
  expect_outer_datagram(vxlan_gpe(42, 1, 0x0d) + inner_ipv4(), 4790);  // management
  expect_outer_datagram(vxlan_gpe(42, 1, 0x04) + inner_ipv4(), 4790);  // no VNI
  expect_outer_datagram(vxlan_gpe(42, 1, 0x1c) + inner_ipv4(), 4790);  // version
  expect_outer_datagram(zeros(7), 4790);
}

TEST(DecodeTunnels, Geneve) {
  expect_inner(decoded(udp_frame(kEphemeral, 6081, geneve(42) + inner_frame())));
  expect_inner(decoded(udp_frame(kEphemeral, 6081, geneve(42, 0x6558, zeros(252)) + inner_frame())));
  expect_inner(decoded(udp_frame(kEphemeral, 6081, geneve(42, 0x0800, zeros(4), 0x40) + inner_ipv4())));
  expect_inner(decoded(udp_frame(kEphemeral, 6081, geneve(42, 0x86dd) + inner_ipv6())), true);
  expect_outer_datagram(with(geneve(42) + inner_frame(), 0, 0x40), 6081);     // version
  expect_outer_datagram(geneve(42, 0x6558, {}, 0x80) + inner_frame(), 6081);  // control
  expect_outer_datagram(geneve(42, 0x6558, {}, 0x01) + inner_frame(), 6081);  // reserved
  expect_outer_datagram(geneve(42, 0x0806) + arp_request(), 6081);
  expect_outer_datagram(with(geneve(42) + inner_frame(), 0, 0x3f), 6081);  // options beyond the end
  expect_outer_datagram(zeros(7), 6081);
}

TEST(DecodeTunnels, GtpUserData) {
  const auto frame = [](const Wire& payload) { return udp_frame(kEphemeral, 2152, payload); };
  const Wire four = inner_ipv4(), six = inner_ipv6();
  expect_inner(decoded(frame(gtp(9, four.size()) + four)));
  expect_inner(decoded(frame(gtp(9, six.size()) + six)), true);
  expect_inner(decoded(frame(gtp(9, four.size(), 0x32, be16(77) + Wire{0, 0}) + four)));
  expect_inner(
      decoded(frame(gtp(9, four.size(), 0x31, be16(0) + Wire{5, 0xee}) + four)));  // without E the next type says nothing
  const Wire session = {0x85, 1, 0x10, 9, 0};                                      // a 5G session container
  expect_inner(decoded(frame(gtp(9, four.size(), 0x34, zeros(3) + session) + four)));
  expect_inner(decoded(frame(gtp(9, four.size(), 0x34, zeros(3) + Wire{0x85, 1, 0x10, 9, 0xc0, 2} + zeros(6) + Wire{0}) + four)));
  expect_inner(decoded(frame(gtp(9, four.size()) + four + zeros(4))));  // more in the datagram than GTP says
}

TEST(DecodeTunnels, GtpThatCannotBeReadIsTheOuterPacket) {
  const Wire four = inner_ipv4();
  expect_outer_datagram(gtp(0, 4, 0x32, zeros(4), 1) + zeros(4), 2152);   // echo request
  expect_outer_datagram(gtp(9, four.size(), 0x50) + four, 2152);          // version
  expect_outer_datagram(gtp(9, four.size(), 0x20) + four, 2152);          // GTP'
  expect_outer_datagram(gtp(9, four.size(), 0x38) + four, 2152);          // spare bit
  expect_outer_datagram(gtp(9, four.size() + 1) + four, 2152);            // longer than the datagram
  expect_outer_datagram(gtp(9, 40) + zeros(40), 2152);                    // no IP
  expect_outer_datagram(gtp(9, 14 + four.size()) + inner_frame(), 2152);  // an Ethernet session, which nothing tells
  expect_outer_datagram(gtp(9, 0), 2152);
  expect_outer_datagram(gtp(9, 0, 0x34, zeros(3)), 2152);
  expect_outer_datagram(gtp(9, four.size(), 0x34, zeros(3) + Wire{0x85, 0, 0x10, 9, 0}) + four, 2152);  // extension of no length
  expect_outer_datagram(gtp(9, 0, 0x34, zeros(3) + Wire{0x85, 2, 0x10, 9, 0}), 2152);                   // and beyond the end
  expect_outer_datagram(gtp(9, 0, 0x34, zeros(3) + Wire{0x85, 1, 0}), 2152);
  expect_outer_datagram(zeros(7), 2152);
}

TEST(DecodeTunnels, GtpExtensionHeadersAreBounded) {
  const auto frame = [](int headers) {
    Wire optional = zeros(3);
    for (int i = 0; i < headers; ++i) optional = optional + Wire{0x85, 1, 0, 0};
    optional = optional + Wire{0};
    return udp_frame(kEphemeral, 2152, gtp(9, inner_ipv4().size(), 0x34, optional) + inner_ipv4());
  };
  expect_inner(decoded(frame(layers::kGtpExtensionHeadersMax)));
  EXPECT_FALSE(decoded(frame(layers::kGtpExtensionHeadersMax + 1)).sighting.has(SightingFlag::tunnelled));
}

TEST(DecodeTunnels, L2tpData) {
  const Wire four = ppp(0x0021) + inner_ipv4(), framed = Wire{0xff, 3} + ppp(0x0057) + inner_ipv6(), ids = be16(1) + be16(2);
  const auto length = [&](size_t header) { return be16(static_cast<uint32_t>(header + four.size())); };
  const Wire readable[] = {
      l2tp(0x0002, ids) + four,
      l2tp(0x4002, length(8) + ids) + four + zeros(3),
      l2tp(0x0802, ids + be32(7)) + four,
      l2tp(0x0202, ids + be16(5) + zeros(5)) + four,
      l2tp(0x4b02, length(16) + ids + be32(7) + be16(2) + zeros(2)) + four,
  };
  for (const Wire& payload : readable) {
    expect_inner(decoded(udp_frame(kEphemeral, 1701, payload)));
    expect_inner(decoded(udp_frame(1701, kEphemeral, payload)));
  }
  expect_inner(decoded(udp_frame(1701, 1701, l2tp(0x0002, ids) + framed)), true);
}

TEST(DecodeTunnels, L2tpThatCannotBeReadIsTheOuterPacket) {
  const Wire four = ppp(0x0021) + inner_ipv4(), ids = be16(1) + be16(2);
  expect_outer_datagram(l2tp(0xc802, be16(20) + ids + be32(0)) + zeros(8), 1701);  // control
  expect_outer_datagram(l2tp(0x0003, ids) + four, 1701);                           // version 3
  expect_outer_datagram(l2tp(0x0012, ids) + four, 1701);                           // reserved bits
  expect_outer_datagram(l2tp(0x0002, ids) + ppp(0xc021) + zeros(8), 1701);         // LCP
  expect_outer_datagram(l2tp(0x0002, ids), 1701);
  expect_outer_datagram(l2tp(0x4002, be16(7) + ids) + four, 1701);    // length below the header
  expect_outer_datagram(l2tp(0x4002, be16(999) + ids) + four, 1701);  // and beyond the datagram
  expect_outer_datagram(l2tp(0x0202, ids + be16(999)) + four, 1701);
  expect_outer_datagram(l2tp(0x0802, ids + be16(0)), 1701);
  expect_outer_datagram({0}, 1701);
}

TEST(DecodeTunnels, Teredo) {
  Wire six = inner_ipv6();
  six[10] = six[11] = 0;  // 2001::/32
  const Wire authentication = Wire{0, 1, 4, 2} + zeros(4 + 2 + 9), origin = Wire{0, 0} + zeros(6);
  for (const Wire& indicators : {Wire{}, authentication, origin, authentication + origin}) {
    expect_inner(decoded(udp_frame(kEphemeral, 3544, indicators + six)), true);
    expect_inner(decoded(udp_frame(3544, kEphemeral, indicators + six)), true);
  }
  expect_outer_datagram(inner_ipv6(), 3544);  // no address of Teredo's
  expect_outer_datagram(inner_ipv4(), 3544);
  expect_outer_datagram(authentication, 3544);
  expect_outer_datagram(Wire{0, 1, 255, 255} + six, 3544);
  expect_outer_datagram(origin, 3544);
  expect_outer_datagram(Wire(six.begin(), six.end() - 1), 3544);
  expect_outer_datagram({}, 3544);
}

TEST(DecodeTunnels, NestedTunnelsAreReadToTheInnermost) {
  const Wire gtp_packet = gtp(9, inner_ipv4().size()) + inner_ipv4();
  const Wire carried = datagram(2152, 2152, gtp_packet);
  const Wire packet = ppp(0x0021) + ipv4({.protocol = 17, .payload = static_cast<uint32_t>(carried.size())}) + carried;
  expect_inner(decoded(ethernet(0x8847) + mpls_label(1, true) + be32(0) + ethernet(0x8864) + pppoe(1, packet.size()) + packet));
  // The innermost that can be read: an echo of GTP within VXLAN is a datagram of the inner network.
  const Wire echo = ipv4_frame(17, datagram(2152, 2152, gtp(0, 0, 0x32, zeros(4), 1)));
  const Decoded d = decoded(udp_frame(kEphemeral, 4789, vxlan(1) + with(echo, 14 + 8, 99)));
  ASSERT_EQ(name(d.error), "none");
  EXPECT_EQ(d.sighting.ttl, 99);
  EXPECT_EQ(d.sighting.destination_port, 2152);
  EXPECT_TRUE(d.sighting.has(SightingFlag::tunnelled));
}

TEST(DecodeTunnels, NestingIsBounded) {
  Wire packet = inner_ipv4();
  for (uint32_t depth = 1; depth <= layers::kTunnelsMax + 1; ++depth) {
    packet = ipv4({.protocol = 4, .payload = static_cast<uint32_t>(packet.size())}) + packet;
    const Decoded d = decoded(ethernet(0x0800) + packet);
    if (depth <= layers::kTunnelsMax) {
      expect_inner(d);
    } else {
      EXPECT_EQ(name(d.error), "tunnel_too_deep");
    }
  }
}

TEST(DecodeTunnels, OuterHeadersLeaveNothingBehind) {
  // The outer packet has IP options, another ID, DF, an IPv6 header: none of it is the inner packet's.
  const Wire later = inner_ipv4(0x0003);
  const Decoded d = decoded(ipv6_frame(4, later));
  ASSERT_EQ(name(d.error), "none");
  EXPECT_EQ(d.sighting.flags, bit(SightingFlag::fragment) | bit(SightingFlag::later_fragment) | bit(SightingFlag::tunnelled));
  EXPECT_EQ(d.sighting.source_port, 0);
  const Decoded arp = decoded(udp_frame(kEphemeral, 4789, vxlan(1) + ethernet(0x0806) + arp_request()));
  ASSERT_EQ(name(arp.error), "none");
  EXPECT_EQ(arp.sighting.flags, bit(SightingFlag::arp) | bit(SightingFlag::tunnelled));
  EXPECT_EQ(arp.sighting.protocol + arp.sighting.ttl + arp.sighting.ip_id + arp.sighting.destination_port, 0);
}

TEST(DecodeTunnels, FirstFragmentOfACarrierHoldsTheInnerHeaders) {
  const auto carrier = [](uint8_t protocol, const Wire& whole, uint32_t held) {
    return ethernet(0x0800) + ipv4({.protocol = protocol, .payload = held, .fragment = 0x2000}) +
           Wire(whole.begin(), whole.begin() + held);
  };
  Wire packet = inner_ipv4();
  packet = packet + zeros(600 - 5);
  packet[2] = static_cast<uint8_t>(packet.size() >> 8);
  packet[3] = static_cast<uint8_t>(packet.size());
  const Wire four_in_gtp = datagram(2152, 2152, gtp(9, packet.size()) + packet);
  const Wire four_in_gre = gre(0, 0x0800) + packet;
  for (const Wire& frame : {carrier(17, four_in_gtp, 128), carrier(47, four_in_gre, 128), carrier(4, packet, 128)}) {
    const Decoded d = decoded(frame);
    ASSERT_EQ(name(d.error), "none");
    EXPECT_EQ(d.sighting.source[15], 7);
    EXPECT_EQ(d.sighting.destination_port, 443);
    EXPECT_EQ(d.sighting.payload_length, 600u);
    EXPECT_EQ(d.sighting.flags,
              bit(SightingFlag::tunnelled) | bit(SightingFlag::outer_fragment) | bit(SightingFlag::dont_fragment));
    Sighting outer;
    ASSERT_EQ(
        decode_outer({frame.data(), static_cast<uint32_t>(frame.size()), static_cast<uint32_t>(frame.size()), LinkType::ethernet},
                     outer),
        DecodeError::none);
    EXPECT_EQ(outer.flags, bit(SightingFlag::fragment));
    EXPECT_EQ(outer.source[12], 192);
    EXPECT_EQ(outer.ip_id, 0x1234);
  }
  // Too little of it: the outer packet stands. Nor is a length of nothing taken from a frame that does not hold the packet.
  EXPECT_FALSE(decoded(carrier(17, four_in_gtp, 40)).sighting.has(SightingFlag::tunnelled));
  packet[2] = packet[3] = 0;
  const Decoded unsized = decoded(carrier(4, packet, 128));
  ASSERT_EQ(name(unsized.error), "none");
  EXPECT_EQ(unsized.sighting.protocol, 4);
  EXPECT_EQ(unsized.sighting.payload_length, 128u);
}

TEST(DecodeTunnels, EveryCutOfEveryTunnelIsSafeAndKeepsWhatCanBeRead) {
  for (const Wire& shape : every_tunnel(inner_ipv4(), inner_frame())) {
    expect_inner(decoded(shape));
    for (size_t cut = 0; cut <= shape.size(); ++cut) {
      const Wire part(shape.begin(), shape.begin() + static_cast<ptrdiff_t>(cut));
      const Decoded d = decoded(part, LinkType::ethernet, static_cast<uint32_t>(shape.size()));
      (void)decoded(part);
      if (d.error != DecodeError::none) continue;
      EXPECT_EQ(d.sighting.has(SightingFlag::cut_short), cut < shape.size());
      // What can be read of the inner segment is all there; else it is the outer packet, or an error.
      if (d.sighting.has(SightingFlag::tunnelled)) {
        EXPECT_EQ(d.sighting.payload_length, 5u);
        EXPECT_EQ(d.sighting.destination_port, 443);
      }
      EXPECT_EQ(d.sighting.has(SightingFlag::tunnelled), cut + 5 >= shape.size()) << cut << " of " << shape.size();
    }
  }
}

TEST(DecodeTunnels, KeyIsTheIdentifierWhereConfigured) {
  const Wire four = ppp(0x0021) + inner_ipv4();
  const auto in_vxlan = [](uint32_t vni) { return udp_frame(kEphemeral, 4789, vxlan(vni) + inner_frame()); };
  const auto in_geneve = [](uint32_t vni) { return udp_frame(kEphemeral, 6081, geneve(vni) + inner_frame()); };
  const auto in_gre = [](uint32_t key) { return ipv4_frame(47, gre(0x2000, 0x0800, be32(key)) + inner_ipv4()); };
  const auto in_nvgre = [](uint32_t key) { return ipv4_frame(47, gre(0x2000, 0x6558, be32(key)) + inner_frame()); };
  const auto in_pppoe = [&](uint16_t session) { return ethernet(0x8864) + pppoe(session, four.size()) + four; };
  const std::vector<uint32_t> keys = {
      key_of(in_vxlan(0)),         key_of(in_vxlan(42)),   key_of(in_vxlan(43)), key_of(in_geneve(42)),
      key_of(in_gre(42)),          key_of(in_gre(0)),      key_of(in_pppoe(42)), key_of(in_nvgre(0x1234'5600)),
      key_of(in_nvgre(0x42)),      key_of(in_nvgre(0x43)), key_of(in_pppoe(43)), key_of(in_gre(0x123456)),
      key_of(in_nvgre(0x12345700))};
  for (size_t i = 0; i < keys.size(); ++i) {
    EXPECT_NE(keys[i], 0u) << i;
    for (size_t j = 0; j < i; ++j) EXPECT_NE(keys[i], keys[j]) << i << ' ' << j;
  }
  EXPECT_EQ(key_of(in_nvgre(0x1234'5600)), key_of(in_nvgre(0x1234'56ff)));  // another flow of the same segment
  EXPECT_NE(decoded(in_vxlan(42), LinkType::ethernet, 0, KeyFrom::tunnel).sighting.flow_hash,
            decoded(in_vxlan(42)).sighting.flow_hash);
  for (const KeyFrom from : {KeyFrom::nothing, KeyFrom::vlan}) EXPECT_EQ(key_of(in_vxlan(42), from), 0u);
}

TEST(DecodeTunnels, WhatDiffersByDirectionIsNeverTheKey) {
  const Wire four = ppp(0x0021) + inner_ipv4();
  const Wire frames[] = {
      ethernet(0x8847) + mpls_label(100, true) + inner_ipv4(),
      ipv4_frame(4, inner_ipv4()),
      ipv4_frame(47, gre(0, 0x0800) + inner_ipv4()),
      ipv4_frame(47, pptp(0x3001, four.size(), 5, be32(1)) + four),
      udp_frame(2152, 2152, gtp(9, inner_ipv4().size()) + inner_ipv4()),
      udp_frame(1701, 1701, l2tp(0x0002, be16(1) + be16(2)) + four),
      ethernet(0x0800) + inner_ipv4(),
  };
  for (const Wire& frame : frames) EXPECT_EQ(key_of(frame, KeyFrom::vlan_and_tunnel), 0u);
}

TEST(DecodeTunnels, VlanAndTunnelMakeOneKey) {
  const auto frame = [](uint16_t outer, uint32_t vni, uint16_t inner) {
    const Wire carried = datagram(kEphemeral, 4789, vxlan(vni) + ethernet(0x8100) + vlan_tag(inner, 0x0800) + inner_ipv4());
    return ethernet(0x8100) + vlan_tag(outer, 0x0800) + ipv4({.protocol = 17, .payload = static_cast<uint32_t>(carried.size())}) +
           carried;
  };
  EXPECT_EQ(key_of(frame(5, 42, 6), KeyFrom::vlan), 5u);
  EXPECT_EQ(key_of(frame(5, 42, 6), KeyFrom::tunnel), key_of(frame(7, 42, 6), KeyFrom::tunnel));
  EXPECT_NE(key_of(frame(5, 42, 6), KeyFrom::vlan_and_tunnel), key_of(frame(7, 42, 6), KeyFrom::vlan_and_tunnel));
  EXPECT_NE(key_of(frame(5, 42, 6), KeyFrom::vlan_and_tunnel), key_of(frame(5, 43, 6), KeyFrom::vlan_and_tunnel));
  EXPECT_EQ(key_of(frame(5, 42, 6), KeyFrom::vlan_and_tunnel), key_of(frame(5, 42, 7), KeyFrom::vlan_and_tunnel));
}

}  // namespace parallax
