// Loads of multi-byte fields from unaligned memory: of the wire (network byte order), and of a file in either order.
//
// REQUIRES of all: the caller has checked that the bytes are there.
#pragma once

#include <cstdint>
#include <cstring>

namespace parallax {

template <typename T>
inline T load_native(const uint8_t* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

inline uint16_t load16(const uint8_t* p) { return __builtin_bswap16(load_native<uint16_t>(p)); }
inline uint32_t load32(const uint8_t* p) { return __builtin_bswap32(load_native<uint32_t>(p)); }

inline void store16(uint8_t* p, uint16_t value) {
  value = __builtin_bswap16(value);
  std::memcpy(p, &value, sizeof(value));
}
inline void store32(uint8_t* p, uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(p, &value, sizeof(value));
}

}  // namespace parallax
