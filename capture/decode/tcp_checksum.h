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
ChecksumState tcp_checksum_state(const DecodedFrame& segment);

}  // namespace parallax
