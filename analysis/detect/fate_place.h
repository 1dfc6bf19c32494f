// Where a packet has met its fate: the leg and the ports that should have shown it, and under what its home has counted it.
#pragma once

#include <utility>

#include "analysis/connection/connection.h"
#include "analysis/event/events.h"
#include "analysis/model/device_index.h"

namespace parallax {

// The leg that should have shown the packet. REQUIRES: the event is of that crossing of the connection.
const LegState& absent_leg(const Connection& connection, const Crossing& crossing, const FateEvent& event);
// By which its point should have shown it.
PortDirection absent_ports(const Connection& connection, const FateEvent& event);
// Under which its home counts what was lost.
std::pair<DeviceIndex, Direction> counted_at(const FateEvent& event);

}  // namespace parallax
