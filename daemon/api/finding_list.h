// The findings of the engine and those that only the history still has, as one list by id. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "daemon/api/wanted_findings.h"
#include "daemon/run/sensor_state.h"
#include "parallax/v1/types.pb.h"

namespace parallax {

// At most `limit` of those above the id. What the engine knows is newer than what the history has of it.
std::vector<ListedFinding> listed_findings(const SensorState& state, uint64_t after_id, size_t limit, bool this_run);
v1::Finding to_proto(const ListedFinding& listed, const MessageNames& names);

// The devices of this run, with what earlier ones have learned; those that only earlier ones know come last.
std::vector<v1::Device> listed_devices(const SensorState& state, const MessageNames& names);

}  // namespace parallax
