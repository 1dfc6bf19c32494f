// Tunnels over UDP: VXLAN (RFC 7348) with its generic extension (draft-ietf-nvo3-vxlan-gpe), Geneve (RFC 8926), GTP-U (3GPP
// TS 29.281), L2TP data (RFC 2661), Teredo (RFC 4380).
//
// A port number proves nothing: each header is held to what its standard says before the inside is tried.
#include "capture/core/bytes.h"
#include "capture/decode/decode_layers.h"

namespace parallax::layers {

namespace {

constexpr uint32_t kVxlanHeader = 8;

Inside read_vxlan(Bytes bytes) {
  constexpr uint8_t kInstance = 0x08, kGroupPolicy = 0x80;  // a policy group, in draft-smith-vxlan-group-policy
  if (bytes.captured < kVxlanHeader || (bytes.data[0] & ~kGroupPolicy) != kInstance) return {};
  return {bytes.skip(kVxlanHeader), ether_type::bridged_ethernet, TunnelId::vxlan_vni, load32(bytes.data + 4) >> 8};
}

Inside read_vxlan_gpe(Bytes bytes) {
  constexpr uint8_t kInstance = 0x08, kNextProtocol = 0x04, kReplicated = 0x02;
  if (bytes.captured < kVxlanHeader) return {};
  const uint8_t flags = bytes.data[0];
  if (!(flags & kInstance) || (flags & ~(kInstance | kNextProtocol | kReplicated)) != 0) return {};
  constexpr uint16_t kTypes[] = {0, ether_type::ipv4, ether_type::ipv6, ether_type::bridged_ethernet, 0, ether_type::mpls};
  const uint8_t next = flags & kNextProtocol ? bytes.data[3] : uint8_t{3};
  if (next >= std::size(kTypes)) return {};
  return {bytes.skip(kVxlanHeader), kTypes[next], TunnelId::vxlan_vni, load32(bytes.data + 4) >> 8};
}

Inside read_geneve(Bytes bytes) {
  constexpr uint32_t kHeader = 8;
  constexpr uint8_t kControl = 0x80, kReserved = 0x3f;
  if (bytes.captured < kHeader) return {};
  const uint8_t* p = bytes.data;
  const uint32_t header = kHeader + (p[0] & 0x3fu) * 4;
  if (p[0] >> 6 != 0 || (p[1] & (kControl | kReserved)) != 0 || bytes.captured < header) return {};
  const uint16_t type = load16(p + 2);
  if (type != ether_type::bridged_ethernet && type != ether_type::ipv4 && type != ether_type::ipv6) return {};
  return {bytes.skip(header), type, TunnelId::geneve_vni, load32(p + 4) >> 8};
}

Inside read_gtp(Bytes bytes) {
  constexpr uint32_t kHeader = 8, kOptional = 4;
  constexpr uint8_t kVersionAndType = 0x30, kExtension = 0x04, kAnyOptional = 0x07, kUserData = 255;
  if (bytes.captured < kHeader) return {};
  const uint8_t* p = bytes.data;
  const uint8_t flags = p[0];
  if ((flags & ~kAnyOptional) != kVersionAndType || p[1] != kUserData) return {};
  const uint32_t length = load16(p + 2);
  if (length > bytes.wire - kHeader) return {};
  bytes = bytes.skip(kHeader).first(length);
  if (flags & kAnyOptional) {  // sequence number, N-PDU number, next header: all of them, if any is of use
    if (bytes.captured < kOptional) return {};
    uint8_t next = flags & kExtension ? bytes.data[3] : uint8_t{0};
    bytes = bytes.skip(kOptional);
    for (int headers = 0; next != 0; ++headers) {
      if (headers == kGtpExtensionHeadersMax || bytes.captured < 4) return {};
      const uint32_t size = bytes.data[0] * 4u;
      if (size == 0 || size > bytes.captured) return {};
      next = bytes.data[size - 1];
      bytes = bytes.skip(size);
    }
  }
  return {bytes, ip_type(bytes)};
}

Inside read_l2tp(Bytes bytes) {
  constexpr uint16_t kControl = 0x8000, kLength = 0x4000, kSequence = 0x0800, kOffset = 0x0200, kReserved = 0x34f0,
                     kVersion = 0x000f;
  if (bytes.captured < 2) return {};
  const uint16_t flags = load16(bytes.data);
  if ((flags & (kControl | kReserved)) != 0 || (flags & kVersion) != 2) return {};
  uint32_t header = 6 + (flags & kLength ? 2 : 0) + (flags & kSequence ? 4 : 0) + (flags & kOffset ? 2 : 0);
  if (bytes.captured < header) return {};
  const uint8_t* p = bytes.data;
  if (flags & kOffset) header += load16(p + header - 2);
  const uint32_t length = flags & kLength ? load16(p + 2) : bytes.wire;
  if (length > bytes.wire || header > length || header > bytes.captured) return {};
  return {bytes.first(length).skip(header), ether_type::ppp};
}

// Every packet of Teredo is from or to an address of its prefix, or between link-local ones while a client finds its server.
bool is_teredo_address(const uint8_t* address) { return load32(address) == 0x2001'0000 || (load16(address) & 0xffc0) == 0xfe80; }

Inside read_teredo(Bytes bytes) {
  constexpr uint16_t kAuthentication = 0x0001, kOrigin = 0x0000;
  constexpr uint32_t kIpv6Header = 40;
  if (bytes.captured >= 4 && load16(bytes.data) == kAuthentication) {
    const uint32_t size = 4u + bytes.data[2] + bytes.data[3] + 9;  // client id, authentication value, nonce and confirmation
    if (bytes.captured < size) return {};
    bytes = bytes.skip(size);
  }
  if (bytes.captured >= 8 && load16(bytes.data) == kOrigin) bytes = bytes.skip(8);
  if (bytes.captured < kIpv6Header || ip_type(bytes) != ether_type::ipv6) return {};
  if (!is_teredo_address(bytes.data + 8) && !is_teredo_address(bytes.data + 24)) return {};
  return {bytes, ether_type::ipv6};
}

Inside read_by_port(Bytes bytes, uint16_t source_port, uint16_t destination_port) {
  switch (destination_port) {
    case tunnel_port::vxlan:
    case tunnel_port::vxlan_linux:
      return read_vxlan(bytes);
    case tunnel_port::vxlan_gpe:
      return read_vxlan_gpe(bytes);
    case tunnel_port::geneve:
      return read_geneve(bytes);
    case tunnel_port::gtp_u:
      return read_gtp(bytes);
    case tunnel_port::l2tp:
      return read_l2tp(bytes);
    case tunnel_port::teredo:
      return read_teredo(bytes);
    default:
      return source_port == tunnel_port::l2tp ? read_l2tp(bytes) : read_teredo(bytes);
  }
}

}  // namespace

DecodeError decode_udp_tunnel(Bytes datagram, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  return decode_inside(read_by_port(datagram, sighting.source_port, sighting.destination_port), sighting, captured, nest);
}

}  // namespace parallax::layers
