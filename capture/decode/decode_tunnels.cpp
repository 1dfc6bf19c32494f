// Tunnels under IP: MPLS (RFC 3032, with Ethernet pseudowires of RFC 4448) and PPPoE (RFC 2516). Over IP: GRE (RFC 2784, 2890),
// NVGRE (RFC 7637), PPTP (RFC 2637), IP in IP (RFC 2003, 2473, 4213), MPLS in IP (RFC 4023). PPP (RFC 1661) in several of them.
#include <nmmintrin.h>

#include "capture/core/bytes.h"
#include "capture/decode/decode_layers.h"

namespace parallax::layers {

namespace {

constexpr uint16_t kPppoeSessionData = 0x1100;  // version 1, type 1, code 0

void add_key(const Inside& inside, Sighting& sighting, KeyFrom key_from) {
  if (inside.id_kind == TunnelId::none || !includes(key_from, KeyFrom::tunnel)) return;
  const uint64_t id = static_cast<uint64_t>(inside.id_kind) << 32 | inside.id;
  const auto key = static_cast<uint32_t>(_mm_crc32_u64(sighting.key, id));
  sighting.key = key != 0 ? key : 1;
}

// Whether an IP packet begins here whose lengths fit.
bool is_ip(Bytes bytes) {
  switch (ip_type(bytes)) {
    case ether_type::ipv4: {
      constexpr uint32_t kHeader = 20;
      if (bytes.captured < kHeader) return false;
      const uint32_t header = (bytes.data[0] & 0x0fu) * 4, total = load16(bytes.data + 2);
      return header >= kHeader && total >= header && total <= bytes.wire;
    }
    case ether_type::ipv6: {
      constexpr uint32_t kHeader = 40;
      return bytes.captured >= kHeader && load16(bytes.data + 4) <= bytes.wire - kHeader;
    }
    default:
      return false;
  }
}

// Whether it is one beyond doubt: by its checksum, or, as IPv6 has none, by a length that fits to the byte.
bool is_ip_beyond_doubt(Bytes bytes) {
  if (!is_ip(bytes)) return false;
  if (ip_type(bytes) == ether_type::ipv6) return load16(bytes.data + 4) == bytes.wire - 40;
  const uint32_t header = (bytes.data[0] & 0x0fu) * 4;
  if (bytes.captured < header) return false;
  uint32_t sum = 0;
  for (uint32_t i = 0; i < header; i += 2) sum += load16(bytes.data + i);  // at most 30 words: folded twice it is 16 bits
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

// Whether an Ethernet frame begins here: its type is one that is read, and what follows bears it out.
bool is_ethernet(Bytes bytes) {
  constexpr uint32_t kHeader = 14, kTag = 4;
  if (bytes.captured < kHeader) return false;
  uint16_t type = load16(bytes.data + 12);
  bytes = bytes.skip(kHeader);
  for (int tags = 0; is_vlan_tag(type); ++tags) {
    if (tags == kVlanTagsMax || bytes.captured < kTag) return false;
    type = load16(bytes.data + 2);
    bytes = bytes.skip(kTag);
  }
  switch (type) {
    case ether_type::ipv4:
    case ether_type::ipv6:
      return ip_type(bytes) == type && is_ip(bytes);
    case ether_type::arp:
      return bytes.captured >= 4 && load32(bytes.data) == 0x0001'0800;  // of Ethernet, for IPv4
    case ether_type::pppoe_session:
      return bytes.captured >= 2 && load16(bytes.data) == kPppoeSessionData;
    case ether_type::mpls:
    case ether_type::mpls_multicast:
      return true;
    default:
      return false;
  }
}

// What follows a label stack is not said there, only agreed between the ends of the path. The first nibble tells IP from a
// control word (RFC 4385, 4928); but a pseudowire may have no control word, and then the nibble is that of a MAC address. So an
// Ethernet frame goes before a nibble alone wherever it can be seen to be one.
Inside below_labels(Bytes bytes) {
  constexpr uint32_t kControlWord = 4;
  if (!is_ip_beyond_doubt(bytes)) {
    if (bytes.captured > kControlWord && bytes.data[0] >> 4 == 0 && is_ethernet(bytes.skip(kControlWord)))
      return {bytes.skip(kControlWord), ether_type::bridged_ethernet};
    if (is_ethernet(bytes)) return {bytes, ether_type::bridged_ethernet};
  }
  return {bytes, ip_type(bytes)};
}

// `nest` is that of the tunnel, not yet one deeper.
DecodeError enter(const Inside& inside, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  if (nest.tunnels() == kTunnelsMax) return DecodeError::tunnel_too_deep;
  nest = nest.deeper();
  set(sighting, SightingFlag::tunnelled);
  add_key(inside, sighting, nest.key_from());
  switch (inside.type) {
    case ether_type::bridged_ethernet:
      return decode_ethernet(inside.bytes, sighting, captured, nest);
    case ether_type::ppp:
      return decode_ppp(inside.bytes, sighting, captured, nest);
    case 0:
      return DecodeError::network_unknown;
    default:
      return decode_network(inside.type, inside.bytes, sighting, captured, nest);
  }
}

// Version 1 of GRE carries PPP, and acknowledgements without any.
Inside read_pptp(Bytes bytes, uint16_t flags) {
  constexpr uint16_t kKey = 0x2000, kSequence = 0x1000, kAcknowledgement = 0x0080, kZero = 0xcf78;
  if ((flags & kZero) != 0 || !(flags & kKey) || !(flags & kSequence)) return {};
  const uint32_t header = flags & kAcknowledgement ? 16 : 12;
  if (bytes.captured < header) return {};
  const uint32_t length = load16(bytes.data + 4);
  if (length > bytes.wire - header) return {};
  return {bytes.skip(header).first(length), ether_type::ppp};
}

Inside read_gre(Bytes bytes) {
  constexpr uint16_t kChecksum = 0x8000, kKey = 0x2000, kSequence = 0x1000, kVersion = 0x0007;
  if (bytes.captured < 4) return {};
  const uint16_t flags = load16(bytes.data), type = load16(bytes.data + 2);
  if ((flags & kVersion) == 1 && type == ether_type::ppp) return read_pptp(bytes, flags);
  // Source routes (RFC 1701) and versions that nobody has defined.
  if ((flags & ~(kChecksum | kKey | kSequence)) != 0) return {};
  switch (type) {
    case ether_type::ipv4:
    case ether_type::ipv6:
    case ether_type::bridged_ethernet:
    case ether_type::ppp:
    case ether_type::mpls:
    case ether_type::mpls_multicast:
      break;
    default:
      return {};
  }
  const uint32_t key_offset = flags & kChecksum ? 8 : 4;
  const uint32_t header = key_offset + (flags & kKey ? 4 : 0) + (flags & kSequence ? 4 : 0);
  if (bytes.captured < header) return {};
  Inside inside{bytes.skip(header), type};
  if (!(flags & kKey)) return inside;
  inside.id = load32(bytes.data + key_offset);
  inside.id_kind = TunnelId::gre_key;
  // NVGRE is Ethernet with a key alone; the low byte tells flows apart and may differ by direction. Its VSIDs begin at 0x1000
  // (RFC 7637, 3.2): smaller keys are of bridges that number their tunnels.
  constexpr uint32_t kVsidMin = 0x1000;
  if (type == ether_type::bridged_ethernet && !(flags & (kChecksum | kSequence)) && inside.id >> 8 >= kVsidMin) {
    inside.id >>= 8;
    inside.id_kind = TunnelId::nvgre_vsid;
  }
  return inside;
}

}  // namespace

DecodeError decode_mpls(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  constexpr uint32_t kEntry = 4;
  for (int labels = 0; labels < kMplsLabelsMax; ++labels) {
    if (bytes.captured < kEntry) return DecodeError::tunnel_header_cut;
    const bool bottom = bytes.data[2] & 1;
    bytes = bytes.skip(kEntry);
    if (bottom) return enter(below_labels(bytes), sighting, captured, nest);
  }
  return DecodeError::tunnel_too_deep;
}

DecodeError decode_ppp(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  // RFC 1661 and 1662: address and control may be left out, and so may the first byte of the protocol where it is zero.
  constexpr uint16_t kIpv4 = 0x0021, kIpv6 = 0x0057, kMpls = 0x0281, kMplsMulticast = 0x0283;
  if (bytes.captured >= 2 && load16(bytes.data) == 0xff03) bytes = bytes.skip(2);
  if (bytes.captured < 2) return DecodeError::tunnel_header_cut;
  const bool compressed = bytes.data[0] & 1;
  const uint16_t protocol = compressed ? bytes.data[0] : load16(bytes.data);
  bytes = bytes.skip(compressed ? 1 : 2);
  switch (protocol) {
    case kIpv4:
      return decode_ipv4(bytes, sighting, captured, nest);
    case kIpv6:
      return decode_ipv6(bytes, sighting, captured, nest);
    case kMpls:
    case kMplsMulticast:
      return decode_mpls(bytes, sighting, captured, nest);
    default:  // from 0x4000 on: control protocols
      return protocol >= 0x4000 ? DecodeError::no_ip : DecodeError::network_unknown;
  }
}

DecodeError decode_pppoe(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  constexpr uint32_t kHeader = 6;
  if (bytes.captured < kHeader) return DecodeError::tunnel_header_cut;
  const uint32_t length = load16(bytes.data + 4);
  if (load16(bytes.data) != kPppoeSessionData) return DecodeError::tunnel_header_wrong;
  if (length > bytes.wire - kHeader && !extend_cut_frame(length + kHeader, bytes, sighting, nest))
    return DecodeError::tunnel_header_wrong;
  // An IP header may claim more than PPPoE has for it, where some tool took the padding of short frames for a part of the
  // packet. Wireshark believes PPPoE, and the sequence numbers of such captures bear it out.
  return enter({bytes.skip(kHeader).first(length), ether_type::ppp, TunnelId::pppoe_session, load16(bytes.data + 2)}, sighting,
               captured, nest.with(Nest::length_holds));
}

DecodeError decode_inside(const Inside& inside, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  const bool fragment = sighting.has(SightingFlag::fragment);
  if (inside.type == 0 || (fragment && nest.has(Nest::stop_at_fragment))) return DecodeError::none;
  const Sighting outer = sighting;
  const CapturedPayload outer_captured = captured;
  nest = nest.without(Nest::length_holds).with(Nest::in_packet);
  if (fragment) nest = nest.with(Nest::in_fragment);
  clear(sighting, captured);
  sighting.key = outer.key;
  sighting.flags = outer.flags & bit(SightingFlag::cut_short);
  if (nest.has(Nest::in_fragment)) set(sighting, SightingFlag::outer_fragment);
  const DecodeError error = enter(inside, sighting, captured, nest);
  if (error == DecodeError::none || error == DecodeError::tunnel_too_deep) return error;
  sighting = outer;
  captured = outer_captured;
  return DecodeError::none;
}

DecodeError decode_ip_tunnel(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  sighting.payload_length = bytes.wire;
  // How much the rest of a fragmented packet holds is not known; what it encloses says.
  if (sighting.has(SightingFlag::fragment)) bytes.wire = 0xffff;
  switch (sighting.protocol) {
    case ip_protocol::ipv4:
      return decode_inside({bytes, ether_type::ipv4}, sighting, captured, nest);
    case ip_protocol::ipv6:
      return decode_inside({bytes, ether_type::ipv6}, sighting, captured, nest);
    case ip_protocol::mpls:
      return decode_inside({bytes, ether_type::mpls}, sighting, captured, nest);
    default:
      return decode_inside(read_gre(bytes), sighting, captured, nest);
  }
}

}  // namespace parallax::layers
