// Which of a connection's legs shows best that something stood still.
#pragma once

#include "analysis/connection/connection.h"
#include "analysis/model/thresholds.h"

namespace parallax {

// Data sent again and again in vain: as the leg nearest to its sender shows it, and the furthest leg on its way that has shown
// it.
struct Stall {
  static constexpr uint16_t kTimesLeast = 3;  // sent twice again, a segment may have been lost twice

  const LegState* leg = nullptr;  // null: there is none
  const LegState* furthest = nullptr;
  StandstillMark mark{};
};

// The longest one.
Stall stall_of(const Connection& connection, const Thresholds& thresholds);
// Of two legs, whether `a` comes first on the way of what the side sends.
bool comes_before(const Connection& connection, const LegState& a, const LegState& b, Side sender);
// Whether the other end has reset the connection before the packet was sent.
bool had_been_reset(const Connection& connection, const PacketFacts& packet);
bool is_proxied(const Connection& connection);

}  // namespace parallax
