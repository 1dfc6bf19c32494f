#include "capture/decode/decode.h"

#include "capture/core/bytes.h"
#include "capture/core/process_secret.h"
#include "capture/decode/decode_layers.h"
#include "capture/decode/flow_hash.h"

namespace parallax {

using namespace layers;

const std::array<uint64_t, 5> kFlowHashKeys = [] {
  std::array<uint64_t, 5> keys;
  uint64_t state = process_secret();
  for (uint64_t& key : keys) key = state = folded_product(state ^ 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9) | 1;
  return keys;
}();

namespace {

// LLC with the SNAP header of RFC 1042 (or of bridges, 00-00-f8): then an Ethernet type. IEEE 802.2.
bool is_snap(const uint8_t* p) {
  return p[0] == 0xaa && p[1] == 0xaa && p[2] == 0x03 && p[3] == 0 && p[4] == 0 && (p[5] == 0 || p[5] == 0xf8);
}

DecodeError decode_frame(const FrameView& frame, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  clear(sighting, captured);
  // A file may claim less on the wire than it holds; what it holds is certain.
  const uint32_t wire = frame.wire_length < frame.captured_length ? frame.captured_length : frame.wire_length;
  if (frame.captured_length < wire) set(sighting, SightingFlag::cut_short);
  const Bytes bytes{frame.data, frame.captured_length, wire};
  const DecodeError error = frame.link_type == LinkType::ethernet ? decode_ethernet(bytes, sighting, captured, nest)
                                                                  : decode_link(frame.link_type, bytes, sighting, captured, nest);
  sighting.flow_hash = symmetric_flow_hash(sighting);
  return error;
}

DecodeError decode_without_payload(const FrameView& frame, Sighting& sighting, Nest nest) {
  CapturedPayload captured;
  return decode_frame(frame, sighting, captured, nest);
}

}  // namespace

DecodeError layers::decode_link_type(uint16_t type, Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
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
      if (bytes.captured < kSnap) return bytes.wire < kSnap ? DecodeError::no_ip : DecodeError::frame_too_short;
      if (!is_snap(bytes.data)) return DecodeError::no_ip;
      type = load16(bytes.data + 6);
      bytes = bytes.skip(kSnap);
      if (type < kFirstType) return DecodeError::no_ip;
    } else {
      break;
    }
  }
  return decode_network(type, bytes, sighting, captured, nest);
}

DecodeError layers::decode_ethernet(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  constexpr uint32_t kHeader = 14;
  if (bytes.captured < kHeader) return DecodeError::frame_too_short;
  const uint16_t type = load16(bytes.data + 12);
  if (type == ether_type::ipv4) [[likely]]
    return decode_ipv4(bytes.skip(kHeader), sighting, captured, nest);
  return decode_link_type(type, bytes.skip(kHeader), sighting, captured, nest);
}

DecodeError decode(const FrameView& frame, Sighting& sighting, CapturedPayload& captured, KeyFrom key_from) {
  return decode_frame(frame, sighting, captured, Nest(key_from));
}

DecodeError decode(const FrameView& frame, Sighting& sighting, KeyFrom key_from) {
  return decode_without_payload(frame, sighting, Nest(key_from));
}

DecodeError decode_outer(const FrameView& frame, Sighting& sighting) {
  return decode_without_payload(frame, sighting, Nest(KeyFrom::nothing, Nest::stop_at_fragment));
}

uint32_t flow_hash(const Sighting& sighting) { return symmetric_flow_hash(sighting); }

}  // namespace parallax
