// How the legs on both sides of a device ended.
#pragma once

#include <optional>

#include "analysis/connection/connection.h"
#include "analysis/detect/detector.h"

namespace parallax {

// The letter of the history with which the leg began to end: F and R of the client, f and r of the server; 0: none.
char first_end(const LegSummary& summary);

// The device closed a connection toward both ends before either of them had, with something of the server's in hand.
struct DeviceClose {
  const Crossing* crossing;
  uint64_t entered, left;            // bytes of the server's
  int64_t closed_ns;                 // toward the server
  int64_t reaction_ns;               // since the server's newest data
  std::optional<int64_t> client_ns;  // a round trip to the client
};
std::optional<DeviceClose> device_close(const Connection& connection, const DetectorView& view);

}  // namespace parallax
