// TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792) and ICMPv6 (RFC 4443) with the packets that their errors quote.
#include <nmmintrin.h>

#include <algorithm>

#include "capture/core/bytes.h"
#include "capture/decode/decode_layers.h"

namespace parallax::layers {

namespace {

// REQUIRES: `payload` begins with the first byte after the header.
void note_payload(Bytes payload, Sighting& sighting, CapturedPayload& captured) {
  sighting.payload_length = payload.wire;
  captured = {payload.captured > 0 ? payload.data : nullptr, payload.captured, payload.data};
}

DecodeError decode_tcp(Bytes bytes, Sighting& sighting, CapturedPayload& captured) {
  constexpr uint32_t kHeader = 20;
  const uint8_t* p = bytes.data;
  captured.headers_end = p;
  if (bytes.captured < kHeader) return DecodeError::transport_cut;
  const uint32_t header = (p[12] >> 4) * 4u;
  if (header < kHeader) return DecodeError::tcp_offset_wrong;
  if (header > bytes.wire)
    return sighting.has(SightingFlag::fragment) ? DecodeError::transport_cut : DecodeError::tcp_offset_wrong;

  sighting.source_port = load16(p);
  sighting.destination_port = load16(p + 2);
  sighting.seq = load32(p + 4);
  sighting.ack = load32(p + 8);
  sighting.tcp_flags = p[13];
  sighting.window = load16(p + 14);
  sighting.mss = load16(p + 16);  // the checksum, unless an MSS takes its place
  if (bytes.captured >= header) {
    note_payload(bytes.skip(header), sighting, captured);
  } else {
    sighting.payload_length = bytes.wire - header;
    captured.headers_end = p + bytes.captured;
  }
  sighting.flags |= static_cast<uint16_t>((p[12] & 1) * bit(SightingFlag::accurate_ecn));

  // Nearly every segment of an established connection: NOP, NOP, timestamps (RFC 7323, appendix A).
  constexpr uint32_t kTimestampsAlone = 0x0101'080a;
  if (header == 32 && bytes.captured >= 32 && load32(p + 20) == kTimestampsAlone) [[likely]] {
    sighting.tsval = load32(p + 24);
    sighting.tsecr = load32(p + 28);
    sighting.options = tcp_option::timestamps;
    set(sighting, SightingFlag::has_timestamps);
  } else if (header > kHeader) {
    read_tcp_options(bytes.first(header).skip(kHeader), sighting);
  }
  if (sighting.has(SightingFlag::fragment) && !(sighting.options & tcp_option::mss)) [[unlikely]]
    sighting.mss = static_cast<uint16_t>(header);
  return DecodeError::none;
}

uint32_t folded(uint64_t sum) {
  while (sum > 0xffff) sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<uint32_t>(sum);
}

// As payload_sum() has it, from the bytes themselves; 0: not all of them were captured.
uint32_t sum_of_bytes(Bytes payload) {
  if (payload.captured < payload.wire) return 0;
  uint64_t sum = 0;
  uint32_t at = 0;
  for (; at + 2 <= payload.wire; at += 2) sum += load16(payload.data + at);
  if (at < payload.wire) sum += uint64_t{payload.data[at]} << 8;
  return folded(sum) % 0xffff + 1;
}

// The sum of a datagram's payload in ones' complement, from its checksum: what is not payload is subtracted. So it needs no byte
// of the payload, and is the same whatever addresses and ports a device gives the datagram. Where the sender has left the
// checksum to its network card, the field holds the sum of the pseudo-header, and that of the payload is taken from its bytes. 1
// to 65,535; 0: it has no checksum, or not all of these bytes were captured. REQUIRES: `p` begins with the UDP header; the
// addresses have been read.
uint32_t payload_sum(const uint8_t* p, const Sighting& sighting, Bytes payload) {
  const uint32_t checksum = load16(p + 6), length = load16(p + 4);
  if (checksum == 0) return 0;
  // An IPv4 address in IPv6 form has 0xffff before it, which is a zero.
  uint64_t sum = uint64_t{ip_protocol::udp} + length;
  for (const Address* address : {&sighting.source, &sighting.destination}) {
    for (size_t i = 0; i < address->size(); i += 4) sum += load32(address->data() + i);
  }
  const uint32_t pseudo_header = folded(sum);
  if (checksum == pseudo_header && !sighting.has(SightingFlag::fragment)) [[unlikely]]
    return sum_of_bytes(payload);
  const uint32_t others = folded(uint64_t{pseudo_header} + load16(p) + load16(p + 2) + length);
  const uint32_t rest = (checksum ^ 0xffff) + (0xffff - others);
  return rest % 0xffff + 1;
}

// In place of that sum where there is no checksum: a hash of the first bytes, which a NAT leaves alone as well. Protocols that go
// without have the ID of a connection or the number of a packet there (QUIC, RTP). Larger than any sum, so that the two are not
// taken for each other. 0: too little of it was captured, which at the other point need not be so. REQUIRES: `payload` begins
// behind the UDP header; `length` is that of the datagram's whole payload.
uint32_t first_bytes_hash(Bytes payload, uint32_t length) {
  constexpr uint32_t kBytes = 64, kIsHash = 1u << 31;
  const uint32_t count = std::min(length, kBytes);
  if (count == 0 || payload.captured < count) return 0;
  uint64_t hash = length;
  uint32_t at = 0;
  for (; at + 8 <= count; at += 8) hash = _mm_crc32_u64(hash, load_native<uint64_t>(payload.data + at));
  for (; at < count; ++at) hash = _mm_crc32_u8(static_cast<uint32_t>(hash), payload.data[at]);
  return static_cast<uint32_t>(hash) | kIsHash;
}

DecodeError decode_udp(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  constexpr uint32_t kHeader = 8;
  const uint8_t* p = bytes.data;
  if (bytes.captured < kHeader) return DecodeError::transport_cut;
  captured.headers_end = p + kHeader;
  uint32_t length = load16(p + 4);
  // A first fragment holds less than the datagram; beyond 65,535 bytes (RFC 2675) and under offload the length is 0.
  const bool from_packet = sighting.has(SightingFlag::fragment) || (length == 0 && sighting.has(SightingFlag::length_from_frame));
  if (from_packet) length = length != 0 && length < bytes.wire ? length : bytes.wire;
  if (length < kHeader || length > bytes.wire) return DecodeError::udp_length_wrong;
  sighting.source_port = load16(p);
  sighting.destination_port = load16(p + 2);
  if (sighting.has(SightingFlag::fragment)) [[unlikely]]
    sighting.ack = std::max<uint32_t>(load16(p + 4), kHeader) - kHeader;
  const Bytes payload = bytes.first(length).skip(kHeader);
  sighting.seq = payload_sum(p, sighting, payload);
  note_payload(payload, sighting, captured);
  if (!is_tunnel_port(sighting.source_port, sighting.destination_port)) [[likely]] {
    if (sighting.seq == 0) sighting.seq = first_bytes_hash(payload, std::max(payload.wire, sighting.ack));
    return DecodeError::none;
  }
  // Of a first fragment the datagram's own length, so that what it encloses is held to that.
  const uint32_t whole = std::max<uint32_t>(length, load16(p + 4));
  return decode_udp_tunnel(Bytes{p, std::min(bytes.captured, length), whole}.skip(kHeader), sighting, captured, nest);
}

bool is_echo(uint8_t protocol, uint8_t type) {
  return protocol == ip_protocol::icmp ? type == 0 || type == 8 : type == 128 || type == 129;
}

bool is_error(uint8_t protocol, uint8_t type) {
  if (protocol == ip_protocol::icmpv6) return type >= 1 && type <= 4;
  // Unreachable, source quench, redirect, time exceeded, parameter problem (RFC 1122, 3.2.2).
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

// The MTU of the next hop in "fragmentation needed" (RFC 1191) and "packet too big"; else 0.
uint16_t quoted_mtu(uint8_t protocol, const uint8_t* icmp) {
  if (protocol == ip_protocol::icmp) return icmp[0] == 3 && icmp[1] == 4 ? load16(icmp + 6) : 0;
  return icmp[0] == 2 ? static_cast<uint16_t>(std::min<uint32_t>(load32(icmp + 4), 0xffff)) : 0;
}

// The first eight bytes of the transport that an error quotes.
void read_quoted_transport(const uint8_t* p, uint8_t protocol, Sighting& sighting) {
  sighting.protocol = protocol;
  if (protocol == ip_protocol::tcp || protocol == ip_protocol::udp) {
    sighting.source_port = load16(p);
    sighting.destination_port = load16(p + 2);
    if (protocol == ip_protocol::tcp) sighting.seq = load32(p + 4);
  } else if (protocol == ip_protocol::icmp || protocol == ip_protocol::icmpv6) {
    sighting.source_port = load16(p);
    sighting.destination_port = is_echo(protocol, p[0]) ? load16(p + 4) : 0;
  }
}

DecodeError read_quote(Bytes quote, Sighting& sighting, CapturedPayload& captured) {
  constexpr uint32_t kIpv4Header = 20, kIpv6Header = 40, kTransport = 8;
  const uint8_t* p = quote.data;
  if (quote.captured < kIpv4Header) return DecodeError::icmp_quote_cut;
  Ipv6Chain chain{};
  if (p[0] >> 4 == 4) {
    const uint32_t header = (p[0] & 0x0fu) * 4;
    if (header < kIpv4Header) return DecodeError::ip_header_length_wrong;
    if (quote.captured < header + kTransport) return DecodeError::icmp_quote_cut;
    sighting.source = mapped_ipv4(p + 12);
    sighting.destination = mapped_ipv4(p + 16);
    chain.protocol = p[9];
    chain.fragment_offset = load16(p + 6) & 0x1fff;
    quote = quote.skip(header);
  } else if (p[0] >> 4 == 6) {
    if (quote.captured < kIpv6Header + kTransport) return DecodeError::icmp_quote_cut;
    std::memcpy(sighting.source.data(), p + 8, 16);
    std::memcpy(sighting.destination.data(), p + 24, 16);
    chain.protocol = p[6];
    quote = quote.skip(kIpv6Header);
    const DecodeError error = walk_extension_headers(quote, chain);
    if (error == DecodeError::extension_header_cut) return DecodeError::icmp_quote_cut;
    if (error != DecodeError::none) return error;
    if (quote.captured < kTransport) return DecodeError::icmp_quote_cut;
  } else {
    return DecodeError::ip_version_wrong;
  }
  captured.headers_end = quote.data + (chain.fragment_offset != 0 ? 0 : kTransport);
  if (chain.fragment_offset != 0) {
    sighting.protocol = chain.protocol;  // a later fragment was quoted: it has no ports
  } else {
    read_quoted_transport(quote.data, chain.protocol, sighting);
  }
  return DecodeError::none;
}

DecodeError decode_icmp(Bytes bytes, Sighting& sighting, CapturedPayload& captured) {
  constexpr uint32_t kHeader = 8;
  const uint8_t* p = bytes.data;
  if (bytes.captured < kHeader) return DecodeError::transport_cut;
  captured.headers_end = p + kHeader;
  sighting.payload_length = bytes.wire - kHeader;
  if (!is_error(sighting.protocol, p[0])) {
    sighting.source_port = load16(p);
    if (is_echo(sighting.protocol, p[0])) sighting.destination_port = load16(p + 4);
    return DecodeError::none;
  }
  set(sighting, SightingFlag::icmp_quote);
  sighting.window = load16(p);
  sighting.mss = quoted_mtu(sighting.protocol, p);
  sighting.set_icmp_sender(sighting.source);
  return read_quote(bytes.skip(kHeader), sighting, captured);
}

// Apart, so that decode_protocol() keeps few registers for TCP.
[[gnu::noinline]] DecodeError decode_other_protocol(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  captured.headers_end = bytes.data;
  switch (sighting.protocol) {
    case ip_protocol::udp:
      return decode_udp(bytes, sighting, captured, nest);
    case ip_protocol::icmp:
    case ip_protocol::icmpv6:
      return decode_icmp(bytes, sighting, captured);
    case ip_protocol::ipv4:
    case ip_protocol::ipv6:
    case ip_protocol::gre:
    case ip_protocol::mpls:
      return decode_ip_tunnel(bytes, sighting, captured, nest);
    default:  // known by its addresses and its protocol alone
      sighting.payload_length = bytes.wire;
      return DecodeError::none;
  }
}

}  // namespace

DecodeError decode_protocol(Bytes bytes, Sighting& sighting, CapturedPayload& captured, Nest nest) {
  if (sighting.protocol == ip_protocol::tcp) [[likely]]
    return decode_tcp(bytes, sighting, captured);
  return decode_other_protocol(bytes, sighting, captured, nest);
}

}  // namespace parallax::layers
