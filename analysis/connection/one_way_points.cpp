#include "analysis/connection/one_way_points.h"

#include <algorithm>

namespace parallax {
namespace {

// New ones, of the end that is seen, and more than so many for each that it repeats: it goes on, as only answers let it.
constexpr uint32_t kPacketsLeast = 3, kNewForEachAgain = 4;

// What fails to open shows one end alone wherever it is seen.
bool is_conversation(const LegState& leg) { return leg.midstream || leg.syn_ack || leg.established; }

}  // namespace

void OneWayPoints::take(const LegState& leg, const Connection& connection) {
  if (!leg.has_summary || leg.protocol != ip_protocol::tcp || !is_conversation(leg)) return;
  Point& point = points_[leg.point];
  const LegSummary& summary = leg.summary;
  if (summary.packets[Side::client] > 0 && summary.packets[Side::server] > 0) {
    ++point.both_ways;
    return;
  }
  const Side seen = summary.packets[Side::client] > 0 ? Side::client : Side::server;
  const uint32_t again = summary.retransmissions[seen];
  if (summary.packets[seen] < again + std::max(kPacketsLeast, again * kNewForEachAgain)) return;
  ++point.one_way;
  if (connection.side_basis == SideBasis::seen) ++point.seen[connection.direction_of(seen)];
}

bool OneWayPoints::misses(PointIndex point, PortDirection ports) const {
  const Point& of = points_[point];
  if (of.both_ways > 0 || of.one_way == 0) return false;
  const auto is_missed = [&](Direction direction) { return of.seen[direction] == 0; };
  if (ports != PortDirection::both)
    return is_missed(ports == PortDirection::toward_inside ? Direction::toward_inside : Direction::toward_outside);
  return is_missed(Direction::toward_inside) || is_missed(Direction::toward_outside);
}

}  // namespace parallax
