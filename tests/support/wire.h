// Frames written byte by byte, right or wrong: for tests of the decoder, which must be told of every malformed shape.
//
// Nothing is computed or checked on the way. Well-formed frames are made by the packet builder.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "capture/decode/decode.h"

namespace parallax::test {

using Wire = std::vector<uint8_t>;

inline Wire operator+(Wire left, const Wire& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}
inline Wire be16(uint32_t v) { return {static_cast<uint8_t>(v >> 8), static_cast<uint8_t>(v)}; }
inline Wire be32(uint32_t v) { return be16(v >> 16) + be16(v & 0xffff); }
inline Wire zeros(size_t count) { return Wire(count, 0); }

inline Wire ethernet(uint16_t type) { return Wire{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1} + be16(type); }
inline Wire vlan_tag(uint16_t id, uint16_t next_type) { return be16(id) + be16(next_type); }

struct Ipv4Fields {
  uint8_t protocol = 6;
  uint32_t payload = 0;   // bytes after the header: sets the total length
  int total_length = -1;  // instead of the right one
  uint16_t id = 0x1234;
  uint16_t fragment = 0x4000;  // flags and offset
  uint8_t ttl = 61;
  Wire options = {};               // a multiple of four bytes
  uint8_t version_and_length = 0;  // instead of the right one
};
inline Wire ipv4(const Ipv4Fields& f) {
  const auto header = static_cast<uint32_t>(20 + f.options.size());
  const uint8_t first = f.version_and_length ? f.version_and_length : static_cast<uint8_t>(0x40 | header / 4);
  return Wire{first, 0} + be16(f.total_length >= 0 ? f.total_length : header + f.payload) + be16(f.id) + be16(f.fragment) +
         Wire{f.ttl, f.protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2} + f.options;
}

inline Wire ipv6(uint8_t next_header, uint32_t payload) {
  Wire header = be32(0x60000000) + be16(payload) + Wire{next_header, 57};
  header = header + Wire{0x20, 1, 0xd, 0xb8} + zeros(11) + Wire{1};
  return header + Wire{0x20, 1, 0xd, 0xb8} + zeros(11) + Wire{2};
}
// Of hop-by-hop, routing, destination: `units` of eight bytes after the first eight.
inline Wire extension(uint8_t next_header, uint8_t units = 0) { return Wire{next_header, units} + zeros(6 + units * 8u); }
inline Wire fragment_header(uint8_t next_header, uint16_t offset_units, bool more, uint32_t id) {
  return Wire{next_header, 0} + be16(offset_units << 3 | (more ? 1 : 0)) + be32(id);
}

inline Wire tcp(uint8_t flags, const Wire& options = {}, int offset_words = -1) {
  const auto words = offset_words >= 0 ? static_cast<uint8_t>(offset_words) : static_cast<uint8_t>(5 + options.size() / 4);
  return be16(40000) + be16(443) + be32(0x01020304) + be32(0x05060708) + Wire{static_cast<uint8_t>(words << 4), flags} +
         be16(0x7210) + zeros(4) + options;
}
inline Wire udp(uint32_t payload, int length = -1) {
  return be16(5353) + be16(53) + be16(length >= 0 ? length : 8 + payload) + be16(0);
}
inline Wire icmp(uint8_t type, uint8_t code, uint32_t rest) { return Wire{type, code, 0, 0} + be32(rest); }

inline Wire arp_request() {
  return be16(1) + be16(0x0800) + Wire{6, 4} + be16(1) + Wire{2, 0, 0, 0, 0, 1, 192, 0, 2, 1} + zeros(6) + Wire{192, 0, 2, 9};
}

// An Ethernet frame with IPv4 before `rest`.
inline Wire ipv4_frame(uint8_t protocol, const Wire& rest) {
  return ethernet(0x0800) + ipv4({.protocol = protocol, .payload = static_cast<uint32_t>(rest.size())}) + rest;
}
inline Wire ipv6_frame(uint8_t next_header, const Wire& rest) {
  return ethernet(0x86dd) + ipv6(next_header, static_cast<uint32_t>(rest.size())) + rest;
}

struct Decoded {
  DecodeError error;
  Sighting sighting;
  Wire payload;  // as far as it was captured
};
// From a heap buffer of exactly the captured size, so that the address sanitizer sees a read beyond it.
inline Decoded decoded(const Wire& frame, LinkType link_type = LinkType::ethernet, uint32_t wire_length = 0,
                       KeyFrom key_from = KeyFrom::nothing) {
  const Wire exact(frame.begin(), frame.end());
  Decoded result{};
  const auto length = static_cast<uint32_t>(exact.size());
  DecodedFrame decoded{};
  result.error = decode({exact.data(), length, wire_length ? wire_length : length, link_type}, decoded, key_from);
  result.sighting = decoded;
  if (result.error == DecodeError::none) result.payload.assign(decoded.payload, decoded.payload + decoded.payload_captured);
  return result;
}

}  // namespace parallax::test
