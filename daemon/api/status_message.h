// The sensor's state as the API's Status.
#pragma once

#include "daemon/run/sensor_state.h"
#include "parallax/v1/sensor.pb.h"

namespace parallax {

v1::Status status_message(const SensorState& state);

}  // namespace parallax
