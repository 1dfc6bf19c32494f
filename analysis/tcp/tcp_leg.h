// TCP as one leg shows it: handshake, attempts, close, sequence space. Zeek's view of it is zeek_state.h.
//
// Pure functions on a leg's state; nothing is known of other points. Stamps of the two directions may be inverted by the
// polling gap, so that the handshake is a set of facts and not a sequence: a SYN-ACK may come before its SYN.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "analysis/leg/leg.h"
#include "analysis/tcp/capture_trace.h"
#include "analysis/tcp/leg_summary.h"
#include "analysis/tcp/standstill.h"
#include "analysis/tcp/tcp_flow.h"

namespace parallax {

// Live, a leg that was opened in vain is kept for so long: longer than any stack waits before it sends its SYN again (RFC 6298
// lets the timer double up to 60 s).
inline constexpr int64_t kAttemptWindowNs = 120'000'000'000;
// A SYN with another sequence number within this time of a RST is one more attempt of the same connection: stacks try again after
// a refusal, Windows each 0.5 s. Later it is a new connection on the same port.
inline constexpr int64_t kRetryAfterRstNs = 1'500'000'000;
// A closed leg takes late packets for so long; then its five-tuple is free.
inline constexpr int64_t kClosedLingerNs = 60'000'000'000;
// Offline, a leg that is over is remembered for so long, so that its ports are known to be used again. Live the memory is needed,
// and so it is where connections are handed over: then it is 2 MSL (RFC 9293, 3.4.2).
inline constexpr int64_t kPortMemoryNs = 3'600'000'000'000, kPortMemoryLeastNs = 240'000'000'000;
inline constexpr int64_t kUdpIdleNs = 60'000'000'000;

// What a packet did to its leg; bits.
namespace leg_step {
inline constexpr uint32_t attempt = 1, syn_ack = 2, established = 4, refused = 8, reset = 16, closed = 32, flipped = 64,
                          sent_again = 128;
}

struct LegStep {
  uint32_t what = 0;                          // leg_step
  uint32_t labels = 0;                        // PacketLabel bits
  std::optional<TcpTrouble::Again> needless;  // an earlier packet that the receiver had no need of
  std::optional<StandstillMark> stood_still;  // what has ended with it
};

// Which end of a new leg is the client. TCP: who sends the SYN or gets its answer; in midstream the side whose port is not a
// service's while the other's is, else the one with the higher port. UDP: who sent the first datagram, unless it came from a
// service's port and went to no other's: then it is an answer, and the question was not seen.
Side sender_side(const Sighting& s);

// Whether the leg is over at `now_ns` for lack of packets. `idle_timeout_ns`: of an open connection.
bool idle_over(const LegHot& hot, int64_t now_ns, int64_t idle_timeout_ns);
// Offline an open connection is never over for lack of packets.
inline constexpr int64_t kNeverIdle = INT64_MAX;
// Offline: when the leg may be forgotten, if no packet comes until then: a UDP leg is over, the ports of a TCP leg may be used
// again and nobody needs to know, so long after. kTimeMax: not as it stands, since it is open.
int64_t forgotten_at(const LegHot& hot, int64_t port_memory_ns);
// The same of a TCP leg whose last packet at `last_ns` ended it.
int64_t forgotten_if_over(int64_t last_ns, int64_t port_memory_ns);

// Whether `s` begins a new generation on the leg's five-tuple: the leg is over and a new conversation starts.
bool starts_new_leg(const LegHot& hot, const LegCold& cold, const Sighting& s, Side from, int64_t idle_timeout_ns);

// Takes one packet into the leg. `from` may be corrected by a late SYN: then leg_step::flipped, and what was counted for one
// side is now the other's.
// `same`: what is no packet of its own is labelled as Wireshark does, but nobody has sent it again, its bytes count once, and
// what it says has been said.
LegStep tcp_step(LegHot& hot, LegCold& cold, TcpFlow& flow, const Sighting& s, Side from,
                 DuplicateState same = DuplicateState::fresh);
// Takes the data of a segment's later fragment into the leg: its bytes were seen.
void take_fragment(LegHot& hot, LegCold& cold, TcpFlow& flow, const Sighting& s, Side from, DuplicateState same);
// A datagram, as tcp_step(); `from` is corrected where a question was stamped after its answer.
LegStep udp_step(LegHot& hot, LegCold& cold, const Sighting& s, Side from, DuplicateState same = DuplicateState::fresh);

// `flow`: null where the leg has no TcpFlow.
LegSummary summarize(const LegHot& hot, const LegCold& cold, const TcpFlow* flow, bool idle);
TurnMark turn_mark(const LegHot& hot, const LegCold& cold, const TcpFlow& flow, Side from);
std::string_view history_of(const LegSummary& summary);

}  // namespace parallax
