// The sensor's state as the API's Status, and the names that its records' numbers stand for.
#pragma once

#include "daemon/sensor_state.h"
#include "daemon/to_proto.h"
#include "parallax/v1/sensor.pb.h"

namespace parallax {

MessageNames names_of(const SensorState& state);
v1::Status status_message(const SensorState& state);

}  // namespace parallax
