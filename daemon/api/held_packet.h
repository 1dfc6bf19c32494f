// A packet that a device held for long, as a finding has it: what can be named as the exemplar of a histogram of transits.
#pragma once

#include <cstdint>
#include <optional>

#include "analysis/model/model.h"

namespace parallax {

struct HeldPacket {
  uint64_t finding_id = 0;
  PointIndex outer = 0, inner = 0;
  Direction direction{};
  int64_t took_ns = 0;
  int64_t left_ns = 0;  // when it was seen beyond the device
};

// The last one of its evidence, between two points; nullopt: it is no device_delay, or tells of none. Pure.
std::optional<HeldPacket> held_packet(const FindingRecord& finding);

}  // namespace parallax
