// By how much one clock is ahead of another, as lines over time, from packets that passed between them in both directions.
//
// Problem: a packet toward the second point is seen there later by offset + transit, one from there by offset - transit. Queues
// add to transits and never take away, some matches are of different packets, and a clock may be set in the middle.
//
// Sketch: of two packets of a flow, one in each direction, one gives the least that the second clock can be ahead and the other
// the most. The line that agrees with the most such exchanges (random sample consensus, Fischler and Bolles 1981; here the
// candidates are the narrowest exchanges of each stretch of time) tells which matches are wrong; where it stops agreeing the
// clock was set, and the rest gets a line of its own. Then, of what agrees: the line that lies furthest below all packets toward
// the second point and above all from it (linear programming over both convex hulls; Moon, Skelly and Towsley 1999, Paxson 1998).
//
// What no packet tells is a constant asymmetry of the two transits: the offset is known to within half of the sum of the least.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "daemon/run/clock_matches.h"

namespace parallax {

struct ClockFit {
  int64_t from_ns, to_ns;  // the first and the last packet that it rests on, by the first clock
  int64_t offset_ns;       // at from_ns
  double drift;            // 0: none that could be told from none
  int64_t uncertainty_ns;  // half of the sum of the least transits, and what stamps scatter
  // With clocks that are the same, packets would leave before they came.
  bool differs;

  int64_t ahead_ns(int64_t first_ns) const {
    return offset_ns + static_cast<int64_t>(drift * static_cast<double>(first_ns - from_ns));
  }
};

// In order of time; more than one where a clock was set, or changed its rate. Empty: too few exchanges, or no line agrees with
// most of them.
std::vector<ClockFit> fit_clocks(const std::vector<ClockMatch>& matches);

// The drift from packets of one direction alone, where their TTLs tell which one that is. nullopt: they do not, are too few, or
// grow later as no clock does, but a queue.
std::optional<double> one_way_drift(const std::vector<ClockMatch>& matches);

}  // namespace parallax
