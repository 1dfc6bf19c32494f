// A connection as a ladder: who is on the path from the client to the server as columns, time downwards, one line a packet with
// all its sightings, so that what was lost ends between two columns and what was made begins there.
//
//     0.000000 |--------o========o------->|  SYN seq 0 mss 1460 +31 us #1/1
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/model/sides.h"
#include "capture/core/sighting.h"

namespace parallax {

// One packet at one point.
struct LadderSighting {
  int64_t time_ns = 0;
  uint32_t frame = 0;
  uint32_t labels = 0;                          // PacketLabel bits
  uint32_t relative_seq = 0, relative_ack = 0;  // TCP: to the first of each side
  Sighting packet{};
};

// One packet: at least one sighting.
struct LadderStep {
  Side from = Side::client;
  std::vector<std::optional<LadderSighting>> sightings{};  // by lane
  bool decisive = false;                                   // a finding rests on it
};

struct Ladder {
  std::vector<std::string> title;    // lines
  std::vector<std::string> lanes;    // points from the client's side to the server's
  std::vector<LadderStep> steps;     // in order of time
  std::vector<std::string> files{};  // by Sighting::port: of which its frame is
};

using Ladders = std::map<uint64_t, Ladder>;  // by connection id

struct LadderStyle {
  bool ascii = true;
  bool colour = false;
  size_t columns = 100;   // no line is longer
  size_t steps_max = 40;  // of more, those between that say nothing of their own are folded
};

std::string ladder_text(const Ladder& ladder, const LadderStyle& style);

}  // namespace parallax
