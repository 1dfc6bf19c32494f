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
#include "capture/core/port_outage.h"
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

// Of each point: why and when its stamps cannot be compared with those of the point before it, by the corrected clocks.
struct ClockLimits {
  // - clock_step: the clock was set, as packets of both directions tell (until the new time is known), or the time went back in
  //   one of its files, which the others of that machine may not show;
  // - clock_jumped: packets take longer or less long all at once, while those of one direction alone are seen at both;
  // - clocks_apart: packets are seen to leave long before they came;
  // - clocks_unknown: packets of one direction alone are seen at both, all of them long after they came.
  std::vector<std::vector<PortOutage>> doubts;
  // Whether packets of both directions tell how far its clock and that of the point before it are apart. Of the first: true.
  std::vector<bool> compared;

  // What of it the ports of the point are out for. A doubt between two neighbours is one between all points on either side: all
  // from the second of the two on are out, of which those further on are only said to have no common clock with the others. Where
  // that is not soon over, and there are three points or more, the first alone is, if it cannot be compared with the second.
  std::vector<PortOutage> outages(size_t point) const;
  bool has(size_t point, OutageCause cause) const {
    return std::any_of(doubts[point].begin(), doubts[point].end(), [cause](const PortOutage& o) { return o.cause == cause; });
  }
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
