// By how much the clock of one point differs from another's, from the packets that both saw.
//
// As in NTP (RFC 5905, and Paxson 1998 for captures): a packet toward the second point is seen there later by offset + transit,
// one from there by offset - transit. Two packets of one flow, one in each direction and close in time, so give the offset as the
// mean of both differences, within half of their sum of transits; of many such exchanges those with the least transit tell most.
// What is not told: a constant asymmetry of the two transits.
#pragma once

#include <vector>

#include "capture/core/port.h"
#include "capture/source/clock_correction.h"
#include "daemon/run/clock_samples.h"

namespace parallax {

// How far `second`'s clock is ahead of `first`'s. Nothing is corrected unless it is certain: several exchanges agree, and without
// an offset packets would leave before they came.
ClockCorrection compare_clocks(const ClockSamples& first, const ClockSamples& second);

// Of each point, in path order: to the clock of the first. Neighbours are compared, as they have the most packets in common.
std::vector<ClockCorrection> align_clocks(const std::vector<ClockSamples>& points);

// Of each point, by the corrected clocks: from when on its stamps cannot be compared with those of the point before it. Packets
// are then seen to leave long before they came: a clock was stepped, or the offset could not be found. Or the time went back in
// one of its files, which the others of that machine may not show: `stepped_ns`, as stamped after the (first) step. kTimeMax:
// never.
std::vector<int64_t> comparable_until(const std::vector<ClockSamples>& points, const std::vector<ClockCorrection>& clocks,
                                      const std::vector<int64_t>& stepped_ns);

}  // namespace parallax
