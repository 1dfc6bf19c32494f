// The engine's counters as a snapshot, summed over workers at scrape.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "analysis/model/absence_proof.h"
#include "analysis/model/sides.h"
#include "analysis/model/transit_sketch.h"
#include "analysis/model/vocabulary.h"
#include "capture/core/sighting.h"

namespace parallax {

// A histogram over seconds, as Prometheus wants it: with fixed upper bounds, and for native ones in the sketch's fine buckets.
inline constexpr std::array<int64_t, 19> kHistogramBoundsNs = {
    1'000,     2'500,     5'000,      10'000,     25'000,     50'000,      100'000,     250'000,       500'000,      1'000'000,
    2'500'000, 5'000'000, 10'000'000, 25'000'000, 50'000'000, 100'000'000, 250'000'000, 1'000'000'000, 5'000'000'000};
struct HistogramSnapshot {
  std::array<uint64_t, kHistogramBoundsNs.size() + 1> counts{};  // not cumulative; the last is above all bounds
  std::array<uint64_t, transit::kBuckets> fine{};                // the same durations
  int64_t sum_ns = 0;
};

// Of one kind, place and severity.
struct FindingTotal {
  uint64_t raised = 0;
  uint64_t last_id = 0;
  int64_t last_seen_ns = 0;  // of that one, when it was raised
};

struct EngineCounters {
  struct DeviceCounters {
    PerDirection<HistogramSnapshot> transit;
    PerDirection<uint64_t> segments_lost{};
  };
  struct PointCounters {
    std::array<uint64_t, kOutcomeCount> handshakes{};                              // by Outcome
    PerSide<HistogramSnapshot> handshake_rtt;                                      // by the side that answers
    PerSide<ForBoth<RoundTripMethod, HistogramSnapshot>> rtt;                      // the same
    PerSide<std::array<uint64_t, kRetransmissionKinds.size()>> retransmissions{};  // by the side that sends
    PerSide<uint64_t> needless_retransmissions{};
    uint64_t unpaired_legs = 0;
    uint64_t capture_loss_segments = 0;  // acknowledged and never seen
    uint64_t copies = 0;                 // packets that the capture shows again
    DeviceCounters hairpin;              // of both whose sides the point shows
  };
  std::vector<PointCounters> points;
  std::vector<DeviceCounters> devices;  // between point i and i + 1
  ForBoth<Protocol, uint64_t> connections_active{};
  std::array<uint64_t, kOriginCount> resets{};                      // by Origin
  std::array<uint64_t, kDoubts> unblamed{};                         // findings that accuse nobody, by what is in doubt
  std::array<uint64_t, kPairingMethodCount> pairings{};             // by PairingMethod
  std::array<uint64_t, kPairingMethodCount> pairings_taken_back{};  // of these
  // By kind, where ("beyond inside", "between outside and inside"), severity.
  std::map<std::tuple<FindingKind, std::string, Severity>, FindingTotal> findings;
  uint64_t late_packets = 0;
  uint64_t round_trips_uncertain = 0;  // not in the histograms: shorter than the stamps may be wrong by
  uint64_t fates_begun_late = 0;       // pairings whose log of early sightings had overflowed
  uint64_t fates_taken_back = 0;       // packets of pairings that were taken back
  std::vector<double> ring_occupancy;  // for each worker, the fullest of its rings, 0..1
};

}  // namespace parallax
