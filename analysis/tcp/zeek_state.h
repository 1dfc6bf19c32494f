// What Zeek's connection log says of a leg: the states of its two ends, conn_state, and the history of letters.
//
// Pure functions on a leg's state (hot line, and the cold lines where a letter is written), called by the leg's steps. The rules
// are those that Zeek documents for conn.log: a, d, i and q stand once for each side; s, h, f and r again where their sequence
// number differs from the last one's; t, w and g at the first, the 10th, the 100th packet and so on. Capitals are the
// originator's. c is never written, for checksums are not verified here. Kept are the first 18 letters.
// tests/analysis/tcp/zeek_test.cpp compares.
#pragma once

#include <cstdint>

#include "analysis/leg/leg.h"
#include "analysis/model/sequence.h"
#include "capture/core/sighting.h"

namespace parallax::zeek {

// Letters that a bit of LegHot::history_seen remembers; two bits each.
enum class Letter : uint8_t { s, h, a, d, f, r, i, q };
constexpr uint16_t history_bit(Letter letter, Side from) {
  return static_cast<uint16_t>((from == Side::client ? 1 : 2) << 2 * static_cast<unsigned>(letter));
}

// Everything that the packet adds to the history. REQUIRES: the packet has been counted, and nothing else of it taken into the
// leg.
void note_packet(LegHot& hot, LegCold& cold, const Sighting& s, Side from);
// Bytes of `missing` were acknowledged that were skipped before.
void note_gap(LegCold& cold, Side missing);
void note_datagram(LegHot& hot, LegCold& cold, Side from);

// The same for a packet without SYN, FIN and RST, where nearly always there is nothing to add and the cold lines stay untouched.
inline void note_established(LegHot& hot, LegCold& cold, const Sighting& s, Side from) {
  const bool letter_stands = hot.history_seen & history_bit(s.payload_length > 0 ? Letter::d : Letter::a, from);
  const bool nothing_again = s.payload_length == 0 || sequence_before(hot.next_seq[from], s.seq + s.payload_length);
  const bool nothing_missed = sequence_at_or_before(s.ack, hot.next_seq[opposite(from)]);
  if (letter_stands && nothing_again && nothing_missed && s.window != 0) [[likely]]
    return;
  note_packet(hot, cold, s, from);
}

// Moves both ends' states by a packet that `from` sent.
void step_end_states(LegHot& hot, Side from, uint8_t flags);

// The two sides were mistaken for each other: states and history change sides.
void flip(LegHot& hot, LegCold& cold);

ConnState conn_state(const LegHot& hot);

}  // namespace parallax::zeek
