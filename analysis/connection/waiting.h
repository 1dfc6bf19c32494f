// Where a connection's time between data went: the client, the network before the device, the device, the network after it, the
// server.
//
// From the sums of two legs, the one nearest to the client and the one nearest to the server. The client's share and the network
// before the device are as the first one measured them, the network after the device and the server's share as the second one
// did. What passes from a request's last byte to its response's last byte takes longer at the first: that went by between the two
// points. The same packets begin and end it at both, so that the difference of the sums is the sum of the differences. It holds
// the time until what the device lost was sent again, too. With one point only the device is part of the network or of a host:
// its share is 0.
#pragma once

#include <optional>

#include "analysis/connection/connection.h"
#include "analysis/model/model.h"
#include "analysis/model/sensor_view.h"

namespace parallax {

// The legs with turns that are nearest to the client and to the server, from which it is known. Both null: there are none.
struct WaitedLegs {
  const LegState* first = nullptr;
  const LegState* last = nullptr;
};
WaitedLegs waited_legs(const Connection& connection);

// Empty where there were no turns; where the sensor lost anything at either point while they went on; or where the two legs saw
// different ones (so much was under way in both directions that each point had its own order).
std::optional<WaitingRecord> waiting_of(const Connection& connection, const SensorView& sensor);

// What a leg's record says of times.
void set_times(const FlowTimesSummary& times, LegRecord& record);

}  // namespace parallax
