#include "analysis/tcp/fast_path.h"

#include "analysis/tcp/zeek_state.h"

namespace parallax {
namespace {

bool leg_settled(const LegHot& hot, Side from) {
  constexpr uint16_t established_tcp = leg_flag::is_tcp | leg_flag::established;
  return (hot.flags & (established_tcp | leg_flag::traced | leg_flag::standing)) == established_tcp &&
         (hot.seen & leg_seen::known) == leg_seen::known && hot.end_state(from) != TcpEndState::inactive &&
         hot.packets[from] != 0;
}

// What came of a direction has one end, by whatever rule, and nothing odd was its last.
bool half_settled(const TcpFlow::Half& half, uint32_t next_seq) {
  constexpr uint8_t wanted = flow_note::positioned | flow_note::tracked | flow_note::spoken | flow_note::scaled;
  constexpr uint8_t asked = wanted | flow_note::keep_alive | flow_note::zero_window_probe;
  return (half.notes & asked) == wanted && half.next_seq == next_seq && half.contiguous_end == next_seq && half.window != 0;
}

}  // namespace

void settle_fast_path(LegHot& hot, const TcpFlow& flow) {
  hot.seen &= leg_seen::known;
  if (!half_settled(flow.half[Side::client], hot.next_seq[Side::client]) ||
      !half_settled(flow.half[Side::server], hot.next_seq[Side::server]))
    return;
  for (const Side from : kSides) {
    const TcpFlow::Half& peer = flow.half[opposite(from)];
    if (!leg_settled(hot, from) || flow.half[from].holes != 0) continue;
    if (hot.history_seen & zeek::history_bit(zeek::Letter::a, from)) hot.seen |= leg_seen::fast_ack[from];
    if ((hot.history_seen & zeek::history_bit(zeek::Letter::d, from)) && peer.window_shift != flow_shift::unasked)
      hot.seen |= leg_seen::fast_data[from];
  }
}

}  // namespace parallax
