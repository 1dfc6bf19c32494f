// What is known of connections and devices, as records for people.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/connection/connection.h"
#include "analysis/connection/knowledge.h"
#include "analysis/connection/waiting.h"
#include "analysis/model/model.h"
#include "analysis/model/sensor_view.h"

namespace parallax {

ConnectionRecord record_of(const Connection& connection, const SensorView& sensor);
// Of each leg, its place in the record: from the client's side, then in order of opening.
std::vector<uint32_t> leg_order(const Connection& connection);
// By outer point. Without what is counted by the workers: transit, losses.
std::vector<DeviceRecord> device_records(const Knowledge& knowledge, size_t points);

}  // namespace parallax
