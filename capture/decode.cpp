#include "capture/decode.h"

#include "capture/bytes.h"
#include "capture/decode_layers.h"
#include "capture/flow_hash.h"

namespace parallax {

using namespace layers;

namespace {

// LLC with the SNAP header of RFC 1042 (or of bridges, 00-00-f8): then an Ethernet type. IEEE 802.2.
bool is_snap(const uint8_t* p) {
  return p[0] == 0xaa && p[1] == 0xaa && p[2] == 0x03 && p[3] == 0 && p[4] == 0 && (p[5] == 0 || p[5] == 0xf8);
}

// From an Ethernet type (or an 802.3 length) through VLAN tags and SNAP to the network protocol.
DecodeError decode_link_type(uint16_t type, Bytes bytes, KeyFrom key_from, DecodedFrame& sighting) {
  constexpr uint32_t kTag = 4, kSnap = 8;
  constexpr uint16_t kFirstType = 0x0600;  // below this it is a length (IEEE 802.3)
  for (int tags = 0;; ++tags) {
    if (type == ether_type::ipv4 || type == ether_type::ipv6) break;
    if (type == ether_type::vlan || type == ether_type::service_vlan || type == ether_type::old_service_vlan) {
      if (tags >= kVlanTagsMax) return DecodeError::vlan_too_deep;
      if (bytes.captured < kTag) return DecodeError::frame_too_short;
      if (tags == 0 && key_from == KeyFrom::vlan) sighting.key = load16(bytes.data) & 0x0fff;
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
  return decode_network(type, bytes, sighting);
}

DecodeError decode_ethernet(Bytes bytes, KeyFrom key_from, DecodedFrame& sighting) {
  constexpr uint32_t kHeader = 14;
  if (bytes.captured < kHeader) return DecodeError::frame_too_short;
  return decode_link_type(load16(bytes.data + 12), bytes.skip(kHeader), key_from, sighting);
}

// Linux cooked capture: `type_offset` of the Ethernet type within a header of `header` bytes.
DecodeError decode_cooked(Bytes bytes, uint32_t header, uint32_t type_offset, KeyFrom key_from, DecodedFrame& sighting) {
  constexpr uint16_t kLlc = 0x0004;  // LINUX_SLL_P_802_2: an LLC header follows, with no length
  if (bytes.captured < header) return DecodeError::frame_too_short;
  uint16_t type = load16(bytes.data + type_offset);
  bytes = bytes.skip(header);
  if (type == kLlc) {
    type = static_cast<uint16_t>(bytes.wire < 0x05ff ? bytes.wire : 0x05ff);
  } else if (type < 0x0600) {
    return DecodeError::network_unknown;
  }
  return decode_link_type(type, bytes, key_from, sighting);
}

// The address family is in the byte order of the writer, and AF_INET6 has another number in each system.
DecodeError decode_loopback(Bytes bytes, DecodedFrame& sighting) {
  constexpr uint32_t kHeader = 4;
  if (bytes.captured < kHeader) return DecodeError::frame_too_short;
  uint32_t family = load32(bytes.data);
  if (family > 0xffff) family = __builtin_bswap32(family);
  bytes = bytes.skip(kHeader);
  switch (family) {
    case 2:
      return decode_network(ether_type::ipv4, bytes, sighting);
    case 10:  // Linux
    case 24:  // NetBSD, OpenBSD
    case 28:  // FreeBSD
    case 30:  // macOS
      return decode_network(ether_type::ipv6, bytes, sighting);
    default:
      return DecodeError::network_unknown;
  }
}

DecodeError decode_raw(Bytes bytes, DecodedFrame& sighting) {
  if (bytes.captured < 1) return DecodeError::frame_too_short;
  switch (bytes.data[0] >> 4) {
    case 4:
      return decode_network(ether_type::ipv4, bytes, sighting);
    case 6:
      return decode_network(ether_type::ipv6, bytes, sighting);
    default:
      return DecodeError::network_unknown;
  }
}

DecodeError decode_link(LinkType type, Bytes bytes, KeyFrom key_from, DecodedFrame& sighting) {
  if (type == LinkType::ethernet) [[likely]]
    return decode_ethernet(bytes, key_from, sighting);
  switch (type) {
    case LinkType::linux_sll:
      return decode_cooked(bytes, 16, 14, key_from, sighting);
    case LinkType::linux_sll2:
      return decode_cooked(bytes, 20, 0, key_from, sighting);
    case LinkType::null_loopback:
    case LinkType::loop:
      return decode_loopback(bytes, sighting);
    case LinkType::raw_ip:
      return decode_raw(bytes, sighting);
    case LinkType::ipv4:
      return decode_network(ether_type::ipv4, bytes, sighting);
    case LinkType::ipv6:
      return decode_network(ether_type::ipv6, bytes, sighting);
    default:
      return DecodeError::link_type_unknown;
  }
}

// All that decode() fills. What is always overwritten is cleared as well: the compiler merges these into a few stores.
void clear(Sighting& s) {
  s.seq = s.ack = s.tsval = s.tsecr = s.payload_length = s.flow_hash = 0;
  s.window = s.ip_id = s.source_port = s.destination_port = s.flags = 0;
  s.protocol = s.ttl = s.tcp_flags = 0;
  s.source = s.destination = {};
  s.sack = {};
  s.key = 0;
  s.mss = 0;
  s.window_scale = s.options = 0;
}

}  // namespace

DecodeError decode(const FrameView& frame, DecodedFrame& decoded, KeyFrom key_from) {
  clear(decoded);
  decoded.payload = nullptr;
  decoded.payload_captured = 0;
  // A file may claim less on the wire than it holds; what it holds is certain.
  const uint32_t wire = frame.wire_length < frame.captured_length ? frame.captured_length : frame.wire_length;
  if (frame.captured_length < wire) set(decoded, SightingFlag::cut_short);
  const DecodeError error = decode_link(frame.link_type, Bytes{frame.data, frame.captured_length, wire}, key_from, decoded);
  decoded.flow_hash = symmetric_flow_hash(decoded);
  return error;
}

DecodeError decode(const FrameView& frame, Sighting& sighting, KeyFrom key_from) {
  DecodedFrame decoded;
  static_cast<Sighting&>(decoded) = sighting;
  const DecodeError error = decode(frame, decoded, key_from);
  sighting = decoded;
  return error;
}

uint32_t flow_hash(const Sighting& sighting) { return symmetric_flow_hash(sighting); }

}  // namespace parallax
