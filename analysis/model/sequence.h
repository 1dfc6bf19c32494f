// TCP sequence numbers, compared modulo 2^32 (RFC 9293, 3.4). The only place that does so.
#pragma once

#include <cstdint>

namespace parallax {

// How far `to` lies beyond `from`; negative if before it. Meaningful within 2^31 of each other.
constexpr int32_t sequence_distance(uint32_t from, uint32_t to) { return static_cast<int32_t>(to - from); }
constexpr bool sequence_before(uint32_t a, uint32_t b) { return sequence_distance(a, b) > 0; }
constexpr bool sequence_at_or_before(uint32_t a, uint32_t b) { return sequence_distance(a, b) >= 0; }

}  // namespace parallax
