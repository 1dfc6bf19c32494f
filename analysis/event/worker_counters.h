// The counter block of one analysis worker: written by it alone, read at scrape.
#pragma once

#include <array>

#include "analysis/model/absence_proof.h"
#include "analysis/model/device_index.h"
#include "analysis/model/histogram.h"
#include "analysis/model/sides.h"
#include "analysis/model/transit_sketch.h"
#include "analysis/model/vocabulary.h"
#include "capture/core/counter.h"
#include "capture/core/sighting.h"

namespace parallax {

// Packets of paired connections in one direction across one device.
struct CrossingCounters {
  Counter forwarded, lost, superseded, injected;  // see PacketFates
  Counter answered;                               // SYNs that the device answered, and for which it asked the server itself
  Counter uncertain_transits;
  // Of the sums above, what pairs have counted whose pairing was taken back; subtracted where people read.
  struct TakenBack {
    Counter forwarded, lost, superseded, segments_lost;
  } taken_back;
  std::array<Counter, kDoubts> undecided;  // entered, and why nothing is said of them
};

struct alignas(64) WorkerCounters {
  Counter packets;
  Counter late_packets;
  Counter round_trips_uncertain;  // not counted: shorter than the stamps may be wrong by
  Counter fates_begun_late;
  Counter fates_taken_back;  // packets of pairs whose pairing was taken back
  Counter legs_evicted, half_open_evicted;
  Counter flows_evicted;         // idle legs whose finer TCP memory went to others
  Counter hints_not_told;        // live: no room for what might only have helped to find a partner
  Counter log_overflows;         // legs whose early sightings did not fit
  Counter pending_overflows;     // packets whose fate could not be followed
  Counter spoiled_not_followed;  // segments with a wrong checksum for which there was no room
  Counter copies_not_followed;   // packets that a point showed twice for which there was no room
  Counter sacks_not_compared;    // acknowledgements with SACK blocks for which there was no room
  Counter traces_refused;        // times that an odd leg got no trace
  Counter events_dropped, forwards_dropped;
  Counter recognitions_dropped;            // no room in the ring to the correlator
  Counter messages_evicted;                // incomplete messages given up for others
  Counter messages_over;                   // beyond what is told of one direction
  Counter protocol_parser_states_missing;  // payload prefixes that were not read for want of a leg's state
  ForBoth<Protocol, Counter> legs_active;  // goes up and down
  std::array<Counter, kPointsMax> capture_loss_segments, copies;

  // By point; then by the side that sends, or of a round trip the one that answers.
  template <typename T>
  using PerPoint = std::array<T, kPointsMax>;
  PerPoint<ForBoth<NotFollowed, Counter>> not_followed;
  PerPoint<PerSide<std::array<Counter, kRetransmissionKinds.size()>>> retransmissions;
  PerPoint<PerSide<Counter>> needless_retransmissions;  // of these, as far as a D-SACK told
  PerPoint<PerSide<Histogram>> handshake_rtt;
  PerPoint<PerSide<ForBoth<RoundTripMethod, TransitSketch<Counter>>>> rtt;

  // By DeviceIndex; of a hairpin what clients send goes toward the inside.
  template <typename T>
  using PerDevice = std::array<T, kDevicesMax>;
  PerDevice<PerDirection<TransitSketch<Counter>>> transit_sketch;
  PerDevice<PerDirection<Counter>> segments_lost;
  PerDevice<PerDirection<CrossingCounters>> crossing;
};

}  // namespace parallax
