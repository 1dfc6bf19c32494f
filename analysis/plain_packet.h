// The short way of nearly every TCP packet: next in order, in an established conversation where nothing is missing and both have spoken,
// acknowledging what was seen; new data that leaves room in the window, or something new acknowledged.
//
// Of such a packet no rule has anything to say: no label, no event, no letter of the history, no trace of the capture's own faults. It does to
// leg and flow what tcp_step() would do, from the leg's hot line and one line of the flow (tests/plain_packet_test.cpp compares the
// two packet by packet). 106 instructions a packet, where the long way takes 400.
#pragma once

#include <cstdint>

#include "analysis/leg.h"
#include "analysis/sequence.h"
#include "analysis/tcp_flow.h"
#include "analysis/tcp_labels.h"
#include "analysis/zeek_state.h"
#include "capture/sighting.h"

namespace parallax {

namespace plain {

template <Side from>
bool fits_leg(const LegHot& hot, const Sighting& s) {
  constexpr size_t d = index_of(from), peer = index_of(other(from));
  constexpr uint16_t established_tcp = leg_flag::is_tcp | leg_flag::established;
  constexpr uint8_t both_seen = 15;
  if ((hot.flags & (established_tcp | leg_flag::traced)) != established_tcp || hot.seen != both_seen) return false;
  if (hot.end_state(from) == TcpEndState::inactive || hot.packets[d] == 0) return false;
  const zeek::Letter letter = s.payload_length > 0 ? zeek::Letter::d : zeek::Letter::a;
  return (hot.history_seen & zeek::history_bit(letter, from)) && s.seq == hot.next_seq[d] && sequence_at_or_before(s.ack, hot.next_seq[peer]);
}

template <Side from>
bool fits_flow(const TcpFlow& flow, const Sighting& s) {
  const TcpFlow::Half& own = flow.half[index_of(from)];
  const TcpFlow::Half& peer = flow.half[index_of(other(from))];
  constexpr uint8_t settled = flow_note::positioned | flow_note::tracked | flow_note::spoken | flow_note::scaled;
  constexpr uint8_t asked = settled | flow_note::keep_alive | flow_note::zero_window_probe;
  if ((own.notes & asked) != settled || (peer.notes & asked) != settled || own.holes != 0) return false;
  if (s.seq != own.next_seq || s.window == 0 || peer.window == 0 || sequence_before(peer.contiguous_end, s.ack)) return false;
  if (s.payload_length == 0) return s.ack != own.last_ack;
  const uint32_t end = s.seq + s.payload_length;
  return peer.window_shift != flow_shift::unasked && !fills_window(peer, end) && !exceeds_scale(peer, end);
}

template <Side from>
void take(LegHot& hot, TcpFlow& flow, const Sighting& s) {
  constexpr size_t d = index_of(from);
  TcpFlow::Half& own = flow.half[d];
  hot.last_ns = s.order_ns;
  ++hot.packets[d];
  if (sequence_before(hot.max_ack[d], s.ack)) hot.max_ack[d] = s.ack;
  own.last_us = microseconds_of(s.time_ns);
  if (s.ack != own.last_ack) own.duplicate_acks = 0;
  own.last_ack = s.ack;
  own.window = s.window;
  if (s.payload_length == 0) return;
  hot.bytes[d] += s.payload_length;
  const uint32_t end = s.seq + s.payload_length;
  if (own.contiguous_end == s.seq) own.contiguous_end = end;
  hot.next_seq[d] = own.next_seq = end;
  own.advanced_us = own.sent_us = own.last_us;
  own.notes |= flow_note::sent;
}

}  // namespace plain

// False: it is another packet, nothing was done, and tcp_step() is to be asked. REQUIRES: the leg is not over for lack of packets.
template <Side from>
[[gnu::always_inline]] inline bool take_plain_packet(LegHot& hot, TcpFlow& flow, const Sighting& s) {
  constexpr uint16_t not_whole = bit(SightingFlag::later_fragment) | bit(SightingFlag::icmp_quote) | bit(SightingFlag::carrier_fragment);
  if ((s.tcp_flags & (tcp_flag::turning | tcp_flag::ack)) != tcp_flag::ack || (s.options & tcp_option::sack) || (s.flags & not_whole)) return false;
  if (!plain::fits_leg<from>(hot, s) || !plain::fits_flow<from>(flow, s)) return false;
  plain::take<from>(hot, flow, s);
  return true;
}

}  // namespace parallax
