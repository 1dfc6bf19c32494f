#include "analysis/detect/stamp_order.h"

#include <algorithm>

namespace parallax {

void StampOrder::add(const PassageCount& count) {
  if (count.crossed == 0 || is_hairpin(count.device)) return;
  Stretch& stretch = stretches_[count.device];
  if (stretch.from_ns == kTimeMin) stretch.from_ns = count.time_ns;
  if (count.time_ns >= stretch.from_ns + kStretchNs) {
    end(count.device, stretch);
    stretch.from_ns = count.time_ns;
    stretch.ways = {};
  }
  Way& way = stretch.ways[count.direction];
  way.crossed += count.crossed;
  way.backwards += count.backwards;
  way.by_ns = std::max(way.by_ns, count.backwards_ns);
}

void StampOrder::end(DeviceIndex device, Stretch& stretch) {
  for (const Direction direction : kDirections) {
    const Way& way = stretch.ways[direction];
    if (!way.is_backwards() || !stretch.ways[opposite(direction)].is_forwards()) continue;
    if (stretch.told_ns != kTimeMin && stretch.from_ns < stretch.told_ns + kToldEveryNs) continue;
    stretch.told_ns = stretch.from_ns;
    found_.push_back({device, direction, stretch.from_ns, stretch.from_ns + kStretchNs, way.crossed, way.backwards, way.by_ns});
  }
}

}  // namespace parallax
