#include "daemon/run/sensor_state.h"

namespace parallax {

MessageNames names_of(const SensorState& state) {
  MessageNames names;
  names.points = state.path;
  for (const PortChannel* channel : state.channels) names.ports.push_back(channel->info.name);
  return names;
}

}  // namespace parallax
