// The symmetric flow hash, inline for decode(); everyone else calls flow_hash() of capture/decode/decode.h.
//
// Each end (address, port) has a CRC32C of its own, computed side by side; sum and difference-blind exclusive-or of the two are
// the same for both directions, and hashed once more. The sum is there because CRC is linear: the exclusive-or alone would
// not tell a:1 - b:2 from a:2 - b:1.
#pragma once

#include <nmmintrin.h>

#include "capture/core/bytes.h"
#include "capture/core/sighting.h"

namespace parallax {

// ICMP and ARP keep a type in the source port, which differs between question and answer.
inline bool has_ports(uint8_t protocol) {
  return protocol != ip_protocol::icmp && protocol != ip_protocol::icmpv6 && protocol != 0;
}

inline uint32_t end_hash(const Address& address, uint16_t port) {
  uint64_t hash = _mm_crc32_u64(0x9e3779b9, load_native<uint64_t>(address.data()));
  hash = _mm_crc32_u64(hash, load_native<uint64_t>(address.data() + 8));
  return _mm_crc32_u32(static_cast<uint32_t>(hash), port);
}

inline uint32_t symmetric_flow_hash(const Sighting& s) {
  const bool ports = has_ports(s.protocol);
  const uint16_t source_port = ports ? s.source_port : s.destination_port;
  const uint32_t a = end_hash(s.source, source_port), b = end_hash(s.destination, s.destination_port);
  const uint64_t both = static_cast<uint64_t>(a ^ b) << 32 | static_cast<uint32_t>(a + b);
  const uint64_t rest = static_cast<uint64_t>(s.key) << 8 | s.protocol;
  return static_cast<uint32_t>(_mm_crc32_u64(_mm_crc32_u64(0x85ebca6b, both), rest));
}

}  // namespace parallax
