// What an address says of where its packets go.
#pragma once

#include <algorithm>

#include "capture/core/sighting.h"

namespace parallax {

inline bool is_ipv4(const Address& a) {
  return std::all_of(a.begin(), a.begin() + 10, [](uint8_t byte) { return byte == 0; }) && a[10] == 0xff && a[11] == 0xff;
}
// A site's own: who bears another address may be anybody on the Internet. RFC 1918, 6598 (carrier-grade NAT), 3927 and 1122
// (loopback); RFC 4193 and link-local ones of IPv6.
inline bool is_private(const Address& a) {
  if (!is_ipv4(a)) return (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
  const uint8_t first = a[12], second = a[13];
  return first == 10 || first == 127 || (first == 172 && (second & 0xf0) == 16) || (first == 192 && second == 168) ||
         (first == 100 && (second & 0xc0) == 64) || (first == 169 && second == 254);
}
// RFC 3927; RFC 4291, 2.5.6.
inline bool is_link_local(const Address& a) {
  return is_ipv4(a) ? a[12] == 169 && a[13] == 254 : a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
}
// RFC 5771, and the limited broadcast (RFC 919); RFC 4291, 2.7.
inline bool is_multicast(const Address& a) { return is_ipv4(a) ? a[12] >> 4 == 14 || a[12] == 255 : a[0] == 0xff; }
// Whether a router may pass on what one sends to the other. Multicast is taken for the neighbours' own, as routing protocols use
// it.
inline bool may_be_routed(const Address& source, const Address& destination) {
  return !is_multicast(destination) && !is_link_local(source) && !is_link_local(destination);
}

}  // namespace parallax
