#include "analysis/tcp/flow_times.h"

#include <algorithm>

#include "analysis/model/sequence.h"

namespace parallax {
namespace {

// Karn's rule holds here too: a SYN or SYN-ACK that was sent again gives no round trip.
void take_handshake(FlowTimes& times, const LegCold& cold, int64_t now_ns) {
  const auto add = [&](Side answered) {
    if (const auto ns = cold.handshake_trip_ns(answered)) round_trip::add(times.trips, answered, *ns);
  };
  if (cold.attempts == 1 && cold.retransmissions[0] == 0) add(Side::server);
  if (cold.retransmissions[1] == 0) add(Side::client);
  turns::begin(times.pace, now_ns);
}

template <Side from>
RoundTripSamples take_packet(FlowTimes& times, const LegHot& hot, const LegCold& cold, const Sighting& s, uint32_t labels) {
  constexpr size_t peer = index_of(other(from));
  const DataKind data = turns::data_kind_of<from>(times.pace, s, labels);
  const RoundTripSamples samples = flow_times::take_trips<from>(times, hot, cold, s, s.tcp_flags, data);
  if (data != DataKind::none) {
    const uint32_t unacked = (hot.seen & leg_seen::max_ack[peer]) ? hot.max_ack[peer] : turns::data_seq(s);
    turns::take<from>(times.pace, times.sums, s, data, times.trips, unacked);
  }
  return samples;
}

}  // namespace

RoundTripSamples take_times(FlowTimes& times, const LegHot& hot, const LegCold& cold, const Sighting& s, Side from,
                            uint32_t labels, uint8_t notes) {
  if (notes & times_note::paused) round_trip::give_up(times.trips);
  if (notes & times_note::established) take_handshake(times, cold, s.time_ns);
  // A hole that is filled was the first sight of its bytes, whatever the packet is labelled.
  if (notes & times_note::fills_hole) labels |= bit(PacketLabel::out_of_order);
  return from == Side::client ? take_packet<Side::client>(times, hot, cold, s, labels)
                              : take_packet<Side::server>(times, hot, cold, s, labels);
}

void flip(FlowTimes& times) {
  std::swap(times.trips[0], times.trips[1]);
  turns::flip(times.pace, times.sums);
}

FlowTimesSummary summarize(const FlowTimes& times, const LegHot& hot, const LegCold& cold) {
  FlowTimesSummary r{};
  const TurnPace& pace = times.pace;
  const TurnSums& sums = times.sums;
  for (const Side side : {Side::client, Side::server}) {
    const size_t d = index_of(side);
    const RoundTrip& trip = times.trips[d];
    r.trips[d] = {to_ns(trip.min), to_ns(trip.smoothed), to_ns(trip.max), trip.samples()};
    r.wait_ns[d] = to_ns(sums.wait_ticks[d]);
    r.network_ns[d] = to_ns(sums.network_ticks[d]);
    r.transfer_ns[d] = to_ns(pace.transfer_ticks[d]);
    r.wait_max_ns[d] = int64_t{sums.wait_max[d]} * 1024;
    r.message_max[d] = sums.message_max[d];
    r.in_flight_max[d] = pace.in_flight_max[d];
    r.first_flight[d] = turns::first_flight(pace, sums, side, cold.isn[d]);
  }
  if (pace.state & (turn_state::request | turn_state::response)) {
    uint32_t& largest = r.message_max[pace.state & turn_state::request ? 0 : 1];
    largest = std::max(largest, pace.message_bytes);
  }
  r.outstanding_ns = to_ns(pace.outstanding_ticks);
  r.turns = sums.turns;
  r.outstanding_max = sums.outstanding_max;
  r.ttl = pace.ttl;
  r.ttl_changes = sums.ttl_changes;
  r.valid = true;
  r.first_flight_known = flow_times::handshake_seen(hot);
  return r;
}

}  // namespace parallax
