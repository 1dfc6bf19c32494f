// The identity of a leg while it lives: point, protocol, both ends, and the tunnel key. The same for both directions.
//
// The ends are stored in an order of their own (low, high), so that a packet and its answer give the same key.
#pragma once

#include <nmmintrin.h>

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>

#include "analysis/model/model.h"
#include "capture/core/sighting.h"

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

// How a sighting's ends stand to those of a key.
enum class KeyMatch : uint8_t { none, source_is_low, source_is_high };  // none: not the key of its leg

// The key of the leg that a sighting belongs to. (For an ICMP error that is the leg of the packet it quotes.)
struct OrientedKey {
  LegKey key;
  KeyMatch source;
};
inline OrientedKey leg_key_of(const Sighting& s) {
  const int order = std::memcmp(s.source.data(), s.destination.data(), s.source.size());
  const bool low = order < 0 || (order == 0 && s.source_port <= s.destination_port);
  return {.key = {.low = low ? s.source : s.destination,
                  .high = low ? s.destination : s.source,
                  .low_port = low ? s.source_port : s.destination_port,
                  .high_port = low ? s.destination_port : s.source_port,
                  .tunnel_key = s.key,
                  .protocol = s.protocol,
                  .point = s.point},
          .source = low ? KeyMatch::source_is_low : KeyMatch::source_is_high};
}

// Compares without making the sighting's key: one made on the stack would be read back at once in wider words than it was written
// in, and wait for the store buffer (7 ns a packet).
inline KeyMatch match(const LegKey& key, const Sighting& s) {
  const auto address = [](const Address& a) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(a.data())); };
  const __m128i source = address(s.source), destination = address(s.destination), low = address(key.low),
                high = address(key.high);
  const auto equal = [](__m128i a, __m128i b, __m128i c, __m128i d) {
    return _mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(a, b), _mm_cmpeq_epi8(c, d))) == 0xffff;
  };
  if (((s.key ^ key.tunnel_key) | (s.protocol ^ key.protocol) | (s.point ^ key.point)) != 0) return KeyMatch::none;
  const bool straight =
      (s.source_port == key.low_port) & (s.destination_port == key.high_port) & equal(source, low, destination, high);
  const bool crossed =
      (s.source_port == key.high_port) & (s.destination_port == key.low_port) & equal(source, high, destination, low);
  return straight ? KeyMatch::source_is_low : crossed ? KeyMatch::source_is_high : KeyMatch::none;
}

// A hash of the key alone: the same in each run.
inline uint32_t hash_of(const LegKey& key) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(&key);
  uint32_t hash = 0;
  for (size_t i = 0; i < sizeof(key); i += sizeof(uint32_t)) {
    uint32_t word;
    std::memcpy(&word, bytes + i, sizeof(word));
    hash = _mm_crc32_u32(hash, word);
  }
  return hash;
}

// The hash of a key, from the symmetric flow hash that the rx worker has computed.
inline uint64_t leg_hash(uint32_t flow_hash, PointIndex point) {
  const uint64_t h = (static_cast<uint64_t>(flow_hash) << 8 | point) * 0x9E3779B97F4A7C15u;  // Fibonacci hashing
  return h ^ (h >> 29);
}
inline uint64_t leg_hash_of(const Sighting& s) { return leg_hash(s.flow_hash, s.point); }

}  // namespace parallax
