// The time-sequence graph of a TCP connection (Stevens, "TCP/IP Illustrated", vol. 1; tcptrace): data by sequence number over
// time, as each point saw it, over each other.
//
// A segment stands as a bracket from its first to its last byte, open to the one side at one point and to the other at the next,
// so that both can be seen where they lie upon each other; acknowledgements of it are a line of steps. What was lost, injected,
// sent again or out of order is marked. Classes, for the style sheet and for tests: `segment p0` and `ack p0` of the first point,
// and so on; `mark lost` ...
#pragma once

#include <cstddef>
#include <string>

#include "daemon/client/ladder.h"

namespace parallax {

inline constexpr size_t kGraphSegmentsMax = 2'000;  // of each direction, at all points together; the first ones

// One figure for each direction that carried data, each with its legend; empty where none did.
std::string sequence_graphs(const Ladder& ladder);

}  // namespace parallax
