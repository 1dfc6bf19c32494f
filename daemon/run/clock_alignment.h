// The clocks of several points brought to the first one's, by the packets that neighbours have in common.
//
// How two clocks are compared is told in daemon/run/clock_fit.h. Nothing is corrected unless it is certain: several exchanges
// agree, and without the correction packets would leave before they came.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "capture/core/packet_source.h"
#include "capture/core/port.h"
#include "capture/source/clock_correction.h"
#include "daemon/run/clock_samples.h"

namespace parallax {

struct PointClock {
  ClockCorrection correction;
  // Around each step that has been corrected, by the corrected clock: stamps are not compared with those of the point before.
  std::vector<TimeSpan> steps{};
};

// How far `second`'s clock is ahead of `first`'s.
PointClock compare_clocks(const ClockSamples& first, const ClockSamples& second);

// Of each point, in path order: to the clock of the first. Neighbours are compared, as they have the most packets in common.
std::vector<PointClock> align_clocks(const std::vector<ClockSamples>& points);

// Of each point, by the corrected clocks: from when on its stamps cannot be compared with those of the point before it.
struct ClockLimits {
  // The time went back in one of its files, which the others of that machine may not show. kTimeMax: never.
  std::vector<int64_t> stepped_ns;
  // Packets of one direction alone are seen at both, and take longer all at once: one of the two clocks was set.
  std::vector<int64_t> moved_ns;
  // Packets are seen to leave long before they came: their offset could not be found.
  std::vector<int64_t> apart_ns;
  // Whether packets of both directions tell how far its clock and that of the point before it are apart. Of the first: true.
  std::vector<bool> compared;

  // From when on the point's clock, or that of the point before it, is known to have been set.
  int64_t set_ns(size_t point) const { return std::min(stepped_ns[point], moved_ns[point]); }
  // With the clocks of both its neighbours. Otherwise an outage of the point may have been at any time by the others' stamps.
  bool is_compared(size_t point) const { return compared[point] && (point + 1 == compared.size() || compared[point + 1]); }
};

// `stepped_ns`: to when the time went back in the point's files (the first time), as stamped; kTimeMax: it did not.
ClockLimits clock_limits(const std::vector<ClockSamples>& points, const std::vector<PointClock>& clocks,
                         const std::vector<int64_t>& stepped_ns);

// Where packets of one direction alone passed between two points: by how much the second clock drifts against the first, seconds
// a second. Their offset cannot be told. nullopt: packets of both directions passed, or too few, or their TTLs do not tell which.
std::optional<double> one_way_drift(const ClockSamples& first, const ClockSamples& second);

}  // namespace parallax
