// What a device does to a connection, as bits of DeviceChange, and what it is by that.
#pragma once

#include <cstdint>

#include "analysis/connection/connection.h"
#include "analysis/model/vocabulary.h"

namespace parallax {

// Between two legs that are paired across it. Compares only what both sides know.
uint32_t changes_between(const LegState& client_side, const LegState& server_side, const CrossingStats& stats);
DeviceKind kind_of(uint32_t changes);
// Whether the SYN beyond the device is one of its own, and not the client's, passed on: with another number, and a TTL that no
// way leads to. Then it is a proxy, whatever it lets the two ends take each other for.
bool opens_its_own(const LegState& client_side, const LegState& server_side);

}  // namespace parallax
