// Round-trip times of a leg, all the time and at constant state: how long a packet takes from the point to an end and its answer
// back.
//
// Pure functions on 32 bytes for each end; REQUIRES that they see every packet of the leg in order. One packet toward an end is
// timed at a time, by each of two methods:
//   ack        a segment of new data, until an acknowledgement covers it. Karn's rule: anything sent again on the way drops the
//              measurement, and so does a hole, since what is behind it is not acknowledged until it is filled.
//   timestamp  the first packet to carry a TSval (RFC 7323), until that very value comes back as TSecr. Of packets without data
//   only
//              those that leave data in flight toward their sender: their echo comes with what they call for, not when it
//              pleases.
// A receiver may hold an acknowledgement back for up to 500 ms (RFC 1122, 4.2.3.2; 40 to 200 ms are usual): single samples and
// the smoothed value may be too high by that; the least of several is not.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "analysis/leg/leg.h"
#include "analysis/model/sequence.h"
#include "capture/core/sighting.h"

namespace parallax {

// What the payload of a segment is to its direction's stream as seen so far.
enum class DataKind : uint8_t {
  none,       // no data, or a probe of a window or a peer
  next,       // new, and next in order
  after_gap,  // new, behind a hole
  late,       // fills a hole: old numbers, seen for the first time
  again,      // seen before
};

// Time is kept in ticks of 16 ns: 32 bits of them go round in 68.7 s, more than twice the longest round trip that is measured.
inline constexpr int kTickShift = 4;
constexpr uint64_t to_ticks(int64_t ns) { return static_cast<uint64_t>(ns) >> kTickShift; }
constexpr int64_t to_ns(uint64_t ticks) { return static_cast<int64_t>(ticks << kTickShift); }

struct RoundTrip {
  uint32_t ack_sent;   // tick of the segment that is timed; 0: none
  uint32_t ack_end;    // sequence number after it
  uint32_t echo_sent;  // tick of the TSval that is timed; 0: none
  uint32_t tsval;      // that, or the newest one known
  uint32_t smoothed;   // as a TCP would (RFC 6298: 7/8 of the old and 1/8 of the new); ticks, as all that follows
  uint32_t min, max;   // 0: no sample
  uint32_t counted;    // bits 1 to 31: samples of both methods, and one for the handshake; bit 0: kUnsure

  // Newer TSvals than `tsval` have passed, so that the next one may have been seen before.
  static constexpr uint32_t kUnsure = 1;
  uint32_t samples() const { return counted >> 1; }

  // REQUIRES: sample > 0.
  void add(uint32_t sample) {
    counted += 2;
    if (min == 0) {
      smoothed = min = max = sample;
      return;
    }
    smoothed += static_cast<uint32_t>(static_cast<int32_t>(sample - smoothed) >> 3);
    min = std::min(min, sample);
    max = std::max(max, sample);
  }
};
static_assert(sizeof(RoundTrip) == 32);

// By the side that answers: the client's is the way from the point to the client and back.
using RoundTrips = PerSide<RoundTrip>;

struct RoundTripSamples {
  ForBoth<RoundTripMethod, uint32_t> ticks{};  // 0: none
  bool any() const { return (ticks[RoundTripMethod::ack] | ticks[RoundTripMethod::timestamp]) != 0; }
};

namespace round_trip {

// No longer ones are measured: by then a sender has sent again, and so drops the measurement.
inline constexpr int64_t kLongestNs = 30'000'000'000;

// Nothing was heard for longer than kLongestNs: what was being timed is given up. REQUIRED then before step(), for time goes
// round.
void give_up(RoundTrips& trips);

// A round trip that was measured elsewhere, by the handshake.
void add(RoundTrips& trips, Side answered, int64_t ns);

inline constexpr auto kLongest = static_cast<uint32_t>(to_ticks(kLongestNs));
constexpr uint32_t tick_of(int64_t ns) { return std::max(static_cast<uint32_t>(to_ticks(ns)), 1u); }  // 0 means none

// The time since `sent`, at least one tick; 0 if it is no round trip: too long, or the stamps of the directions are inverted.
constexpr uint32_t trip(uint32_t sent, uint32_t now) {
  const uint32_t ticks = now - sent;
  return ticks > kLongest ? 0 : std::max(ticks, 1u);
}

// What a packet answers. One sent again may bring an old answer long after it was first given: then nothing is learned.
[[gnu::always_inline]] inline RoundTripSamples answer(RoundTrip& t, const Sighting& s, uint32_t now, DataKind data) {
  RoundTripSamples samples;
  const bool repeated = data == DataKind::again || data == DataKind::late;
  if (t.ack_sent != 0 && sequence_at_or_before(t.ack_end, s.ack)) {
    if (!repeated) samples.ticks[RoundTripMethod::ack] = trip(t.ack_sent, now);
    t.ack_sent = 0;
  }
  if (t.echo_sent != 0 && s.has(SightingFlag::has_timestamps) && sequence_at_or_before(t.tsval, s.tsecr)) {
    if (!repeated && s.tsecr == t.tsval) samples.ticks[RoundTripMethod::timestamp] = trip(t.echo_sent, now);
    t.echo_sent = 0;
  }
  if (samples.ticks[RoundTripMethod::ack] != 0) t.add(samples.ticks[RoundTripMethod::ack]);
  if (samples.ticks[RoundTripMethod::timestamp] != 0) t.add(samples.ticks[RoundTripMethod::timestamp]);
  return samples;
}

[[gnu::always_inline]] inline void time_segment(RoundTrip& t, const Sighting& s, uint32_t now, DataKind data) {
  if (data == DataKind::none) return;
  if (data != DataKind::next) {
    t.ack_sent = 0;
  } else if (now - t.ack_sent > kLongest || t.ack_sent == 0) {
    t.ack_sent = now;
    t.ack_end = s.seq + s.payload_length;
  }
}

[[gnu::always_inline]] inline void time_tsval(RoundTrip& t, const Sighting& s, uint32_t now, bool awaited) {
  if (t.echo_sent != 0) {
    if (s.tsval != t.tsval) t.counted |= RoundTrip::kUnsure;
    // Its sender waits for nothing more: whenever the other end speaks next, it is not because of this.
    if (!awaited || now - t.echo_sent > kLongest) t.echo_sent = 0;
    return;
  }
  if (t.tsval != 0 && !sequence_before(t.tsval, s.tsval)) return;
  t.tsval = s.tsval;
  if (!(t.counted & RoundTrip::kUnsure) && awaited) t.echo_sent = now;
  t.counted &= ~RoundTrip::kUnsure;
}

// Takes a packet: what it answers gives samples of the way to `from`, which are also added; what it asks is timed toward the
// other end. `flags`: its TCP flags; `data`: what its payload is; `awaited`: it has data, or leaves data of the other end in
// flight toward `from`.
template <Side from>
[[gnu::always_inline]] inline RoundTripSamples step(RoundTrips& trips, const Sighting& s, uint8_t flags, DataKind data,
                                                    bool awaited) {
  RoundTripSamples samples;
  if (flags & tcp_flag::rst) return samples;
  const uint32_t now = tick_of(s.time_ns);
  if (flags & tcp_flag::ack) samples = answer(trips[from], s, now, data);
  RoundTrip& asked = trips[opposite(from)];
  time_segment(asked, s, now, data);
  if (s.has(SightingFlag::has_timestamps)) time_tsval(asked, s, now, awaited);
  return samples;
}

}  // namespace round_trip

}  // namespace parallax
