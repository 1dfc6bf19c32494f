// A sighting: one packet as seen at one point, reduced to what the analysis reads.
//
// Written by an rx worker, copied by value through a ring, read by one analysis worker. Two cache lines: what every
// packet needs, then what only look-ups and a few packets need. All numbers are in host byte order.
// By value and not beside the packet: the ring then streams two lines that the consumer needs anyway, and packet
// buffers return to their pool on the core that took them (figures: benchmarks/README.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace parallax {

using PortIndex = uint16_t;  // index into the port table; offline each file (or interface of one) is a port
using PointIndex = uint8_t;  // index into the path, 0 = first named
inline constexpr int kPointsMax = 8;

// An address: IPv6, or IPv4 as ::ffff:a.b.c.d.
using Address = std::array<uint8_t, 16>;

namespace tcp_flag {
inline constexpr uint8_t fin = 0x01, syn = 0x02, rst = 0x04, psh = 0x08, ack = 0x10, urg = 0x20, ece = 0x40, cwr = 0x80;
inline constexpr uint8_t turning = syn | fin | rst;  // opens or closes a direction
}  // namespace tcp_flag

namespace ip_protocol {
inline constexpr uint8_t icmp = 1, ipv4 = 4, tcp = 6, udp = 17, ipv6 = 41, gre = 47, icmpv6 = 58, mpls = 137;
}

// In place of a checksum that does not fit: no segment has it by right, for a sum in ones' complement of what is not all zeros is
// not zero.
inline constexpr uint16_t kWrongChecksum = 0xffff;

enum class SightingFlag : uint16_t {
  ipv6 = 1 << 0,
  fragment = 1 << 1,           // any fragment
  later_fragment = 1 << 2,     // not the first one: no transport header; ports from the fragment table, or 0
  icmp_quote = 1 << 3,         // an ICMP error; addresses, ports, protocol and seq are those of the packet it quotes
  arp = 1 << 4,                // addresses are sender and target protocol address; protocol is 0
  has_timestamps = 1 << 5,     // tsval and tsecr hold
  cut_short = 1 << 6,          // the capture holds less than the wire did
  length_from_frame = 1 << 7,  // IP total length was 0; taken from the frame
  dont_fragment = 1 << 8,
  accurate_ecn = 1 << 9,         // the AE (formerly NS) bit
  options_malformed = 1 << 10,   // the TCP options after the offending one were not read
  has_payload_prefix = 1 << 11,  // the ring of payload prefixes holds the payload's first bytes (capture/core/payload_prefix.h)
  tunnelled = 1 << 12,           // all of this is of a packet inside a tunnel
  outer_fragment = 1 << 13,      // and the packet around it was fragmented: this is its first fragment, with the headers of the
                                 // inner packet; lengths are those of the whole inner packet, of which the frame holds less
  completes_datagram = 1 << 14,  // UDP: with this fragment, first or later, all of its datagram has been seen at this port
  checksum_fits = 1 << 15,       // TCP, of files: it was held against every byte, and is right
};
constexpr uint16_t bit(SightingFlag f) { return static_cast<uint16_t>(f); }

// Bits of Sighting::options: which TCP options a segment carries.
namespace tcp_option {
inline constexpr uint8_t mss = 1, window_scale = 2, sack_permitted = 4, sack = 8, timestamps = 16, fast_open = 32,
                         cut = 64,  // the capture ends within the options: those that follow are unknown, not absent
    other = 128;
}

// Which bytes of what was fragmented a fragment holds, and whether it is the last of them.
struct FragmentSpan {
  uint32_t begin, end;
  uint32_t is_last;
};

struct alignas(64) Sighting {
  // --- hot line ---
  int64_t time_ns;   // UTC, as stamped
  int64_t order_ns;  // the greatest time_ns of its port so far: files may run backwards, the order does not
  uint32_t frame;    // 1-based in its file; live: counts the port's packets, modulo 2^32
  uint32_t seq;      // of a later fragment of TCP: its offset, until the fragment table makes it the number of its first byte; of
                     // UDP the sum of its payload, which a NAT leaves alone: see payload_sum() of decode_transport.cpp. Of a
                     // fragmented datagram the first fragment and the one that completes it have that of all of it
  uint32_t ack;      // the same two: how much payload the whole datagram has
  uint32_t tsval;
  uint32_t tsecr;
  uint32_t payload_length;        // of the transport, on the wire (also where the capture was cut short)
  uint32_t flow_hash;             // symmetric: both directions of a leg have the same
  uint32_t stamp_uncertainty_ns;  // the packet arrived at most this long before time_ns
  uint16_t window;                // unscaled; of an icmp_quote: its type << 8 | code
  uint16_t ip_id;                 // low 16 bits; 0 in IPv6 without a fragment header
  uint16_t source_port;           // ICMP other than errors: type << 8 | code; ARP: operation
  uint16_t destination_port;      // ICMP echo: identifier
  PortIndex port;
  uint16_t flags;    // SightingFlag bits
  uint8_t protocol;  // IP protocol number of the innermost header read; of the quoted packet if icmp_quote
  uint8_t ttl;
  uint8_t tcp_flags;
  PointIndex point;

  // --- cold line ---
  Address source;
  Address destination;
  std::array<uint32_t, 6> sack;  // up to three blocks, left and right edge each; 0,0 = none; see icmp_sender(), fragment_span()
  uint32_t key;                  // outer VLAN, tunnel identifiers; 0 = none. Part of the leg's identity; see KeyFrom
  uint16_t mss;          // as offered; valid by `options`; of an icmp_quote: MTU of the next hop, or 0; of TCP that offers
                         // none: the checksum (0 and
                         // 0xffff: see tcp_checksum.h), but of a first fragment the length of the TCP header
  uint8_t window_scale;  // as offered
  uint8_t options;       // tcp_option bits

  bool has(SightingFlag f) const { return (flags & bit(f)) != 0; }
  // Who sent the ICMP error; it stands where SACK blocks would. REQUIRES: icmp_quote.
  Address icmp_sender() const {
    Address sender;
    std::memcpy(sender.data(), sack.data(), sizeof(sender));
    return sender;
  }
  void set_icmp_sender(const Address& sender) { std::memcpy(sack.data(), sender.data(), sizeof(sender)); }
  // The same place. REQUIRES: a fragment, neither of TCP nor an icmp_quote.
  FragmentSpan fragment_span() const { return {sack[0], sack[1], sack[2]}; }
  void set_fragment_span(const FragmentSpan& span) { sack = {span.begin, span.end, span.is_last, 0, 0, 0}; }

  bool is_tcp() const {
    return protocol == ip_protocol::tcp && !has(SightingFlag::icmp_quote) && !has(SightingFlag::later_fragment);
  }
};
static_assert(sizeof(Sighting) == 128 && offsetof(Sighting, source) == 64);
static_assert(std::is_trivially_copyable_v<Sighting>);

}  // namespace parallax
