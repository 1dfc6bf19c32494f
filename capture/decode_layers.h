// The layers of decode(), for its own files alone: link (decode.cpp), internet (decode_internet.cpp), transport
// (decode_transport.cpp, tcp_options.cpp).
//
// Each layer gets the bytes that are left to it, checks before each read, and hands what it encloses to the next one.
//
// The place of tunnels: what a frame encloses enters through decode_network(), by Ethernet type. A tunnel is a further case
// there (MPLS, PPPoE) or in decode_protocol() (GRE, IP in IP, and by UDP port VXLAN, GTP), which calls decode_network() again
// with `depth` + 1, refused beyond kTunnelsMax with tunnel_too_deep; the inner packet overwrites the outer one's fields.
#pragma once

#include <cstdint>

#include "capture/decode.h"
#include "capture/sighting.h"

namespace parallax::layers {

inline constexpr int kVlanTagsMax = 4;
inline constexpr int kExtensionHeadersMax = 8;

namespace ether_type {
inline constexpr uint16_t ipv4 = 0x0800, arp = 0x0806, ipv6 = 0x86dd, vlan = 0x8100, service_vlan = 0x88a8,
                          old_service_vlan = 0x9100;
}

// What is left of the frame: bytes held by the capture, and as many as there were on the wire. captured <= wire.
struct Bytes {
  const uint8_t* data;
  uint32_t captured;
  uint32_t wire;

  // REQUIRES: count <= captured.
  Bytes skip(uint32_t count) const { return {data + count, captured - count, wire - count}; }
  // What follows is padding or a trailer. REQUIRES: count <= wire.
  Bytes first(uint32_t count) const { return {data, captured < count ? captured : count, count}; }
};

inline void set(Sighting& sighting, SightingFlag flag) { sighting.flags |= bit(flag); }

DecodeError decode_network(uint16_t type, Bytes bytes, DecodedFrame& sighting);
DecodeError decode_ipv4(Bytes bytes, DecodedFrame& sighting);
DecodeError decode_ipv6(Bytes bytes, DecodedFrame& sighting);

// The transport within an IP packet, whole or first fragment. `protocol` of the sighting is set.
DecodeError decode_protocol(Bytes bytes, DecodedFrame& sighting);

// The chain of IPv6 extension headers, in a packet or in the quote of one. On success `bytes` begin with the header of
// `protocol`.
struct Ipv6Chain {
  uint8_t protocol;
  bool fragmented;
  uint16_t fragment_offset;  // in units of eight bytes
  uint16_t id;
};
DecodeError walk_extension_headers(Bytes& bytes, Ipv6Chain& chain);

// `options`: from the end of the fixed TCP header to its data offset; may be cut by the capture.
void read_tcp_options(Bytes options, Sighting& sighting);

// ::ffff:a.b.c.d
Address mapped_ipv4(const uint8_t* address);

}  // namespace parallax::layers
