// IPv4 (RFC 791), IPv6 with its extension headers (RFC 8200), ARP (RFC 826).
#include <algorithm>
#include <iterator>

#include "capture/core/bytes.h"
#include "capture/decode/decode_layers.h"

namespace parallax::layers {

namespace {

DecodeError decode_arp(Bytes bytes, Sighting& sighting, CapturedPayload& captured) {
  constexpr uint32_t kPacket = 28;
  // Hardware type Ethernet, protocol IPv4, address lengths 6 and 4.
  constexpr uint32_t kTypes = 0x0001'0800;
  constexpr uint16_t kLengths = 0x0604;
  if (bytes.captured < kPacket || load32(bytes.data) != kTypes || load16(bytes.data + 4) != kLengths)
    return DecodeError::arp_malformed;
  set(sighting, SightingFlag::arp);
  captured.headers_end = bytes.data + kPacket;
  sighting.source_port = load16(bytes.data + 6);  // the operation
  sighting.source = mapped_ipv4(bytes.data + 14);
  sighting.destination = mapped_ipv4(bytes.data + 24);
  return DecodeError::none;
}

// Ethernet types that never enclose an IP packet: what of a network's own housekeeping is met on nearly every link.
bool carries_no_ip(uint16_t type) {
  constexpr uint16_t kTypes[] = {
      0x0842,  // Wake-on-LAN
      0x8035,  // RARP
      0x8137,  // IPX
      0x8808,  // pause
      0x8809,  // LACP and other slow protocols
      0x8863,  // PPPoE discovery
      0x8899,  // Realtek's loop detection
      0x888e,  // EAPOL
      0x8892,  // PROFINET
      0x88a4,  // EtherCAT
      0x88b8,  // GOOSE
      0x88ba,  // sampled values
      0x88ca,  // TIPC
      0x88cc,  // LLDP
      0x88e1,  // HomePlug
      0x88f7,  // PTP
      0x8902,  // CFM
      0x8906,  // FCoE
      0x8914,  // FIP
      0x891d,  // TTE
      0x892f,  // HSR
      0x9000,  // loopback test
  };
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

// A later fragment has no transport header: all of it is payload, and its ports are those of the first one.
DecodeError take_later_fragment(Bytes bytes, uint16_t offset, Sighting& sighting, CapturedPayload& captured) {
  captured.headers_end = bytes.data;
  set(sighting, SightingFlag::later_fragment);
  if (sighting.protocol == ip_protocol::tcp) sighting.seq = offset * 8u;
  sighting.payload_length = bytes.wire;
  return DecodeError::none;
}

// REQUIRES: protocol is set. (SACK blocks stand in the same place.)
void note_span(uint32_t offset, uint32_t length, bool more, Sighting& sighting) {
  set(sighting, SightingFlag::fragment);
  if (sighting.protocol != ip_protocol::tcp) sighting.set_fragment_span({offset * 8, offset * 8 + length, !more});
}

constexpr uint16_t kDontFragment = 0x4000, kMoreFragments = 0x2000, kFragmentOffset = 0x1fff;  // of IPv4

// `flags`: with the offset. Apart, so that decode_ipv4() keeps few registers for what is no fragment.
[[gnu::noinline]] DecodeError decode_ipv4_fragment(Bytes payload, uint16_t flags, Sighting& sighting, CapturedPayload& captured,
                                                   Nest nest) {
  const uint16_t offset = flags & kFragmentOffset;
  note_span(offset, payload.wire, flags & kMoreFragments, sighting);
  return offset != 0 ? take_later_fragment(payload, offset, sighting, captured)
                     : decode_protocol(payload, sighting, captured, nest);
}

}  // namespace

Address mapped_ipv4(const uint8_t* address) {
  Address mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  std::memcpy(mapped.data() + 12, address, 4);
  return mapped;
}

DecodeError decode_network(uint16_t type, Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  switch (type) {
    case ether_type::ipv4:
      return decode_ipv4(bytes, sighting, captured, nest);
    case ether_type::ipv6:
      return decode_ipv6(bytes, sighting, captured, nest);
    case ether_type::arp:
      return decode_arp(bytes, sighting, captured);
    case ether_type::mpls:
    case ether_type::mpls_multicast:
      return decode_mpls(bytes, sighting, captured, nest);
    case ether_type::pppoe_session:
      return decode_pppoe(bytes, sighting, captured, nest);
    default:
      return carries_no_ip(type) ? DecodeError::no_ip : DecodeError::network_unknown;
  }
}

DecodeError decode_ipv4(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  constexpr uint32_t kHeader = 20;
  const uint8_t* p = bytes.data;
  if (bytes.captured < kHeader) return DecodeError::ip_header_cut;
  if (p[0] >> 4 != 4) return DecodeError::ip_version_wrong;
  const uint32_t header = (p[0] & 0x0fu) * 4;
  if (header < kHeader) return DecodeError::ip_header_length_wrong;
  if (bytes.captured < header) return DecodeError::ip_header_cut;
  uint32_t total = load16(p + 2);
  if (total == 0 && !nest.has(Nest::in_fragment)) {  // as the kernel hands a packet to a card that segments it (TSO)
    total = bytes.wire;
    set(sighting, SightingFlag::length_from_frame);
  }
  if (total > bytes.wire && nest.has(Nest::length_holds)) total = bytes.wire;
  if (total < header) return DecodeError::ip_length_wrong;
  if (total > bytes.wire && !extend_cut_frame(total, bytes, sighting, nest)) return DecodeError::ip_length_wrong;

  sighting.ip_id = load16(p + 4);
  sighting.ttl = p[8];
  sighting.protocol = p[9];
  sighting.source = mapped_ipv4(p + 12);
  sighting.destination = mapped_ipv4(p + 16);
  const uint16_t fragment = load16(p + 6);
  if (fragment & kDontFragment) set(sighting, SightingFlag::dont_fragment);
  const Bytes payload = bytes.first(total).skip(header);
  if (fragment & (kMoreFragments | kFragmentOffset)) [[unlikely]]
    return decode_ipv4_fragment(payload, fragment, sighting, captured, nest);
  return decode_protocol(payload, sighting, captured, nest);
}

DecodeError walk_extension_headers(Bytes& bytes, Ipv6Chain& chain) {
  constexpr uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kAuthentication = 51, kDestination = 60, kMobility = 135,
                    kHostIdentity = 139, kShim6 = 140;
  for (int headers = 0;; ++headers) {
    const uint8_t kind = chain.protocol;
    const bool sized = kind == kHopByHop || kind == kRouting || kind == kDestination || kind == kMobility ||
                       kind == kHostIdentity || kind == kShim6;
    if (!sized && kind != kFragment && kind != kAuthentication) return DecodeError::none;
    if (headers == kExtensionHeadersMax) return DecodeError::extension_headers_too_many;
    if (bytes.captured < 8) return DecodeError::extension_header_cut;
    const uint8_t* p = bytes.data;
    uint32_t length = 8;
    if (kind == kFragment) {
      const uint16_t offset_and_more = load16(p + 2);
      chain.fragment_offset = offset_and_more >> 3;
      chain.fragmented = (offset_and_more & 0xfff9) != 0;  // an atomic fragment (RFC 6946) is a whole packet
      chain.more_fragments = (offset_and_more & 1) != 0;
      chain.id = load16(p + 6);
      chain.fragment_length = bytes.wire - 8;
    } else {
      // RFC 4302 counts the authentication header in units of four, less two; the others are in units of eight, less one.
      length = kind == kAuthentication ? (p[1] + 2u) * 4 : (p[1] + 1u) * 8;
    }
    if (bytes.captured < length) return DecodeError::extension_header_cut;
    chain.protocol = p[0];
    bytes = bytes.skip(length);
    if (kind == kFragment && chain.fragment_offset != 0) return DecodeError::none;
  }
}

DecodeError decode_ipv6(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  constexpr uint32_t kHeader = 40;
  constexpr uint8_t kNoNextHeader = 59;
  const uint8_t* p = bytes.data;
  if (bytes.captured < kHeader) return DecodeError::ip_header_cut;
  if (p[0] >> 4 != 6) return DecodeError::ip_version_wrong;
  set(sighting, SightingFlag::ipv6);
  uint32_t length = load16(p + 4);
  if (length == 0 && p[6] != kNoNextHeader &&
      !nest.has(Nest::in_fragment)) {  // a jumbogram (RFC 2675), or to a card that segments it
    length = bytes.wire - kHeader;
    set(sighting, SightingFlag::length_from_frame);
  }
  if (length > bytes.wire - kHeader && nest.has(Nest::length_holds)) length = bytes.wire - kHeader;
  if (length > bytes.wire - kHeader && !extend_cut_frame(length + kHeader, bytes, sighting, nest))
    return DecodeError::ip_length_wrong;

  sighting.ttl = p[7];
  std::memcpy(sighting.source.data(), p + 8, 16);
  std::memcpy(sighting.destination.data(), p + 24, 16);
  Bytes payload = bytes.skip(kHeader).first(length);
  Ipv6Chain chain{.protocol = p[6]};
  const DecodeError error = walk_extension_headers(payload, chain);
  captured.headers_end = payload.data;  // on an error, of what could be read
  if (error != DecodeError::none) return error;
  sighting.protocol = chain.protocol;
  sighting.ip_id = chain.id;
  if (chain.fragmented) {
    note_span(chain.fragment_offset, chain.fragment_length, chain.more_fragments, sighting);
    if (chain.fragment_offset != 0) return take_later_fragment(payload, chain.fragment_offset, sighting, captured);
  }
  return decode_protocol(payload, sighting, captured, nest);
}

}  // namespace parallax::layers
