// What the analysis of a TCP leg needs while packets flow, beside the leg's own 256 bytes: four cache lines out of a pool.
//
// Owned by the analysis worker that owns the leg, through TcpFlowPool. A leg whose flow was taken from it for lack of room goes
// on with a fresh one: what was known of the highest sequence numbers stands in the leg, the finer memory is gone (`fresh`).
// Times are microseconds of the order time modulo 2^32 (71 minutes).
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "analysis/flow_times.h"
#include "analysis/leg.h"

namespace parallax {

constexpr uint32_t microseconds_of(int64_t ns) { return static_cast<uint32_t>(static_cast<uint64_t>(ns) / 1000); }

struct alignas(64) TcpFlow {
  // Line 0: what the labels of each packet need, for each direction.
  struct Half {
    uint32_t contiguous_end;  // all before this was seen without a gap, or had been told as missed: acknowledging more is ack_lost
    uint32_t last_ack;        // of the direction's last packet
    uint32_t advanced_us;     // when the leg's next_seq last moved
    uint32_t last_us;         // when the last packet came
    uint32_t holes;           // list of sequence ranges below next_seq that were not seen; kNone
    uint16_t window;          // of the last packet, as it stood there
    uint8_t duplicate_acks;   // in a row, as many as 255
    uint8_t notes;            // flow_note
    std::array<uint16_t, 3> recent;  // fingerprints of the last packets, newest first
    uint8_t hole_count;
    uint8_t sack_notes;       // flow_sack
  };
  static_assert(sizeof(Half) == 32);
  std::array<Half, 2> half;

  // Lines 1 to 3: round trips and turns.
  FlowTimes times;
};
static_assert(sizeof(TcpFlow) == 256 && std::is_trivially_copyable_v<TcpFlow>);

namespace flow_note {
inline constexpr uint8_t keep_alive = 1, zero_window_probe = 2;  // the direction's last packet was one
inline constexpr uint8_t acked = 4;         // the direction has sent an ACK that is not part of the handshake: windows are scaled
inline constexpr uint8_t seen = 8;          // window and last_ack hold
inline constexpr uint8_t contiguous = 16;   // contiguous_end holds
}  // namespace flow_note

}  // namespace parallax
