// Packets of a ladder, as tests want them.
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/client/ladder.h"

namespace parallax::test {

// Seen at each point at a time in ms, or not at all where it is negative. Frames count from 7.
inline LadderStep ladder_step(Side from, uint8_t flags, uint32_t length, const std::vector<int64_t>& seen_ms,
                              uint32_t labels = 0) {
  LadderStep step;
  step.from = from;
  uint32_t frame = 7;
  for (const int64_t ms : seen_ms) {
    step.sightings.emplace_back();
    if (ms < 0) continue;
    LadderSighting& sighting = step.sightings.back().emplace();
    sighting.time_ns = ms * 1'000'000;
    sighting.frame = frame++;
    sighting.labels = labels;
    sighting.packet.protocol = ip_protocol::tcp;
    sighting.packet.tcp_flags = flags;
    sighting.packet.payload_length = length;
    sighting.packet.window = 500;
  }
  return step;
}

// The same, with its numbers relative to the first of each side.
inline LadderStep numbered(LadderStep step, uint32_t seq, uint32_t ack) {
  for (auto& sighting : step.sightings) {
    if (!sighting) continue;
    sighting->relative_seq = seq;
    sighting->relative_ack = ack;
  }
  return step;
}

}  // namespace parallax::test
