// In which order packets pass the points, as their TTLs tell: each router on the way lowers them.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "daemon/run/clock_samples.h"

namespace parallax {

struct PointOrder {
  std::vector<size_t> order;  // the points as they were given, each once; of the two ways round the one nearer to that
  size_t packets, seen;       // so many of those that all points show
};

// Another order than the one given, which nearly all packets agree about that all points show with TTLs of their own. nullopt:
// none, or too few tell; two points alone never do, as either may be outside.
std::optional<PointOrder> order_by_ttl(const std::vector<ClockSamples>& points);

}  // namespace parallax
