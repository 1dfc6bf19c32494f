// Which of a connection's legs shows best that something stood still.
#pragma once

#include <algorithm>

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

// When what the leg has shown of a standstill may be told: once it is over. While it lasts, when as much time again has passed
// without more of it, for the waits between repeats double.
inline int64_t tellable_ns(const StandstillMark& mark, const LegState& leg) {
  constexpr int64_t kLeastNs = 10'000'000'000;
  if (mark.end != StandstillEnd::lasts || leg.over) return mark.until_ns;
  return mark.until_ns + std::max(kLeastNs, mark.length_ns());
}

// The longest one.
Stall stall_of(const Connection& connection, const Thresholds& thresholds);
// Of two legs, whether `a` comes first on the way of what the side sends.
bool comes_before(const Connection& connection, const LegState& a, const LegState& b, Side sender);
// Whether the other end has reset the connection before the packet was sent.
bool had_been_reset(const Connection& connection, const PacketFacts& packet);
bool is_proxied(const Connection& connection);

}  // namespace parallax
