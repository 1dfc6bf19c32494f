// What the findings that rest on one packet's fate have in common.
#pragma once

#include <string>

#include "analysis/detect/detector.h"

namespace parallax {

// An observation of the packet of `event`, which was seen on both sides of the device, and of what the device did to it.
Observation crossing_observation(const Connection& connection, const FateEvent& event, FindingKind kind, const std::string& what);
// An observation of the packet of `event`, blamed on the device between the points where it was seen and where it was not. `what`
// names it: "RST seq 17".
Observation fate_observation(const Connection& connection, const FateEvent& event, FindingKind kind, const std::string& what);

}  // namespace parallax
