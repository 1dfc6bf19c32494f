// What the points and the ports of a sensor are called, for messages.
#pragma once

#include "daemon/message/to_proto.h"
#include "daemon/run/sensor_state.h"

namespace parallax {

inline MessageNames names_of(const SensorState& state) {
  MessageNames names;
  names.points = state.path;
  for (const PortChannel* channel : state.channels) names.ports.push_back(channel->info.name);
  return names;
}

}  // namespace parallax
