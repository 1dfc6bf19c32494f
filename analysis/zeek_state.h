// What Zeek's connection log says of a leg: the states of its two ends, conn_state, and the history of letters.
//
// Pure functions on a leg's state (hot line, and the cold lines where a letter is written), called by the leg's steps. The rules
// are those that Zeek documents for conn.log; where it depends on what only Zeek does, tests/zeek_test.cpp says so.
#pragma once

#include <cstdint>

#include "analysis/leg.h"
#include "capture/sighting.h"

namespace parallax::zeek {

// Letters of the history, each written once for each side: capitals for the originator.
enum class Letter : uint8_t { s, h, a, d, f, r, t };

// Adds a letter to the history unless it stands there already. The first 18 letters are kept.
void note_history(LegHot& hot, LegCold& cold, Letter letter, Side from);

// All letters that a packet outside the established leg's fast path calls for. `again`: it was labelled a retransmission.
void note_turning(LegHot& hot, LegCold& cold, const Sighting& s, Side from, bool again);

// Moves both ends' states by a packet that `from` sent.
void step_end_states(LegHot& hot, Side from, uint8_t flags);

// The two sides were mistaken for each other: states and history change sides.
void flip(LegHot& hot, LegCold& cold);

ConnState conn_state(const LegHot& hot);

}  // namespace parallax::zeek
