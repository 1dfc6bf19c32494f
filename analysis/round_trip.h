// Round-trip times of a leg, all the time and at constant state: how long a packet takes from the point to an end and its answer back.
//
// Pure functions on 32 bytes for each end; REQUIRES that they see every packet of the leg in order. One packet toward an end is timed
// at a time, by each of two methods:
//   ack        a segment of new data, until an acknowledgement covers it. Karn's rule: anything sent again on the way drops the
//              measurement, and so does a hole, since what is behind it is not acknowledged until it is filled.
//   timestamp  the first packet to carry a TSval (RFC 7323), until that very value comes back as TSecr. Of packets without data only
//              those that leave data in flight toward their sender: their echo comes with what they call for, not when it pleases.
// A receiver may hold an acknowledgement back for up to 500 ms (RFC 1122, 4.2.3.2; 40 to 200 ms are usual): single samples and the
// smoothed value may be too high by that; the least of several is not.
#pragma once

#include <array>
#include <cstdint>

#include "analysis/leg.h"
#include "capture/sighting.h"

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

enum class RoundTripMethod : uint8_t { ack, timestamp };

struct RoundTrip {
  uint32_t ack_sent;           // tick of the segment that is timed; 0: none
  uint32_t ack_end;            // sequence number after it
  uint32_t echo_sent;          // tick of the TSval that is timed; 0: none
  uint32_t tsval;              // that, or the newest one known
  uint32_t smoothed;           // as a TCP would (RFC 6298: 7/8 of the old and 1/8 of the new); ticks, as all that follows
  uint32_t min, max;           // 0: no sample
  uint32_t samples : 31;       // of both methods, and one for the handshake
  uint32_t tsval_unsure : 1;   // newer TSvals than `tsval` have passed, so that the next one may have been seen before

  void add(uint32_t ticks);
};
static_assert(sizeof(RoundTrip) == 32);

// Indexed by the end that answers: [client] is the way from the point to the client and back.
using RoundTrips = std::array<RoundTrip, 2>;

struct RoundTripSamples {
  std::array<uint32_t, 2> ticks{};  // by RoundTripMethod; 0: none
};

namespace round_trip {

// No longer ones are measured: by then a sender has sent again, and so drops the measurement.
inline constexpr int64_t kLongestNs = 30'000'000'000;

// Takes a packet: what it answers gives samples of the way to `from`, which are also added; what it asks is timed toward the other end.
// `data`: what its payload is; `awaited`: data of the other end is in flight toward `from` once `from` has sent this packet.
RoundTripSamples step(RoundTrips& trips, const Sighting& s, Side from, DataKind data, bool awaited);

// Nothing was heard for longer than kLongestNs: what was being timed is given up. REQUIRED then before step(), for time goes round.
void give_up(RoundTrips& trips);

// A round trip that was measured elsewhere, by the handshake.
void add(RoundTrips& trips, Side answered, int64_t ns);

}  // namespace round_trip

}  // namespace parallax
