// The sum of a TCP segment's payload in ones' complement, from its checksum: what is not payload is subtracted. So it needs no
// byte of the payload, and is the same whatever addresses, ports and numbers a device gives the segment.
#pragma once

#include <cstdint>

#include "capture/core/sighting.h"

namespace parallax {

// 1 to 65,535; 0: not known. Only of segments without options, of which a sighting holds all that is summed. Where the sender's
// hardware had not filled in the checksum it is of no use, but then it differs at the next point; 0xffff says that it is wrong.
inline uint32_t tcp_payload_sum(const Sighting& s) {
  constexpr uint32_t kHeader = 20;
  constexpr uint16_t of_part = bit(SightingFlag::fragment) | bit(SightingFlag::outer_fragment);
  if (!s.is_tcp() || s.options != 0 || (s.flags & of_part) || s.mss == 0 || s.mss == 0xffff) return 0;
  uint64_t sum = uint64_t{ip_protocol::tcp} + kHeader + s.payload_length + s.source_port + s.destination_port + s.seq + s.ack;
  sum += (kHeader / 4) << 12 | (s.has(SightingFlag::accurate_ecn) ? 0x100u : 0u) | s.tcp_flags;
  sum += s.window;
  // An IPv4 address in IPv6 form has 0xffff before it, which is a zero.
  for (const Address* address : {&s.source, &s.destination}) {
    for (size_t i = 0; i < address->size(); i += 2) sum += static_cast<uint32_t>((*address)[i] << 8 | (*address)[i + 1]);
  }
  while (sum > 0xffff) sum = (sum >> 16) + (sum & 0xffff);
  const uint32_t rest = (uint32_t{s.mss} ^ 0xffff) + (0xffff - static_cast<uint32_t>(sum));
  return rest % 0xffff + 1;
}

}  // namespace parallax
