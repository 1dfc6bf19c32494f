// What a TCP packet looks like to whoever watches both directions: the labels that Wireshark gives under tcp.analysis.
//
// The rules are Wireshark's (its user's guide, "TCP Analysis", and the verdicts of its tshark 4.0), computed online and with
// constant state, also where it is known to err: people compare the two. What Parallax knows better stands in tcp_verdicts.h.
// Wireshark's memory of ports is without end; here it is that of the leg table (kPortMemoryNs).
#pragma once

#include <cstdint>

#include "analysis/leg/leg.h"
#include "analysis/model/sequence.h"
#include "analysis/tcp/tcp_flow.h"
#include "capture/core/sighting.h"

namespace parallax {

// Labels of `s` (bits of PacketLabel), which then is taken into the flow. `hot` and `cold` are as before the packet.
uint32_t label_packet(const LegHot& hot, const LegCold& cold, TcpFlow& flow, const Sighting& s, Side from);

// Takes the data of `s` into the flow, where it is no packet that Wireshark labels: a later fragment.
void take_unlabelled(const LegHot& hot, const LegCold& cold, TcpFlow& flow, const Sighting& s, Side from);

// Whether `half` has acknowledged all that stands before `end`. An acknowledgement number counts only with the ACK flag; as with
// Wireshark 0 stands for none.
inline bool acknowledged(const TcpFlow::Half& half, uint32_t end) {
  return half.last_ack != 0 && sequence_at_or_before(end, half.last_ack);
}

// Whether a segment that ends at `end` fills the window that `peer` has told.
inline bool fills_window(const TcpFlow::Half& peer, uint32_t end) {
  const int shift = flow_shift::bits(peer.window_shift);
  if (shift < 0) return false;
  const uint32_t window = static_cast<uint32_t>(peer.window) << ((peer.notes & flow_note::scaled) ? shift : 0);
  return end == peer.last_ack + window;
}

// Whether so much is in flight that the windows that `peer` tells, whose SYN was not seen, must be scaled by more than was known.
inline bool exceeds_scale(const TcpFlow::Half& peer, uint32_t end) {
  if (peer.window_shift != flow_shift::unknown || peer.window == 0 || peer.last_ack == 0) return false;
  return sequence_distance(peer.last_ack, end) > static_cast<int32_t>(static_cast<uint32_t>(peer.window) << peer.scale_at_least);
}

// Whether any of the range was missing until now. REQUIRES: called before label_packet() takes the packet.
bool fills_hole(const TcpFlow& flow, Side from, const SequenceRange& range);

}  // namespace parallax
