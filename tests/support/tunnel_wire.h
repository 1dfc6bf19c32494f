// Headers of tunnels, written byte by byte as in tests/support/wire.h: each stands before what it encloses.
#pragma once

#include "tests/support/wire.h"

namespace parallax::test {

// ---- under IP ----

inline Wire mpls_label(uint32_t label, bool bottom) { return be32(label << 12 | (bottom ? 0x100 : 0) | 64); }
inline Wire pppoe(uint16_t session, size_t payload, uint16_t version_type_code = 0x1100) {
  return be16(version_type_code) + be16(session) + be16(static_cast<uint32_t>(payload));
}
inline Wire ppp(uint16_t protocol) { return be16(protocol); }

// ---- over IP ----

inline Wire gre(uint16_t flags, uint16_t type, const Wire& fields = {}) { return be16(flags) + be16(type) + fields; }
inline Wire pptp(uint16_t flags, size_t payload, uint16_t call, const Wire& numbers = {}) {
  return be16(flags) + be16(0x880b) + be16(static_cast<uint32_t>(payload)) + be16(call) + numbers;
}

// ---- over UDP ----

inline Wire datagram(uint16_t source_port, uint16_t destination_port, const Wire& payload) {
  return be16(source_port) + be16(destination_port) + be16(static_cast<uint32_t>(8 + payload.size())) + be16(0) + payload;
}
inline Wire vxlan(uint32_t vni, uint8_t flags = 0x08) { return Wire{flags, 0, 0, 0} + be32(vni << 8); }
inline Wire vxlan_gpe(uint32_t vni, uint8_t next, uint8_t flags = 0x0c) { return Wire{flags, 0, 0, next} + be32(vni << 8); }
inline Wire geneve(uint32_t vni, uint16_t type = 0x6558, const Wire& options = {}, uint8_t control = 0) {
  return Wire{static_cast<uint8_t>(options.size() / 4), control} + be16(type) + be32(vni << 8) + options;
}
// `optional`: sequence number and all that follows it, up to the inner packet.
inline Wire gtp(uint32_t teid, size_t payload, uint8_t flags = 0x30, const Wire& optional = {}, uint8_t type = 255) {
  return Wire{flags, type} + be16(static_cast<uint32_t>(optional.size() + payload)) + be32(teid) + optional;
}
inline Wire l2tp(uint16_t flags, const Wire& fields) { return be16(flags) + fields; }

// IPv4 in an Ethernet frame around a datagram.
inline Wire udp_frame(uint16_t source_port, uint16_t destination_port, const Wire& payload) {
  return ipv4_frame(17, datagram(source_port, destination_port, payload));
}

// Frames of every kind of tunnel, each with `rest` where its inside begins; of the last eight, where the tunnel's own header
// begins.
inline constexpr size_t kTunnelKinds = 23;
inline Wire in_tunnel(size_t kind, const Wire& rest) {
  constexpr uint16_t kPorts[] = {1701, 2152, 3544, 4789, 4790, 6081};
  constexpr uint16_t kSource = 50123;
  switch (kind) {
    case 0:
      return ethernet(0x8847) + mpls_label(100, true) + rest;
    case 1:
      return ethernet(0x8847) + mpls_label(100, true) + be32(0) + rest;
    case 2:
      return ethernet(0x8864) + pppoe(3, rest.size()) + rest;
    case 3:
      return ipv4_frame(4, rest);
    case 4:
      return ipv6_frame(41, rest);
    case 5:
      return ipv4_frame(47, gre(0, 0x0800) + rest);
    case 6:
      return ipv4_frame(47, gre(0xb000, 0x6558, zeros(4) + be32(0x123456) + be32(1)) + rest);
    case 7:
      return ipv4_frame(47, pptp(0x3001, rest.size(), 5, be32(1)) + rest);
    case 8:
      return udp_frame(kSource, 4789, vxlan(42) + rest);
    case 9:
      return udp_frame(kSource, 4790, vxlan_gpe(42, 1) + rest);
    case 10:
      return udp_frame(kSource, 6081, geneve(42, 0x6558, zeros(8)) + rest);
    case 11:
      return udp_frame(kSource, 2152, gtp(9, rest.size()) + rest);
    case 12:
      return udp_frame(kSource, 2152, gtp(9, rest.size(), 0x34, be16(1) + Wire{0, 0x85, 1, 0x10, 9, 0}) + rest);
    case 13:
      return udp_frame(kSource, 1701, l2tp(0x0002, be16(1) + be16(2)) + rest);
    case 14:
      return udp_frame(kSource, 3544, Wire{0, 0} + zeros(6) + rest);
    case 15:
      return ethernet(0x8847) + rest;
    case 16:
      return ipv4_frame(47, rest);
    default:
      return udp_frame(kSource, kPorts[(kind - 17) % 6], rest);
  }
}
// The same frame as the first fragment of a larger packet. REQUIRES: IPv4 in Ethernet.
inline Wire as_first_fragment(Wire frame) {
  frame[14 + 6] = 0x20;
  return frame;
}

}  // namespace parallax::test
