// What a proxy takes to pass a message on, told by turns: for it ends one TCP connection and makes another, so that no packet can
// be followed through it.
//
// A request's transit is from its last byte, as it enters, to its first byte, as it leaves; a response's likewise. Where the
// first byte leaves before the last one has entered, it is from the first byte to the first byte; behind a PROXY header, which
// goes ahead, from the last one to the last one. The time in which the proxy itself waited for the server meanwhile, to be
// connected (delayed binding) or to agree on keys, is not the proxy's and not counted.
//
// Compared are an exchange of the server's side and the client's exchange that it lies within, where it is beyond doubt that the
// one is the other passed on: no other exchange beyond the proxy begins within it, no other client whose messages use the same
// connection has one around it, both sides show the same request where they show any, and otherwise the exchanges of both sides
// keep step. Of a turn in which anything was missed or sent again, on either side, nothing is said.
//
// The correlator's, one thread. Bounded by LegTurns::kKept.
#pragma once

#include <array>
#include <cstdint>

#include "analysis/connection/connection_store.h"
#include "analysis/model/sensor_view.h"
#include "analysis/model/transit_sketch.h"

namespace parallax {

class ProxyTransits {
 public:
  ProxyTransits(ConnectionStore& store, const SensorView& sensor) : store_(store), sensor_(sensor) {}

  // A message of the leg begins.
  void take(uint64_t leg_id, const LegEvent& event);
  // The leg is over. REQUIRES: its summary is what it came to.
  void end(uint64_t leg_id);
  // The two sides of the crossing are paired, perhaps after they have ended.
  void paired(Connection& connection, Crossing& crossing);

  // Of all connections through the device behind that outer point.
  const PerDirection<TransitSketch<uint32_t>>& at(PointIndex outer) const { return sums_[outer]; }

 private:
  void compare(Connection& connection, Crossing& crossing);
  void compare(Connection& connection, Crossing& crossing, const Exchange& inner);
  bool is_alone(const Connection& connection, const LegState& client, const LegState& server, const Exchange& own,
                const Exchange& inner) const;
  void add(const Connection& connection, Crossing& crossing, Side sender, int64_t transit_ns);

  ConnectionStore& store_;
  const SensorView& sensor_;
  std::array<PerDirection<TransitSketch<uint32_t>>, kPointsMax> sums_{};
};

}  // namespace parallax
