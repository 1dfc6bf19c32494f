// Packets that two points saw, matched: by how much the second point's stamp is ahead of the first's. What clocks are compared
// by.
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/run/clock_samples.h"

namespace parallax {

struct ClockMatch {
  int64_t first_ns, ahead_ns;  // seen at the first point, and how much later at the second
  uint64_t invariant;
  uint32_t flow;  // a keyed hash: it tells flows apart, and orders nothing
  bool low_to_high;
  int ttl_fall;  // from the first to the second: positive where it travels that way, 0 where that is not known
};

// In order of time.
std::vector<ClockMatch> matches_of(const ClockSamples& first, const ClockSamples& second);

// Two packets of one flow, one in each direction and at most a second apart. Where each flow shows one direction alone, as on
// paths that differ by direction, two of any flows whose TTLs tell that they went either way. The second clock is ahead by at
// least `low` and by at most `high`, whatever their transits: neither packet left before it came.
struct ClockExchange {
  const ClockMatch* low;
  const ClockMatch* high;

  int64_t first_ns() const { return low->first_ns < high->first_ns ? low->first_ns : high->first_ns; }
  int64_t width_ns() const { return high->ahead_ns - low->ahead_ns; }  // the sum of both transits
};

// In order of time. Valid as long as `matches`, which are in that order.
std::vector<ClockExchange> exchanges_of(const std::vector<ClockMatch>& matches);

}  // namespace parallax
