// The identity of a leg while it lives: point, protocol, both ends, and the tunnel key. The same for both directions.
//
// The ends are stored in an order of their own (low, high), so that a packet and its answer give the same key.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>

#include "analysis/model.h"
#include "capture/sighting.h"

namespace parallax {

struct LegKey {
  Address low{}, high{};
  uint16_t low_port = 0, high_port = 0;
  uint32_t tunnel_key = 0;
  uint8_t protocol = 0;
  PointIndex point = 0;
  uint16_t zero = 0;

  // By words: a call of memcmp for 44 bytes costs more than the comparison.
  bool operator==(const LegKey& other) const {
    std::array<uint64_t, 6> a{}, b{};
    std::memcpy(a.data(), this, sizeof *this);
    std::memcpy(b.data(), &other, sizeof other);
    uint64_t difference = 0;
    for (size_t i = 0; i < a.size(); ++i) difference |= a[i] ^ b[i];
    return difference == 0;
  }
};
static_assert(sizeof(LegKey) == 44 && std::has_unique_object_representations_v<LegKey>);

struct OrientedKey {
  LegKey key;
  bool source_is_low;
};

// The key of the leg that `s` belongs to. For an ICMP error that is the leg of the packet it quotes.
inline OrientedKey leg_key_of(const Sighting& s) {
  OrientedKey result;
  const int order = std::memcmp(s.source.data(), s.destination.data(), s.source.size());
  result.source_is_low = order < 0 || (order == 0 && s.source_port <= s.destination_port);
  LegKey& key = result.key;
  key.low = result.source_is_low ? s.source : s.destination;
  key.high = result.source_is_low ? s.destination : s.source;
  key.low_port = result.source_is_low ? s.source_port : s.destination_port;
  key.high_port = result.source_is_low ? s.destination_port : s.source_port;
  key.tunnel_key = s.key;
  key.protocol = s.protocol;
  key.point = s.point;
  return result;
}

// The hash of a key, from the symmetric flow hash that the rx worker has computed.
inline uint64_t leg_hash(uint32_t flow_hash, PointIndex point) {
  const uint64_t h = (static_cast<uint64_t>(flow_hash) << 8 | point) * 0x9E3779B97F4A7C15u;  // Fibonacci hashing
  return h ^ (h >> 29);
}
inline uint64_t leg_hash_of(const Sighting& s) { return leg_hash(s.flow_hash, s.point); }

}  // namespace parallax
