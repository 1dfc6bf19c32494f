// Which device packets cross: the one between two neighbouring points, or one of which both sides show at the same point, a
// hairpin (a one-armed load balancer, a hairpin NAT). A dense index, so that counters of devices are arrays.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "capture/core/sighting.h"

namespace parallax {

using DeviceIndex = uint8_t;  // below kPointsMax: that device's outer point; from there on: the point of a hairpin
inline constexpr size_t kDevicesMax = 2 * size_t{kPointsMax};

// REQUIRES: neighbours, or one point twice.
constexpr DeviceIndex device_between(PointIndex a, PointIndex b) {
  return static_cast<DeviceIndex>(a == b ? kPointsMax + a : std::min(a, b));
}
constexpr bool is_hairpin(DeviceIndex device) { return device >= kPointsMax; }
constexpr PointIndex outer_point_of(DeviceIndex device) { return static_cast<PointIndex>(device % kPointsMax); }

}  // namespace parallax
