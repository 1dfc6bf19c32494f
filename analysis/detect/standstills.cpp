#include "analysis/detect/standstills.h"

#include <algorithm>

namespace parallax {
namespace {

// By how much what two points show of the same may differ.
constexpr int64_t kSlackNs = 100'000'000;

bool overlap(const StandstillMark& a, const StandstillMark& b) {
  return b.any() && a.since_ns <= b.until_ns + kSlackNs && b.since_ns <= a.until_ns + kSlackNs;
}

}  // namespace

bool is_proxied(const Connection& c) {
  return std::any_of(c.crossings.begin(), c.crossings.end(), [](const Crossing& crossing) { return crossing.is_proxied; });
}

bool had_been_reset(const Connection& c, const PacketFacts& packet) {
  return std::any_of(c.legs.begin(), c.legs.end(), [&](const LegState& leg) {
    return leg.reset && leg.reset->from == opposite(packet.from) && leg.reset->order_ns < packet.order_ns;
  });
}

bool comes_before(const Connection& c, const LegState& a, const LegState& b, Side sender) {
  return sender == Side::client ? c.is_behind(b, a) : c.is_behind(a, b);
}

Stall stall_of(const Connection& c, const Thresholds& thresholds) {
  Stall best;
  for (const LegState& leg : c.legs) {
    if (!leg.stops) continue;
    for (const Side sender : kSides) {
      const StandstillMark mark = leg.in_vain(sender);
      if (mark.length_ns() < thresholds.stalled_connection_least_ns || mark.times < Stall::kTimesLeast) continue;
      const int64_t longer_ns = mark.length_ns() - best.mark.length_ns();
      const bool is_nearer = best.leg != nullptr && best.mark.side == sender && comes_before(c, leg, *best.leg, sender);
      if (longer_ns > kSlackNs || best.leg == nullptr || (is_nearer && longer_ns > -kSlackNs)) best = {&leg, &leg, mark};
    }
  }
  // What is sent beyond a proxy is the proxy's own.
  if (best.leg == nullptr || is_proxied(c)) return best;
  for (const LegState& leg : c.legs) {
    if (!overlap(best.mark, leg.in_vain(best.mark.side))) continue;
    if (comes_before(c, *best.furthest, leg, best.mark.side)) best.furthest = &leg;
  }
  return best;
}

}  // namespace parallax
