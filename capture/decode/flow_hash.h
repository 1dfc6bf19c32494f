// The symmetric flow hash, inline for decode(); everyone else calls flow_hash() of capture/decode/decode.h.
//
// It decides where a leg lies in its worker's table, so it is keyed: with a CRC, whose collisions are the same whatever it begins
// with, anybody could send flows that all fall into one place (5,000 such legs cost five times what others do). Each end
// (address, port) has a hash of its own, computed side by side, and their sum is the same for both directions. The address's
// halves go through a 128-bit product, folded, as in wyhash; what is left takes multiplications of 64 bits, of the last the upper
// half: 4.2 ns for both ends, as with the CRC.
#pragma once

#include <array>
#include <cstdint>

#include "capture/core/bytes.h"
#include "capture/core/sighting.h"

namespace parallax {

// Made from the process's secret before main().
extern const std::array<uint64_t, 5> kFlowHashKeys;

// ICMP and ARP keep a type in the source port, which differs between question and answer.
inline bool has_ports(uint8_t protocol) {
  return protocol != ip_protocol::icmp && protocol != ip_protocol::icmpv6 && protocol != 0;
}

inline uint64_t folded_product(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t end_hash(const Address& address, uint16_t port) {
  // The port goes in by a key of its own: added as it is, an address could make up for it.
  return folded_product(load_native<uint64_t>(address.data()) ^ kFlowHashKeys[0],
                        (load_native<uint64_t>(address.data() + 8) ^ kFlowHashKeys[1]) + port * kFlowHashKeys[2]);
}

inline uint32_t symmetric_flow_hash(const Sighting& s) {
  const bool ports = has_ports(s.protocol);
  const uint16_t source_port = ports ? s.source_port : s.destination_port;
  const uint64_t both = end_hash(s.source, source_port) + end_hash(s.destination, s.destination_port);
  const uint64_t rest = static_cast<uint64_t>(s.key) << 8 | s.protocol;
  return static_cast<uint32_t>(((both + rest * kFlowHashKeys[3]) * kFlowHashKeys[4]) >> 32);
}

}  // namespace parallax
