// Whether a TCP segment's checksum fits its bytes (RFC 9293, 3.1).
//
// Not for the packet path: it reads every byte of the payload. Files are read with it, live nothing is.
#pragma once

#include <cstdint>

#include "capture/decode/decode.h"

namespace parallax {

enum class ChecksumState : uint8_t {
  unknown,  // not all of it was captured, it has no data, or it is part of a datagram
  right,
  offloaded,  // not filled in yet: the sum of the pseudo-header alone, or none, as a host leaves it to its network card
  wrong,
};
// Of a segment that can_check_checksum() says no to: unknown.
ChecksumState tcp_checksum_state(const Sighting& segment, const CapturedPayload& captured);

// Of most packets of most captures not: they have no data, or were cut.
inline bool can_check_checksum(const Sighting& s, const CapturedPayload& captured) {
  if (!((captured.payload_captured == s.payload_length) & (captured.payload_captured != 0))) return false;
  constexpr uint16_t kOther = bit(SightingFlag::fragment) | bit(SightingFlag::later_fragment) |
                              bit(SightingFlag::outer_fragment) | bit(SightingFlag::icmp_quote);
  return s.protocol == ip_protocol::tcp && (s.flags & kOther) == 0 && (s.options & tcp_option::mss) == 0;
}

}  // namespace parallax
