// The symmetric flow hash, inline for decode(); everyone else calls flow_hash() of capture/decode/decode.h.
//
// It decides where a leg lies in its worker's table, so it is keyed: with a CRC, whose collisions are the same whatever it begins
// with, anybody could send flows that all fall into one place (5,000 such legs cost five times what others do). Of each end there
// are two halves, the upper one of the address and the lower one with the port. Like halves are multiplied, each with the key
// added, so that both directions have the same product of 128 bits, which is folded as in wyhash. Which halves went together is
// lost: two flows that swap them among their ends have one hash, and no more.
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

// Of one half of both addresses: whoever does not know the key finds no other two of the same product.
inline uint64_t symmetric_product(uint64_t one, uint64_t other, uint64_t key) { return folded_product(one + key, other + key); }

inline uint32_t symmetric_flow_hash(const Sighting& s) {
  const bool ports = has_ports(s.protocol);
  const uint16_t source_port = ports ? s.source_port : s.destination_port;
  const auto half = [](const Address& address, size_t at) { return load_native<uint64_t>(address.data() + at); };
  // The port goes in by a key of its own: added as it is, an address could make up for it.
  const uint64_t both = symmetric_product(half(s.source, 0), half(s.destination, 0), kFlowHashKeys[0]) +
                        symmetric_product(half(s.source, 8) + source_port * kFlowHashKeys[2],
                                          half(s.destination, 8) + s.destination_port * kFlowHashKeys[2], kFlowHashKeys[1]);
  const uint64_t rest = static_cast<uint64_t>(s.key) << 8 | s.protocol;
  return static_cast<uint32_t>(folded_product(both + rest * kFlowHashKeys[3], kFlowHashKeys[4]));
}

}  // namespace parallax
