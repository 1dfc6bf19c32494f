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

  bool operator==(const LegKey&) const = default;
};
static_assert(sizeof(LegKey) == 44 && std::has_unique_object_representations_v<LegKey>);

// The key of the leg that a sighting belongs to, seen through the sighting. (For an ICMP error that is the leg of the packet it
// quotes.) Valid as long as the sighting is.
//
// A look-up compares and makes no key: one made on the stack would be read back at once in wider words than it was written in,
// and wait for the store buffer (7 ns a packet).
class LegKeyView {
 public:
  explicit LegKeyView(const Sighting& s) : s_(s), source_is_low_(is_low(s)) {}

  bool source_is_low() const { return source_is_low_; }
  bool is(const LegKey& key) const {
    const uint64_t ends = difference(low(), key.low) | difference(high(), key.high);
    const uint32_t ports = (low_port() ^ key.low_port) | (high_port() ^ key.high_port);
    return (ends | ports | (s_.key ^ key.tunnel_key) | (s_.protocol ^ key.protocol) | (s_.point ^ key.point)) == 0;
  }
  LegKey key() const {
    return {.low = low(), .high = high(), .low_port = low_port(), .high_port = high_port(), .tunnel_key = s_.key,
            .protocol = s_.protocol, .point = s_.point};
  }

 private:
  static uint64_t word(const Address& address, size_t half) {
    uint64_t value;
    std::memcpy(&value, address.data() + 8 * half, sizeof value);
    return value;
  }
  static uint64_t difference(const Address& a, const Address& b) { return (word(a, 0) ^ word(b, 0)) | (word(a, 1) ^ word(b, 1)); }
  static bool is_low(const Sighting& s) {
    for (size_t half = 0; half < 2; ++half) {
      const uint64_t source = __builtin_bswap64(word(s.source, half)), destination = __builtin_bswap64(word(s.destination, half));
      if (source != destination) return source < destination;
    }
    return s.source_port <= s.destination_port;
  }
  const Address& low() const { return source_is_low_ ? s_.source : s_.destination; }
  const Address& high() const { return source_is_low_ ? s_.destination : s_.source; }
  uint16_t low_port() const { return source_is_low_ ? s_.source_port : s_.destination_port; }
  uint16_t high_port() const { return source_is_low_ ? s_.destination_port : s_.source_port; }

  const Sighting& s_;
  const bool source_is_low_;
};

// The hash of a key, from the symmetric flow hash that the rx worker has computed.
inline uint64_t leg_hash(uint32_t flow_hash, PointIndex point) {
  const uint64_t h = (static_cast<uint64_t>(flow_hash) << 8 | point) * 0x9E3779B97F4A7C15u;  // Fibonacci hashing
  return h ^ (h >> 29);
}
inline uint64_t leg_hash_of(const Sighting& s) { return leg_hash(s.flow_hash, s.point); }

}  // namespace parallax
