#include "analysis/round_trip.h"

#include <algorithm>
#include <utility>

#include "analysis/sequence.h"

namespace parallax {

void RoundTrip::add(uint32_t sample) {
  smoothed = samples == 0 ? sample : static_cast<uint32_t>(smoothed + (static_cast<int64_t>(sample) - smoothed) / 8);
  min = min == 0 ? sample : std::min(min, sample);
  max = std::max(max, sample);
  if (samples < (1u << 31) - 1) samples = samples + 1;
}

namespace round_trip {
namespace {

constexpr auto kLongest = static_cast<uint32_t>(to_ticks(kLongestNs));

constexpr uint32_t tick_of(int64_t ns) { return std::max(static_cast<uint32_t>(to_ticks(ns)), 1u); }  // 0 means none

// The time since `sent`, at least one tick; 0 if it is no round trip: too long, or the stamps of the directions are inverted.
constexpr uint32_t trip(uint32_t sent, uint32_t now) {
  const uint32_t ticks = now - sent;
  return ticks > kLongest ? 0 : std::max(ticks, 1u);
}

// What a packet answers. One sent again may bring an old answer long after it was first given: then nothing is learned.
RoundTripSamples answer(RoundTrip& t, const Sighting& s, uint32_t now, bool repeated) {
  RoundTripSamples samples;
  if (t.ack_sent != 0 && sequence_at_or_before(t.ack_end, s.ack)) {
    const uint32_t sent = std::exchange(t.ack_sent, 0);
    if (!repeated) samples.ticks[0] = trip(sent, now);
  }
  if (t.echo_sent != 0 && s.has(SightingFlag::has_timestamps) && sequence_at_or_before(t.tsval, s.tsecr)) {
    const uint32_t sent = std::exchange(t.echo_sent, 0);
    if (!repeated && s.tsecr == t.tsval) samples.ticks[1] = trip(sent, now);
  }
  for (const uint32_t sample : samples.ticks) {
    if (sample != 0) t.add(sample);
  }
  return samples;
}

void time_segment(RoundTrip& t, const Sighting& s, uint32_t now, DataKind data) {
  if (data == DataKind::none) return;
  if (data != DataKind::next) {
    t.ack_sent = 0;
  } else if (t.ack_sent == 0 || now - t.ack_sent > kLongest) {
    t.ack_sent = now;
    t.ack_end = s.seq + s.payload_length;
  }
}

void time_tsval(RoundTrip& t, const Sighting& s, uint32_t now, DataKind data, bool awaited) {
  const bool bare = data == DataKind::none;
  if (t.echo_sent != 0) {
    t.tsval_unsure |= s.tsval != t.tsval;
    // Its sender waits for nothing more: whenever the other end speaks next, it is not because of this.
    if ((bare && !awaited) || now - t.echo_sent > kLongest) t.echo_sent = 0;
    return;
  }
  if (t.tsval != 0 && !sequence_before(t.tsval, s.tsval)) return;
  t.tsval = s.tsval;
  const bool unsure = t.tsval_unsure;
  t.tsval_unsure = 0;
  if (!unsure && (!bare || awaited)) t.echo_sent = now;
}

}  // namespace

RoundTripSamples step(RoundTrips& trips, const Sighting& s, Side from, DataKind data, bool awaited) {
  if (s.tcp_flags & tcp_flag::rst) return {};
  const uint32_t now = tick_of(s.time_ns);
  RoundTripSamples samples;
  if (s.tcp_flags & tcp_flag::ack) samples = answer(trips[index_of(from)], s, now, data == DataKind::again || data == DataKind::late);
  RoundTrip& asked = trips[index_of(other(from))];
  time_segment(asked, s, now, data);
  if (s.has(SightingFlag::has_timestamps)) time_tsval(asked, s, now, data, awaited);
  return samples;
}

void give_up(RoundTrips& trips) {
  for (RoundTrip& t : trips) {
    t.ack_sent = t.echo_sent = 0;
    t.tsval = 0;  // after such a pause a TSval is new; and a clock of microseconds goes half round in 36 minutes
    t.tsval_unsure = 0;
  }
}

void add(RoundTrips& trips, Side answered, int64_t ns) {
  if (ns < 0 || ns > kLongestNs) return;
  trips[index_of(answered)].add(std::max(static_cast<uint32_t>(to_ticks(ns)), 1u));
}

}  // namespace round_trip
}  // namespace parallax
