// The Fast path of nearly every TCP packet: next in order, in an established conversation where nothing is missing and both have
// spoken, acknowledging what was seen; new data that leaves room in the window, or something new acknowledged.
//
// Of such a packet no rule has anything to say: no label, no event, no letter of the history, no trace of the capture's own
// faults. It does to leg and flow what tcp_step() would do, from the leg's hot line and one line of the flow
// (tests/analysis/tcp/fast_path_test.cpp compares the two packet by packet). What the state alone decides is settled after
// each packet that goes the slow path, in bits of LegHot::seen; a packet on the fast path leaves these as they are.
#pragma once

#include <cstdint>

#include "analysis/leg/leg.h"
#include "analysis/model/sequence.h"
#include "analysis/tcp/tcp_flow.h"
#include "analysis/tcp/tcp_labels.h"
#include "capture/core/sighting.h"

namespace parallax {

// Settles of both directions whether their next packet may take the fast path. To be called whenever anything else than a packet
// on the fast path has changed the leg or its flow.
void settle_fast_path(LegHot& hot, const TcpFlow& flow);

namespace fast_path {

// What any packet of a direction changes.
template <Side from>
void note_packet(LegHot& hot, TcpFlow::Half& own, const Sighting& s) {
  hot.last_ns = s.order_ns;
  ++hot.packets[from];
  if (sequence_before(hot.max_ack[from], s.ack)) hot.max_ack[from] = s.ack;
  own.last_us = microseconds_of(s.time_ns);
  own.last_ack = s.ack;
  own.window = s.window;
}

// New data, not acknowledged before it came, that leaves room in the window.
template <Side from>
[[gnu::always_inline]] inline bool take_data(LegHot& hot, TcpFlow& flow, const Sighting& s) {
  TcpFlow::Half& own = flow.half[from];
  const TcpFlow::Half& peer = flow.half[opposite(from)];
  const uint32_t end = s.seq + s.payload_length;
  if (!(hot.seen & leg_seen::fast_data[from]) || sequence_at_or_before(end, peer.last_ack)) return false;
  if (fills_window(peer, end) || exceeds_scale(peer, end)) return false;
  if (s.ack != own.last_ack) own.duplicate_acks = 0;
  note_packet<from>(hot, own, s);
  hot.bytes[from] += s.payload_length;
  hot.next_seq[from] = own.next_seq = own.contiguous_end = end;
  own.advanced_us = own.sent_us = own.last_us;
  own.notes |= flow_note::sent;
  return true;
}

// Something new acknowledged, without data.
template <Side from>
[[gnu::always_inline]] inline bool take_ack(LegHot& hot, TcpFlow& flow, const Sighting& s) {
  TcpFlow::Half& own = flow.half[from];
  if (!(hot.seen & leg_seen::fast_ack[from]) || s.ack == own.last_ack) return false;
  own.duplicate_acks = 0;
  note_packet<from>(hot, own, s);
  return true;
}

}  // namespace fast_path

// False: it is another packet, nothing was done, and tcp_step() is to be asked. REQUIRES: the leg is not over for lack of
// packets.
template <Side from>
[[gnu::always_inline]] inline bool take_on_fast_path(LegHot& hot, TcpFlow& flow, const Sighting& s) {
  constexpr uint16_t not_whole =
      bit(SightingFlag::later_fragment) | bit(SightingFlag::icmp_quote) | bit(SightingFlag::outer_fragment);
  if ((s.tcp_flags & (tcp_flag::turning | tcp_flag::ack)) != tcp_flag::ack || (s.options & tcp_option::sack) ||
      (s.flags & not_whole))
    return false;
  if (s.seq != flow.half[from].next_seq || s.window == 0 || !sequence_at_or_before(s.ack, hot.next_seq[opposite(from)]))
    return false;
  return s.payload_length > 0 ? fast_path::take_data<from>(hot, flow, s) : fast_path::take_ack<from>(hot, flow, s);
}

}  // namespace parallax
