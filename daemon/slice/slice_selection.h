// From what a person asks for (a finding, a connection, a time) to what the spool is asked for (time, legs, pairings).
//
// Look-ups in the engine, the spool and the pinned files; any thread.
#pragma once

#include <string>
#include <vector>

#include "daemon/run/sensor_state.h"
#include "daemon/slice/slice.h"
#include "parallax/v1/sensor.pb.h"

namespace parallax {

enum class SelectionCode { ok, invalid_argument, not_found };

struct SliceSelection {
  SelectionCode code = SelectionCode::ok;
  std::string error;  // empty if ok
  SliceRequest request;
  uint64_t pinned = 0;               // not 0: the packets are in the pinned file of this finding, and not in the ring
  std::vector<std::string> remarks;  // on where the packets are from, a sentence each
  std::string elsewhere;             // where packets are that the ring no longer has; empty: nowhere
};

// For the log, of bounded length whatever was asked: "finding 7", "connection 3", "2026-01-01T00:00:00Z to ...", with the filter.
std::string asked_text(const v1::PullSliceRequest& request);

// A slice of a finding, an incident or a connection reaches this far before its first and after its last packet.
inline constexpr int64_t kSliceMarginNs = 1'000'000'000;
// Of a finding or an incident with more connections than this it has the first of them; the slice's comment says so.
inline constexpr size_t kSliceConnectionsMax = 100;

// Of what the engine knows, and out of the ring alone.
SliceSelection select_slice(const SensorState& state, const v1::PullSliceRequest& request);
// The same; a finding whose packets are pinned, and of which the ring or the engine no longer has all, is taken from its pinned
// file.
SliceSelection select_slice_or_pinned(const SensorState& state, const v1::PullSliceRequest& request);

}  // namespace parallax
