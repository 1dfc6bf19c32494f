// The times of an active TCP leg: its round trips and its turns, and what a packet does to them.
//
// Three cache lines of the leg's TcpFlow: round trips, touched by every packet; the pace of turns, touched by every data segment;
// their sums, touched where the direction changes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "analysis/leg/leg.h"
#include "analysis/tcp/round_trip.h"
#include "analysis/tcp/turns.h"

namespace parallax {

struct alignas(64) FlowTimes {
  RoundTrips trips;
  TurnPace pace;
  TurnSums sums;
};
static_assert(sizeof(FlowTimes) == 192);

// What is known of them, as it goes into a leg's summary. Of a round trip and of a wait the side that answers, else the one
// that sends.
struct FlowTimesSummary {
  struct Trip {
    int64_t min_ns, smoothed_ns, max_ns;
    uint32_t samples;
  };
  PerSide<Trip> trips;
  PerSide<int64_t> wait_ns, network_ns, transfer_ns, wait_max_ns;
  PerSide<uint32_t> message_max, in_flight_max, first_flight;
  PerSide<uint32_t> stream_bytes;  // sent, each once, modulo 2^32; valid if first_flight_known
  PerSide<uint16_t> payload_max;   // of one packet, at the least: in steps of 16, up to 4,080
  PerSide<bool> acknowledged;      // by the other side: all of it
  int64_t last_data_ns;            // the newest data; 0: none
  int64_t outstanding_ns;          // sum of time times requests outstanding
  uint32_t turns;
  uint16_t outstanding_max;
  PerSide<uint8_t> ttl, ttl_changes;
  bool is_answering;        // the newest data is a response's
  bool valid;               // false: the leg had no TcpFlow
  bool first_flight_known;  // the handshake was seen
};

// What a packet found; bits.
namespace times_note {
inline constexpr uint8_t established = 1;  // it completed the handshake
inline constexpr uint8_t paused = 2;       // none was seen for round_trip::kLongestNs before it
inline constexpr uint8_t fills_hole = 4;   // some of its data was missing until now
}  // namespace times_note

// A packet of the leg that the leg's step has taken in, with the labels that it got, and times_note.
RoundTripSamples take_times(FlowTimes& times, const LegHot& hot, const LegCold& cold, const Sighting& s, Side from,
                            uint32_t labels, uint8_t notes);

namespace flow_times {

inline bool handshake_seen(const LegHot& hot) {
  constexpr uint16_t both = leg_flag::syn | leg_flag::syn_ack;
  return (hot.flags & both) == both;
}

// Whether `peer` waits for more than `s` acknowledges.
inline bool leaves_in_flight(const LegHot& hot, const Sighting& s, uint8_t flags, Side peer) {
  return (flags & tcp_flag::ack) && (hot.seen & leg_seen::next_seq[peer]) && sequence_before(s.ack, hot.next_seq[peer]);
}

// What each packet does, before the turns. `flags`: its TCP flags, as far as they matter; `data`: what its payload is. Where
// these are known when compiling, so is much of the answer. `cold_of` gives the leg's cold part, which hardly a packet needs.
template <Side from, typename ColdOf>
[[gnu::always_inline]] inline RoundTripSamples take_trips(FlowTimes& times, const LegHot& hot, ColdOf&& cold_of,
                                                          const Sighting& s, uint8_t flags, DataKind data) {
  const bool awaited = data != DataKind::none || leaves_in_flight(hot, s, flags, opposite(from));
  const RoundTripSamples samples = round_trip::step<from>(times.trips, s, flags, data, awaited);
  if (!turns::flight_measured(times.pace) && handshake_seen(hot)) [[unlikely]]
    turns::take_flight(times.pace, times.sums, s, from, data, times.trips, cold_of().isn);
  return samples;
}

}  // namespace flow_times

// The same for a packet on the fast path (fast_path.h), of which neither labels nor notes say anything.
template <Side from, typename ColdOf>
[[gnu::always_inline]] inline RoundTripSamples take_times_on_fast_path(FlowTimes& times, const LegHot& hot, ColdOf&& cold_of,
                                                                       const Sighting& s) {
  if (s.payload_length == 0) return flow_times::take_trips<from>(times, hot, cold_of, s, tcp_flag::ack, DataKind::none);
  if (!turns::is_next<from>(times.pace, s)) [[unlikely]]
    return take_times(times, hot, cold_of(), s, from, 0, 0);
  const RoundTripSamples samples = flow_times::take_trips<from>(times, hot, cold_of, s, tcp_flag::ack, DataKind::next);
  turns::take_fast_path<from>(times.pace, times.sums, s, times.trips, hot.max_ack[opposite(from)]);
  return samples;
}

// The two sides were mistaken for each other.
void flip(FlowTimes& times);

FlowTimesSummary summarize(const FlowTimes& times, const LegHot& hot, const LegCold& cold);

}  // namespace parallax
