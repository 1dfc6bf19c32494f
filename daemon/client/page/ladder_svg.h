// A ladder as SVG: client, points and server as columns, time downwards, one line a packet. Each packet has a title that says
// what its headers held at each point.
//
// Classes, for the style sheet and for tests: `step` (also `decisive`, `lost`, `injected`), `pause`.
#pragma once

#include <string>

#include "daemon/client/ladder.h"

namespace parallax {

inline constexpr size_t kSvgStepsMax = 60;  // of more, those between that say nothing of their own are folded

std::string ladder_svg(const Ladder& ladder);
std::string ladder_legend(const Ladder& ladder);  // what its marks mean, those that occur

// What was seen of a packet at a point: "outside: 2024-02-29T12:34:56.001Z, frame 7 of a.pcap, 10.0.0.1:5000 > ...".
std::string sighting_text(const Ladder& ladder, size_t lane, const LadderSighting& sighting);
std::string file_of(const Ladder& ladder, const LadderSighting& sighting);  // without its folders; empty: not known

}  // namespace parallax
