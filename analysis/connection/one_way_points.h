// Points that show one direction alone: a mirror of one port's ingress, or a path of which the other direction is elsewhere. Of
// what goes the other way nothing that was not seen there has been absent.
//
// Told by the conversations that are over. One of which both ends were seen disproves it for good: from then on a mirror that
// falls silent is noticed by the packets that it misses (Passages). The correlator's, one thread.
#pragma once

#include <array>
#include <cstdint>

#include "analysis/connection/connection.h"

namespace parallax {

class OneWayPoints {
 public:
  // A leg that has ended.
  void take(const LegState& leg, const Connection& connection);
  // Whether the point may have shown nothing of that direction. Both: of either.
  bool misses(PointIndex point, PortDirection ports) const;

 private:
  struct Point {
    uint64_t both_ways = 0, one_way = 0;  // conversations
    PerDirection<uint64_t> seen{};        // of those one way, by the direction that was seen, where that is known
  };

  std::array<Point, kPointsMax> points_{};
};

}  // namespace parallax
