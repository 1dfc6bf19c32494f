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
  if (cold.attempts == 1 && cold.retransmissions[Side::client] == 0) add(Side::server);
  if (cold.retransmissions[Side::server] == 0) add(Side::client);
  turns::begin(times.pace, now_ns);
}

template <Side from>
RoundTripSamples take_packet(FlowTimes& times, const LegHot& hot, const LegCold& cold, const Sighting& s, uint32_t labels) {
  constexpr Side peer = opposite(from);
  const DataKind data = turns::data_kind_of<from>(times.pace, s, labels);
  const RoundTripSamples samples = flow_times::take_trips<from>(
      times, hot, [&]() -> const LegCold& { return cold; }, s, s.tcp_flags, data);
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
  times.trips.flip();
  turns::flip(times.pace, times.sums);
}

FlowTimesSummary summarize(const FlowTimes& times, const LegHot& hot, const LegCold& cold) {
  FlowTimesSummary r{};
  const TurnPace& pace = times.pace;
  const TurnSums& sums = times.sums;
  for (const Side side : kSides) {
    const RoundTrip& trip = times.trips[side];
    r.trips[side] = {to_ns(trip.min), to_ns(trip.smoothed), to_ns(trip.max), trip.samples()};
    r.wait_ns[side] = to_ns(sums.wait_ticks[side]);
    r.network_ns[side] = to_ns(sums.network_ticks[side]);
    r.transfer_ns[side] = to_ns(pace.transfer_ticks[side]);
    r.wait_max_ns[side] = int64_t{sums.wait_max[side]} * 1024;
    r.message_max[side] = sums.message_max[side];
    r.in_flight_max[side] = pace.in_flight_max[side];
    r.payload_max[side] = static_cast<uint16_t>(pace.full_size[side] * 16);
    const bool begun = pace.state & turns::kBegun[side];
    r.stream_bytes[side] = begun ? pace.data_end[side] - (cold.isn[side] + 1) : 0;
    r.acknowledged[side] = !begun || ((hot.seen & leg_seen::max_ack[opposite(side)]) &&
                                      sequence_at_or_before(pace.data_end[side], hot.max_ack[opposite(side)]));
    r.first_flight[side] = turns::first_flight(pace, sums, side, cold.isn[side]);
  }
  if (pace.state & (turn_state::request | turn_state::response)) {
    uint32_t& largest = r.message_max[pace.state & turn_state::request ? Side::client : Side::server];
    largest = std::max(largest, pace.message_bytes);
  }
  r.last_data_ns = to_ns(pace.last_tick);
  r.is_answering = pace.state & turn_state::response;
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
