// What Parallax knows better of a segment that was sent again; beside Wireshark's labels, never instead.
//
//   tail_loss_probe          the sender's last segment again after about two round trips of silence (RFC 8985, 7), while earlier
//   ones are
//                            unacknowledged too: a timeout would have sent the earliest
//   timeout_retransmission   the earliest unacknowledged segment again after a silence that no fast recovery explains (RFC 6298)
//   needless_retransmission  the receiver said with a D-SACK that it had these bytes already (RFC 2883); told when that comes, of
//   the segment
//                            that was sent again
// Wireshark calls the first two retransmissions like any other, and the last one too if the ACK had not passed yet; and where
// segments were joined or cut by offload (TSO, GRO) it calls bytes that were seen before out of order: sent_again() does not.
#pragma once

#include <cstdint>
#include <optional>

#include "analysis/leg/leg.h"
#include "analysis/tcp/tcp_flow.h"
#include "capture/core/sighting.h"

namespace parallax {

// All functions: `flow` as it was before the packet.

// Whether the packet holds sequence numbers that came before, whatever their boundaries then were.
bool sent_again(const TcpFlow& flow, const Sighting& s, Side from);

// tail_loss_probe, timeout_retransmission (bits of PacketLabel) or 0. REQUIRES: sent_again().
uint32_t why_sent_again(const LegCold& cold, const TcpFlow& flow, const Sighting& s, Side from);

// Keeps the packet in mind as one that was sent again.
void remember_again(TcpFlow& flow, const Sighting& s, Side from);

// The packet that was sent needlessly, if `s`, an acknowledgement with SACK blocks, says so of one that is remembered; it is
// forgotten then.
std::optional<TcpTrouble::Again> needless_by(TcpFlow& flow, const Sighting& s, Side from);

}  // namespace parallax
