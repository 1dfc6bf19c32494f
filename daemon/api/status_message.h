// The sensor's state as the API's Status, and the names that its records' numbers stand for.
#pragma once

#include "daemon/message/to_proto.h"
#include "daemon/run/sensor_state.h"
#include "parallax/v1/sensor.pb.h"

namespace parallax {

MessageNames names_of(const SensorState& state);
v1::Status status_message(const SensorState& state);

}  // namespace parallax
