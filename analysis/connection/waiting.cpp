#include "analysis/connection/waiting.h"

#include <algorithm>

namespace parallax {
namespace {

bool has_turns(const LegState& leg) { return leg.has_summary && leg.summary.times.valid && leg.summary.times.turns > 0; }

// The leg with turns that is nearest to that end; of several at a point (retries through a NAT) the one that opened last.
const LegState* nearest(const Connection& connection, bool to_client) {
  const LegState* best = nullptr;
  for (const LegState& leg : connection.legs) {
    if (!has_turns(leg)) continue;
    const bool is_behind = best && connection.is_behind(leg, *best), is_before = best && connection.is_behind(*best, leg);
    if (!best || (to_client ? is_before : is_behind) || (!is_before && !is_behind && leg.first.order_ns >= best->first.order_ns))
      best = &leg;
  }
  return best;
}

// A response whose end the sensor itself has lost at one point would seem to take longer at the other.
bool all_was_seen(const LegState& leg, const SensorView& sensor) {
  return sensor.saw_everything(leg.point, leg.summary.first_ns, leg.summary.last_ns);
}

}  // namespace

WaitedLegs waited_legs(const Connection& connection) { return {nearest(connection, true), nearest(connection, false)}; }

std::optional<WaitingRecord> waiting_of(const Connection& connection, const SensorView& sensor) {
  const auto [first, last] = waited_legs(connection);
  if (!first || !last || !all_was_seen(*first, sensor) || !all_was_seen(*last, sensor)) return std::nullopt;
  const FlowTimesSummary &a = first->summary.times, &b = last->summary.times;
  if (a.turns != b.turns) return std::nullopt;
  WaitingRecord r;
  r.client_ns = a.wait_ns[Side::client] - a.network_ns[Side::client];
  r.before_device_ns = a.network_ns[Side::client];
  r.after_device_ns = b.network_ns[Side::server];
  r.server_ns = b.wait_ns[Side::server] - b.network_ns[Side::server];
  // Stamps of two ports are uncertain by the polling gap: a device that takes less may seem to take less than nothing.
  r.device_ns = std::max<int64_t>(
      0, a.wait_ns[Side::server] + a.transfer_ns[Side::server] - b.wait_ns[Side::server] - b.transfer_ns[Side::server]);
  return r;
}

void set_times(const FlowTimesSummary& times, LegRecord& record) {
  if (!times.valid) return;
  record.turns = times.turns;
  TurnTotals t;
  bool any = false;
  int64_t busy_ns = times.wait_ns[Side::server];
  for (const Side side : kSides) {
    const FlowTimesSummary::Trip& trip = times.trips[side];
    if (trip.samples > 0) record.rtt[side] = {trip.min_ns, trip.smoothed_ns, trip.max_ns, trip.samples};
    if (times.first_flight_known) record.first_flight_bytes[side] = times.first_flight[side];
    record.ttl_changes[side] = times.ttl_changes[side];
    t.wait_ns[side] = times.wait_ns[side];
    t.network_ns[side] = times.network_ns[side];
    t.longest_wait_ns[side] = times.wait_max_ns[side];
    t.transfer_ns[side] = times.transfer_ns[side];
    t.largest_message_bytes[side] = times.message_max[side];
    t.in_flight_max_bytes[side] = times.in_flight_max[side];
    busy_ns += times.transfer_ns[side];
    any |= times.message_max[side] > 0;
  }
  t.outstanding_max = times.outstanding_max;
  if (busy_ns > 0) t.outstanding_mean = static_cast<double>(times.outstanding_ns) / static_cast<double>(busy_ns);
  if (any) record.turn_totals = t;
}

}  // namespace parallax
