// The layers of decode(), for its own files alone: link (decode.cpp, decode_link.cpp), internet (decode_internet.cpp), transport
// (decode_transport.cpp, tcp_options.cpp), tunnels (decode_tunnels.cpp: under IP, or over it; decode_udp_tunnels.cpp).
//
// Each layer gets the bytes that are left to it, checks before each read, and hands what it encloses to the next one.
//
// A tunnel's inside enters the same layers again, one deeper in its Nest; beyond kTunnelsMax it is refused with tunnel_too_deep.
// The inner packet's sighting replaces the outer one's. Where a tunnel over IP holds what cannot be read (a control protocol,
// something encrypted, cut, or not a tunnel at all but a port number met by chance), the outer packet's sighting stands.
// Nothing is tried twice: what is inside is decided by looking, so that hostile nesting costs no more than its length.
#pragma once

#include <cstdint>

#include "capture/core/sighting.h"
#include "capture/decode/decode.h"

namespace parallax::layers {

inline constexpr int kVlanTagsMax = 4;
inline constexpr int kExtensionHeadersMax = 8;
inline constexpr uint32_t kTunnelsMax = 8;
inline constexpr int kMplsLabelsMax = 16;
inline constexpr int kGtpExtensionHeadersMax = 8;

namespace ether_type {
inline constexpr uint16_t ipv4 = 0x0800, arp = 0x0806, ipv6 = 0x86dd, vlan = 0x8100, service_vlan = 0x88a8,
                          old_service_vlan = 0x9100, bridged_ethernet = 0x6558, ppp = 0x880b, mpls = 0x8847,
                          mpls_multicast = 0x8848, pppoe_session = 0x8864;
}

inline bool is_vlan_tag(uint16_t type) {
  return type == ether_type::vlan || type == ether_type::service_vlan || type == ether_type::old_service_vlan;
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

// Where in the frame a header stands. One word, so that it is passed in a register: as a struct of small members it was put
// together in memory at every call, and decoding took two to four times as long.
class Nest {
 public:
  enum Flag : uint32_t {
    in_fragment = 1 << 16,       // an outer packet is a first fragment: `wire` of the bytes is what the whole had, or could have
    length_holds = 1 << 17,      // against an IP header that claims more: see decode_pppoe()
    stop_at_fragment = 1 << 18,  // a tunnel that begins in a first fragment is not entered
    in_packet = 1 << 19,         // an outer IP packet says how long this is
  };

  explicit Nest(KeyFrom key_from, uint32_t flags = 0) : word_(static_cast<uint32_t>(key_from) << 8 | flags) {}

  uint32_t tunnels() const { return word_ & 0xff; }  // that are around it
  KeyFrom key_from() const { return static_cast<KeyFrom>(word_ >> 8 & 0xff); }
  bool has(Flag flag) const { return (word_ & flag) != 0; }
  Nest with(Flag flag) const { return Nest(word_ | flag); }
  Nest without(Flag flag) const { return Nest(word_ & ~static_cast<uint32_t>(flag)); }
  Nest deeper() const { return Nest(word_ + 1); }

 private:
  explicit Nest(uint32_t word) : word_(word) {}
  uint32_t word_;
};

inline void set(Sighting& sighting, SightingFlag flag) { sighting.flags |= bit(flag); }

// All that decode() fills. What is always overwritten is cleared as well: the compiler merges these into a few stores.
inline void clear(Sighting& s, CapturedPayload& captured) {
  s.seq = s.ack = s.tsval = s.tsecr = s.payload_length = s.flow_hash = 0;
  s.window = s.ip_id = s.source_port = s.destination_port = s.flags = 0;
  s.protocol = s.ttl = s.tcp_flags = 0;
  s.source = s.destination = {};
  s.sack = {};
  s.key = 0;
  s.mss = 0;
  s.window_scale = s.options = 0;
  captured = {};
}

// From the header that the file's link type says (decode_link.cpp); from a MAC header; from an Ethernet type (or an 802.3
// length), through VLAN tags and SNAP, to the network protocol.
DecodeError decode_link(LinkType type, Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest);
DecodeError decode_ethernet(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest);
DecodeError decode_link_type(uint16_t type, Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest);

DecodeError decode_network(uint16_t type, Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest);
DecodeError decode_ipv4(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest);
DecodeError decode_ipv6(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest);

// The transport within an IP packet, whole or first fragment. `protocol` of the sighting is set.
DecodeError decode_protocol(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest);

// ---- tunnels ----

// What a tunnel's header says of its inside. The identifier is kept only where both directions have the same: see KeyFrom.
enum class TunnelId : uint8_t { none, pppoe_session, gre_key, nvgre_vsid, vxlan_vni, geneve_vni };
struct Inside {
  Bytes bytes;
  uint16_t type = 0;  // Ethernet type, with those of GRE: bridged_ethernet and ppp; 0: cannot be read
  TunnelId id_kind = TunnelId::none;
  uint32_t id = 0;
};

// MPLS (RFC 3032) and PPPoE (RFC 2516), between link and network: there is no outer packet to fall back to.
DecodeError decode_mpls(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest);
DecodeError decode_pppoe(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest);
// PPP (RFC 1661), with HDLC framing or without.
DecodeError decode_ppp(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest);

// GRE, IP in IP, MPLS in IP, by the protocol of the sighting, which stands if the inside cannot be read.
DecodeError decode_ip_tunnel(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest);

// The inside of a tunnel over IP into `sighting`, which holds the outer packet and keeps it if the inside cannot be read.
DecodeError decode_inside(const Inside& inside, Sighting& sighting, CapturedPayload& captured, Nest nest);

// By port: whether a datagram may be a tunnel's. The ports of VXLAN, Geneve and GTP-U are those of the receiver; with L2TP and
// Teredo one end has the port, and the other answers to whatever asked it.
namespace tunnel_port {
inline constexpr uint16_t l2tp = 1701, gtp_u = 2152, teredo = 3544, vxlan = 4789, vxlan_gpe = 4790, geneve = 6081,
                          vxlan_linux = 8472;
}
inline bool is_tunnel_port(uint16_t source, uint16_t destination) {
  switch (destination) {
    case tunnel_port::l2tp:
    case tunnel_port::gtp_u:
    case tunnel_port::teredo:
    case tunnel_port::vxlan:
    case tunnel_port::vxlan_gpe:
    case tunnel_port::geneve:
    case tunnel_port::vxlan_linux:
      return true;
    default:
      return source == tunnel_port::l2tp || source == tunnel_port::teredo;
  }
}
// `datagram`: what follows the UDP header. REQUIRES: is_tunnel_port() of the sighting's ports.
DecodeError decode_udp_tunnel(Bytes datagram, Sighting& sighting, CapturedPayload& captured, Nest nest);

// Type of the IP packet that begins here, by its version; 0: none does.
inline uint16_t ip_type(Bytes bytes) {
  if (bytes.captured == 0) return 0;
  const int version = bytes.data[0] >> 4;
  return version == 4 ? ether_type::ipv4 : version == 6 ? ether_type::ipv6 : uint16_t{0};
}

// A header says that `length` bytes follow, and the frame ends before. Mirrors and packet brokers cut frames before they are
// captured, and then the record's own length is the cut one: the header is right. Only inside another IP packet it is not.
// False: it is malformed. REQUIRES: length > bytes.wire.
inline bool extend_cut_frame(uint32_t length, Bytes& bytes, Sighting& sighting, Nest nest) {
  if (nest.has(Nest::in_packet)) return false;
  bytes.wire = length;
  set(sighting, SightingFlag::cut_short);
  return true;
}

// The chain of IPv6 extension headers, in a packet or in the quote of one. On success `bytes` begin with the header of
// `protocol`.
struct Ipv6Chain {
  uint8_t protocol = 0;
  bool fragmented = false, more_fragments = false;
  uint16_t fragment_offset = 0;  // in units of eight bytes
  uint16_t id = 0;
  uint32_t fragment_length = 0;  // of what was split
};
DecodeError walk_extension_headers(Bytes& bytes, Ipv6Chain& chain);

// `options`: from the end of the fixed TCP header to its data offset; may be cut by the capture.
void read_tcp_options(Bytes options, Sighting& sighting);

// ::ffff:a.b.c.d
Address mapped_ipv4(const uint8_t* address);

}  // namespace parallax::layers
