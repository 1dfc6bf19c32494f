#include "capture/decode/decode.h"

#include "capture/core/bytes.h"
#include "capture/decode/decode_layers.h"
#include "capture/decode/flow_hash.h"

namespace parallax {

using namespace layers;

namespace {

// LLC with the SNAP header of RFC 1042 (or of bridges, 00-00-f8): then an Ethernet type. IEEE 802.2.
bool is_snap(const uint8_t* p) {
  return p[0] == 0xaa && p[1] == 0xaa && p[2] == 0x03 && p[3] == 0 && p[4] == 0 && (p[5] == 0 || p[5] == 0xf8);
}

// Linux cooked capture: `type_offset` of the Ethernet type within a header of `header` bytes.
DecodeError decode_cooked(Bytes bytes, uint32_t header, uint32_t type_offset, DecodedFrame& sighting, Nest nest) {
  constexpr uint16_t kLlc = 0x0004;  // LINUX_SLL_P_802_2: an LLC header follows, with no length
  if (bytes.captured < header) return DecodeError::frame_too_short;
  uint16_t type = load16(bytes.data + type_offset);
  bytes = bytes.skip(header);
  if (type == kLlc) {
    type = static_cast<uint16_t>(bytes.wire < 0x05ff ? bytes.wire : 0x05ff);
  } else if (type < 0x0600) {
    return DecodeError::network_unknown;
  }
  return decode_link_type(type, bytes, sighting, nest);
}

// The address family is in the byte order of the writer, and AF_INET6 has another number in each system.
DecodeError decode_loopback(Bytes bytes, DecodedFrame& sighting, Nest nest) {
  constexpr uint32_t kHeader = 4;
  if (bytes.captured < kHeader) return DecodeError::frame_too_short;
  uint32_t family = load32(bytes.data);
  if (family > 0xffff) family = __builtin_bswap32(family);
  bytes = bytes.skip(kHeader);
  switch (family) {
    case 2:
      return decode_network(ether_type::ipv4, bytes, sighting, nest);
    case 10:  // Linux
    case 24:  // NetBSD, OpenBSD
    case 28:  // FreeBSD
    case 30:  // macOS
      return decode_network(ether_type::ipv6, bytes, sighting, nest);
    default:
      return DecodeError::network_unknown;
  }
}

DecodeError decode_raw(Bytes bytes, DecodedFrame& sighting, Nest nest) {
  if (bytes.captured < 1) return DecodeError::frame_too_short;
  switch (bytes.data[0] >> 4) {
    case 4:
      return decode_network(ether_type::ipv4, bytes, sighting, nest);
    case 6:
      return decode_network(ether_type::ipv6, bytes, sighting, nest);
    default:
      return DecodeError::network_unknown;
  }
}

DecodeError decode_link(LinkType type, Bytes bytes, DecodedFrame& sighting, Nest nest) {
  if (type == LinkType::ethernet) [[likely]]
    return decode_ethernet(bytes, sighting, nest);
  switch (type) {
    case LinkType::linux_sll:
      return decode_cooked(bytes, 16, 14, sighting, nest);
    case LinkType::linux_sll2:
      return decode_cooked(bytes, 20, 0, sighting, nest);
    case LinkType::null_loopback:
    case LinkType::loop:
      return decode_loopback(bytes, sighting, nest);
    case LinkType::raw_ip:
      return decode_raw(bytes, sighting, nest);
    case LinkType::ipv4:
      return decode_network(ether_type::ipv4, bytes, sighting, nest);
    case LinkType::ipv6:
      return decode_network(ether_type::ipv6, bytes, sighting, nest);
    default:
      return DecodeError::link_type_unknown;
  }
}

DecodeError decode_frame(const FrameView& frame, DecodedFrame& decoded, Nest nest) {
  clear(decoded);
  // A file may claim less on the wire than it holds; what it holds is certain.
  const uint32_t wire = frame.wire_length < frame.captured_length ? frame.captured_length : frame.wire_length;
  if (frame.captured_length < wire) set(decoded, SightingFlag::cut_short);
  const DecodeError error = decode_link(frame.link_type, Bytes{frame.data, frame.captured_length, wire}, decoded, nest);
  decoded.flow_hash = symmetric_flow_hash(decoded);
  return error;
}

DecodeError decode_without_payload(const FrameView& frame, Sighting& sighting, Nest nest) {
  DecodedFrame decoded;
  static_cast<Sighting&>(decoded) = sighting;
  const DecodeError error = decode_frame(frame, decoded, nest);
  sighting = decoded;
  return error;
}

}  // namespace

DecodeError layers::decode_link_type(uint16_t type, Bytes bytes, DecodedFrame& sighting, Nest nest) {
  constexpr uint32_t kTag = 4, kSnap = 8;
  constexpr uint16_t kFirstType = 0x0600;  // below this it is a length (IEEE 802.3)
  for (int tags = 0;; ++tags) {
    if (type == ether_type::ipv4 || type == ether_type::ipv6) break;
    if (is_vlan_tag(type)) {
      if (tags >= kVlanTagsMax) return DecodeError::vlan_too_deep;
      if (bytes.captured < kTag) return DecodeError::frame_too_short;
      if (tags == 0 && nest.tunnels() == 0 && includes(nest.key_from(), KeyFrom::vlan))
        sighting.key = load16(bytes.data) & 0x0fff;
      type = load16(bytes.data + 2);
      bytes = bytes.skip(kTag);
    } else if (type < kFirstType) {
      if (tags > kVlanTagsMax) return DecodeError::network_unknown;
      if (type < bytes.wire) bytes = bytes.first(type);
      if (bytes.captured < kSnap) return bytes.wire < kSnap ? DecodeError::network_unknown : DecodeError::frame_too_short;
      if (!is_snap(bytes.data)) return DecodeError::network_unknown;
      type = load16(bytes.data + 6);
      bytes = bytes.skip(kSnap);
      if (type < kFirstType) return DecodeError::network_unknown;
    } else {
      break;
    }
  }
  return decode_network(type, bytes, sighting, nest);
}

DecodeError layers::decode_ethernet(Bytes bytes, DecodedFrame& sighting, Nest nest) {
  constexpr uint32_t kHeader = 14;
  if (bytes.captured < kHeader) return DecodeError::frame_too_short;
  return decode_link_type(load16(bytes.data + 12), bytes.skip(kHeader), sighting, nest);
}

DecodeError decode(const FrameView& frame, DecodedFrame& decoded, KeyFrom key_from) {
  return decode_frame(frame, decoded, Nest(key_from));
}

DecodeError decode(const FrameView& frame, Sighting& sighting, KeyFrom key_from) {
  return decode_without_payload(frame, sighting, Nest(key_from));
}

DecodeError decode_carrier(const FrameView& frame, Sighting& sighting) {
  return decode_without_payload(frame, sighting, Nest(KeyFrom::nothing, Nest::stop_at_fragment));
}

uint32_t flow_hash(const Sighting& sighting) { return symmetric_flow_hash(sighting); }

}  // namespace parallax
