// Link types other than Ethernet: what stands before the network protocol in files of other machines.
#include <algorithm>

#include "capture/core/bytes.h"
#include "capture/decode/decode_layers.h"

namespace parallax::layers {

namespace {

// An LLC header whose length no header says: that of the frame, as IEEE 802.3 would have written it.
DecodeError decode_llc(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  constexpr uint32_t kLengthMax = 0x05ff;
  return decode_link_type(static_cast<uint16_t>(std::min(bytes.wire, kLengthMax)), bytes, sighting, captured, nest);
}

// Linux cooked capture: `type_offset` of the Ethernet type within a header of `header` bytes.
DecodeError decode_cooked(Bytes bytes, uint32_t header, uint32_t type_offset, Sighting& sighting, CapturedPayload& captured,
                          Nest nest) {
  constexpr uint16_t kLlc = 0x0004;  // LINUX_SLL_P_802_2: an LLC header follows, with no length
  if (bytes.captured < header) return DecodeError::frame_too_short;
  uint16_t type = load16(bytes.data + type_offset);
  bytes = bytes.skip(header);
  if (type == kLlc) {
    return decode_llc(bytes, sighting, captured, nest);
  } else if (type < 0x0600) {
    return DecodeError::network_unknown;
  }
  return decode_link_type(type, bytes, sighting, captured, nest);
}

// The address family is in the byte order of the writer, and AF_INET6 has another number in each system.
DecodeError decode_loopback(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  constexpr uint32_t kHeader = 4;
  if (bytes.captured < kHeader) return DecodeError::frame_too_short;
  uint32_t family = load32(bytes.data);
  if (family > 0xffff) family = __builtin_bswap32(family);
  bytes = bytes.skip(kHeader);
  switch (family) {
    case 2:
      return decode_network(ether_type::ipv4, bytes, sighting, captured, nest);
    case 10:  // Linux
    case 24:  // NetBSD, OpenBSD
    case 28:  // FreeBSD
    case 30:  // macOS
      return decode_network(ether_type::ipv6, bytes, sighting, captured, nest);
    default:
      return DecodeError::network_unknown;
  }
}

DecodeError decode_raw(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  if (bytes.captured < 1) return DecodeError::frame_too_short;
  switch (bytes.data[0] >> 4) {
    case 4:
      return decode_network(ether_type::ipv4, bytes, sighting, captured, nest);
    case 6:
      return decode_network(ether_type::ipv6, bytes, sighting, captured, nest);
    default:
      return DecodeError::network_unknown;
  }
}

// A header of fixed size with the Ethernet type in its last two bytes.
DecodeError decode_typed(Bytes bytes, uint32_t header, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  if (bytes.captured < header) return DecodeError::frame_too_short;
  return decode_link_type(load16(bytes.data + header - 2), bytes.skip(header), sighting, captured, nest);
}

// PPP after a byte that is not PPP's: the direction, as pppd and some routers write it.
DecodeError decode_directed_ppp(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  if (bytes.captured < 1) return DecodeError::frame_too_short;
  bytes = bytes.skip(1);
  // pppd puts the direction in the place of the address; the control byte is left over.
  if (bytes.captured >= 1 && bytes.data[0] == 0x03) bytes = bytes.skip(1);
  return decode_ppp(bytes, sighting, captured, nest);
}

// RFC 1662, or Cisco HDLC, which is told by its address: 0f unicast, 8f multicast.
DecodeError decode_hdlc(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  if (bytes.captured >= 1 && (bytes.data[0] == 0x0f || bytes.data[0] == 0x8f))
    return decode_typed(bytes, 4, sighting, captured, nest);
  return decode_ppp(bytes, sighting, captured, nest);
}

// A frame control byte of 01xxxxxx (FDDI: 0101xxxx, asynchronous) and two addresses, then LLC. In Token Ring (IEEE 802.5) access
// control comes first, and a source route follows where the first bit of the source address says so.
DecodeError decode_fddi(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  constexpr uint32_t kHeader = 13;
  if (bytes.captured < kHeader) return DecodeError::frame_too_short;
  if ((bytes.data[0] & 0xf0) != 0x50) return DecodeError::no_ip;
  return decode_llc(bytes.skip(kHeader), sighting, captured, nest);
}

DecodeError decode_token_ring(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  constexpr uint32_t kHeader = 14;
  if (bytes.captured < kHeader + 1) return DecodeError::frame_too_short;
  if ((bytes.data[1] & 0xc0) != 0x40) return DecodeError::no_ip;
  const uint32_t route = (bytes.data[8] & 0x80) != 0 ? bytes.data[kHeader] & 0x1f : 0;
  if (bytes.captured < kHeader + route) return DecodeError::frame_too_short;
  return decode_llc(bytes.skip(kHeader + route), sighting, captured, nest);
}

// IEEE 802.11 data frames. Those that are encrypted, or hold several (A-MSDU), cannot be read.
DecodeError decode_wlan(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  constexpr uint32_t kHeader = 24, kFourthAddress = 6, kQos = 2, kHtControl = 4;
  if (bytes.captured < 2) return DecodeError::frame_too_short;
  const uint8_t kind = bytes.data[0], flags = bytes.data[1];
  if ((kind & 0x0c) != 0x08 || (kind & 0x40) != 0) return DecodeError::no_ip;  // management, control, data without data
  const bool both_systems = (flags & 0x03) == 0x03, qos = (kind & 0x80) != 0, order = (flags & 0x80) != 0;
  const uint32_t before_qos = kHeader + (both_systems ? kFourthAddress : 0);
  const uint32_t header = before_qos + (qos ? kQos + (order ? kHtControl : 0) : 0);
  if (bytes.captured < header) return DecodeError::frame_too_short;
  const bool encrypted = (flags & 0x40) != 0, several = qos && (bytes.data[before_qos] & 0x80) != 0;
  if (encrypted || several) return DecodeError::network_unknown;
  return decode_llc(bytes.skip(header), sighting, captured, nest);
}

DecodeError decode_radiotap(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  constexpr uint32_t kHeader = 8;
  if (bytes.captured < kHeader) return DecodeError::frame_too_short;
  const uint32_t header = bytes.data[2] | bytes.data[3] << 8;
  if (header < kHeader || bytes.captured < header) return DecodeError::frame_too_short;
  return decode_wlan(bytes.skip(header), sighting, captured, nest);
}

// The header's length is its first byte, and it is padded to four. Newer systems have longer ones.
DecodeError decode_pflog(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  constexpr uint32_t kHeaderMin = 45;
  if (bytes.captured < kHeaderMin) return DecodeError::frame_too_short;
  const uint32_t header = (bytes.data[0] + 3u) & ~3u;
  if (header < kHeaderMin || bytes.captured < header) return DecodeError::frame_too_short;
  return decode_raw(bytes.skip(header), sighting, captured, nest);
}

// Netfilter's log: attributes, each with its length and type in the byte order of the writer, padded to four. Types are small,
// so that the order shows.
DecodeError decode_nflog(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  constexpr uint32_t kHeader = 4, kAttribute = 4;
  constexpr uint16_t kPayload = 9;
  constexpr int kAttributesMax = 64;
  if (bytes.captured < kHeader) return DecodeError::frame_too_short;
  bytes = bytes.skip(kHeader);
  for (int i = 0; i < kAttributesMax; ++i) {
    if (bytes.captured < kAttribute) return bytes.wire < kAttribute ? DecodeError::no_ip : DecodeError::frame_too_short;
    const uint8_t* p = bytes.data;
    const bool big_endian = p[2] == 0;
    const uint32_t length = big_endian ? load16(p) : static_cast<uint32_t>(p[0] | p[1] << 8);
    const uint32_t type = big_endian ? load16(p + 2) : static_cast<uint32_t>(p[2] | p[3] << 8);
    if (length < kAttribute) return DecodeError::frame_too_short;
    if (type == kPayload) {
      bytes = bytes.skip(kAttribute);
      return decode_raw(bytes.first(std::min(length - kAttribute, bytes.wire)), sighting, captured, nest);
    }
    const uint32_t padded = (length + 3) & ~3u;
    if (bytes.captured < padded) return DecodeError::frame_too_short;
    bytes = bytes.skip(padded);
  }
  return DecodeError::network_unknown;
}

}  // namespace

DecodeError decode_link(LinkType type, Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  switch (type) {
    case LinkType::ethernet:
      return decode_ethernet(bytes, sighting, captured, nest);
    case LinkType::linux_sll:
      return decode_cooked(bytes, 16, 14, sighting, captured, nest);
    case LinkType::linux_sll2:
      return decode_cooked(bytes, 20, 0, sighting, captured, nest);
    case LinkType::null_loopback:
    case LinkType::loop:
      return decode_loopback(bytes, sighting, captured, nest);
    case LinkType::raw_ip:
      return decode_raw(bytes, sighting, captured, nest);
    case LinkType::ipv4:
      return decode_network(ether_type::ipv4, bytes, sighting, captured, nest);
    case LinkType::ipv6:
      return decode_network(ether_type::ipv6, bytes, sighting, captured, nest);
    case LinkType::ppp:
    case LinkType::ppp_hdlc:
      return decode_hdlc(bytes, sighting, captured, nest);
    case LinkType::ppp_ethernet:
      return decode_pppoe(bytes, sighting, captured, nest);
    case LinkType::ppp_pppd:
    case LinkType::ppp_with_direction:
      return decode_directed_ppp(bytes, sighting, captured, nest);
    case LinkType::cisco_hdlc:
      return decode_typed(bytes, 4, sighting, captured, nest);
    case LinkType::fddi:
      return decode_fddi(bytes, sighting, captured, nest);
    case LinkType::token_ring:
      return decode_token_ring(bytes, sighting, captured, nest);
    case LinkType::wlan:
      return decode_wlan(bytes, sighting, captured, nest);
    case LinkType::wlan_radiotap:
      return decode_radiotap(bytes, sighting, captured, nest);
    case LinkType::pflog:
      return decode_pflog(bytes, sighting, captured, nest);
    case LinkType::nflog:
      return decode_nflog(bytes, sighting, captured, nest);
  }
  return DecodeError::link_type_unknown;
}

}  // namespace parallax::layers
