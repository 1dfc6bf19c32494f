// Addresses that only a site's own hosts bear: who bears another one may be anybody on the Internet.
#pragma once

#include <algorithm>

#include "capture/core/sighting.h"

namespace parallax {

// RFC 1918, 6598 (carrier-grade NAT), 3927 and 1122 (loopback); RFC 4193 and link-local ones of IPv6.
inline bool is_private(const Address& a) {
  const bool ipv4 =
      std::all_of(a.begin(), a.begin() + 10, [](uint8_t byte) { return byte == 0; }) && a[10] == 0xff && a[11] == 0xff;
  if (!ipv4) return (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
  const uint8_t first = a[12], second = a[13];
  return first == 10 || first == 127 || (first == 172 && (second & 0xf0) == 16) || (first == 192 && second == 168) ||
         (first == 100 && (second & 0xc0) == 64) || (first == 169 && second == 254);
}

}  // namespace parallax
