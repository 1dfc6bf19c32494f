#include "analysis/tcp/round_trip.h"

namespace parallax::round_trip {

void give_up(RoundTrips& trips) {
  for (RoundTrip& t : trips) {
    t.ack_sent = t.echo_sent = 0;
    t.tsval = 0;  // after such a pause a TSval is new; and a clock of microseconds goes half round in 36 minutes
    t.counted &= ~RoundTrip::kUnsure;
  }
}

void add(RoundTrips& trips, Side answered, int64_t ns) {
  if (ns < 0 || ns > kLongestNs) return;
  trips[answered].add(tick_of(ns));
}

}  // namespace parallax::round_trip
