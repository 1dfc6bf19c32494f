// A device that has forgotten an idle connection: what comes after the silence ends in it.
#pragma once

#include "analysis/detect/detector.h"

namespace parallax::detect {

// Whether the packet, of which the fate tells (data that was lost, or a RST of the device's own), is told as part of that. What
// was told of the first such packet as a loss is taken back.
bool tells_idle_drop(Connection& connection, const FateEvent& event, const DetectorView& view, Verdicts& out);

}  // namespace parallax::detect
