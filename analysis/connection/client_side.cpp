#include "analysis/connection/client_side.h"

#include <algorithm>

namespace parallax {
namespace {

// A port that carries one direction, and the sender of the packet that it carried.
bool settle_by_port(Connection& connection, const SensorView& sensor) {
  for (const LegState& leg : connection.legs) {
    const PacketFacts& packet = leg.attempts.empty() ? leg.first : leg.attempts.front();
    const PortDirection direction = sensor.channels()[packet.port]->info.direction;
    if (direction == PortDirection::both) continue;
    connection.client_outer = (direction == PortDirection::toward_inside) == (packet.from == Side::client);
    connection.side_basis = SideBasis::seen;
    return true;
  }
  return false;
}

// A packet that both legs show, as each shows it; null where none is known that can be compared.
struct Comparable {
  const PacketFacts *outer = nullptr, *inner = nullptr;
};
Comparable comparable(const LegState& outer, const LegState& inner) {
  if (outer.has_syn() && inner.has_syn()) return {&outer.attempts.front(), &inner.attempts.front()};
  if (outer.syn_ack && inner.syn_ack) return {&*outer.syn_ack, &*inner.syn_ack};
  // Not the same one perhaps, but of the same sender: each device on the way has lowered its TTL.
  if (outer.first.from == inner.first.from) return {&outer.first, &inner.first};
  return {};
}

bool settle_by_two_legs(Connection& connection) {
  const auto [outer_leg, inner_leg] = std::minmax_element(connection.legs.begin(), connection.legs.end(),
                                                          [](const LegState& a, const LegState& b) { return a.point < b.point; });
  if (outer_leg->point == inner_leg->point) return false;
  const bool is_proxied =
      std::any_of(connection.crossings.begin(), connection.crossings.end(), [](const Crossing& c) { return c.is_proxied; });
  if (is_proxied) {  // no packet is the same, and each TTL is of a host of its own: a proxy connects when it is connected to
    connection.side_basis = SideBasis::seen;
    connection.client_outer = outer_leg->first.order_ns <= inner_leg->first.order_ns;
    return true;
  }
  const auto [outer, inner] = comparable(*outer_leg, *inner_leg);
  if (outer == nullptr) return false;
  connection.side_basis = SideBasis::seen;
  const int ttl_fall = outer->ttl - inner->ttl;
  const bool from_client = outer->from == Side::client;
  if (ttl_fall != 0) {
    connection.client_outer = (ttl_fall > 0) == from_client;
  } else {
    connection.client_outer = (outer->order_ns <= inner->order_ns) == from_client;
  }
  return true;
}

}  // namespace

void settle_client_side(Connection& connection, const SensorView& sensor, const Knowledge& knowledge, size_t points) {
  if (settle_by_port(connection, sensor) || settle_by_two_legs(connection)) return;
  const LegState& leg = connection.legs.front();
  const std::optional<PathSide> client = knowledge.side_of(leg.client.address), server = knowledge.side_of(leg.server.address);
  const bool is_outer = client == PathSide::outer || server == PathSide::inner;
  const bool is_inner = client == PathSide::inner || server == PathSide::outer;
  connection.side_basis = is_outer || is_inner ? SideBasis::learned : SideBasis::guessed;
  connection.client_outer = is_outer || (!is_inner && (leg.point == 0 || leg.point + 1u < points));
}

}  // namespace parallax
