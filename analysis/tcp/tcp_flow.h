// What the analysis of a TCP leg needs while packets flow, beside the leg's own 256 bytes: five cache lines out of a pool, of
// which an undisturbed leg touches few, and memory of its own for a leg on which something goes wrong.
//
// Owned by the analysis worker that owns the leg, through TcpFlowPool. A leg whose flow was taken from it for lack of room goes
// on with a fresh one: what was known of the highest sequence numbers stands in the leg, the finer memory is gone.
// Times are microseconds of the stamps modulo 2^32 (71 minutes).
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "analysis/leg/leg.h"
#include "analysis/model/rare.h"
#include "analysis/tcp/flow_times.h"
#include "analysis/tcp/standstill.h"

namespace parallax {

constexpr uint32_t microseconds_of(int64_t ns) { return static_cast<uint32_t>(static_cast<uint64_t>(ns) / 1000); }

// A range of sequence numbers, modulo 2^32.
struct SequenceRange {
  uint32_t begin, end;
};

// What is kept of a leg on which something is missing, or sent again, or stands still. Touched off the fast path alone.
struct TcpTrouble {
  // Ranges below next_seq that were not seen, in order.
  static constexpr size_t kHoles = 3;
  PerSide<std::array<SequenceRange, kHoles>> hole;

  // The last packets that were sent again, until the receiver says that it had them already.
  struct Again {
    SequenceRange range;
    uint32_t frame;
    PortIndex port;
    uint16_t used;
  };
  static constexpr size_t kAgain = 2;
  PerSide<std::array<Again, kAgain>> again;

  Standstill standstill;
};

struct alignas(64) TcpFlow {
  // Line 0: what the labels of each packet need, for each direction.
  struct Half {
    // The highest sequence number that came, plus its length. Unlike the leg's it stays where an ACK goes beyond.
    uint32_t next_seq;
    uint32_t contiguous_end;  // acknowledging more tells of a lost segment
    uint32_t last_ack;        // of the direction's last packet with the ACK flag; 0: none
    uint32_t advanced_us;     // when next_seq last moved
    uint32_t last_us;         // when the last packet came
    uint32_t sent_us;         // when data last came, new or not
    uint16_t window;          // of the last packet, as it stood there
    uint8_t duplicate_acks;   // in a row, as many as 255
    uint8_t notes;            // flow_note
    uint8_t holes;            // how many of holes[] hold
    uint8_t again_at;         // which of again[] is written next
    uint8_t window_shift;     // flow_shift
    // Where window_shift is unknown: by as many bits its windows must be shifted, to hold what came in flight.
    uint8_t scale_at_least;
  };
  static_assert(sizeof(Half) == 32);
  PerSide<Half> half;

  // Lines 1 to 3: round trips and turns.
  FlowTimes times;

  // Line 4, touched where a direction begins or ends, and where something goes wrong.
  PerSide<uint32_t> base_seq;  // before the direction's first byte: a SYN's own number, else one less than the first
  // A hole that is no longer kept ended here, so that of what is before nobody knows what was seen; 0: none.
  PerSide<uint32_t> uncertain_before;
  PerSide<uint32_t> fin_us;  // when the side's first FIN came; valid by has_fin
  PerSide<bool> has_fin;
  Rare<TcpTrouble> trouble;

  const TcpTrouble& trouble_so_far() const {
    static constexpr TcpTrouble none{};
    return trouble ? *trouble : none;
  }
  TcpTrouble& own_trouble() {
    if (!trouble) trouble = TcpTrouble{};
    return *trouble;
  }

  // Who was taken for the client is the server.
  void swap_sides() {
    half.flip();
    flip(times);
    base_seq.flip();
    uncertain_before.flip();
    fin_us.flip();
    has_fin.flip();
    if (!trouble) return;
    trouble->hole.flip();
    trouble->again.flip();
    trouble->standstill.half.flip();
  }
};
static_assert(sizeof(TcpFlow) == 320);

// By how many bits the windows of a direction are shifted, so that nobody has to look it up in the leg's cold lines.
namespace flow_shift {
inline constexpr uint8_t unasked = 0, unknown = 1;  // unknown: its SYN was not seen
constexpr uint8_t of(int bits) { return bits < 0 ? unknown : static_cast<uint8_t>(bits + 2); }
constexpr int bits(uint8_t shift) { return shift - 2; }  // negative: unasked, or unknown
}  // namespace flow_shift

namespace flow_note {
inline constexpr uint8_t keep_alive = 1, zero_window_probe = 2;  // the direction's last packet was one
inline constexpr uint8_t positioned = 4;                         // next_seq holds
inline constexpr uint8_t spoken = 8;                             // window and last_us hold
inline constexpr uint8_t sent = 64;                              // sent_us holds
inline constexpr uint8_t tracked = 128;                          // of the direction a lost segment may be told
inline constexpr uint8_t fast_open = 32;                         // its SYN carried data and a cookie
inline constexpr uint8_t scaled = 16;                            // it has sent more than its SYN: windows are scaled
}  // namespace flow_note

}  // namespace parallax
