// Sums that metrics show beside the findings: they are counted where the finding is told, so that the two agree.
//
// The correlator's, one thread; read under the engine's lock.
#pragma once

#include <array>
#include <cstdint>

#include "analysis/connection/connection.h"
#include "analysis/model/absence_proof.h"
#include "analysis/model/device_index.h"
#include "analysis/model/vocabulary.h"

namespace parallax {

class Tallies {
 public:
  std::array<std::array<uint64_t, kOutcomeCount>, kPointsMax> handshakes{};  // [point][Outcome]
  std::array<uint64_t, kPairingMethodCount> pairings{};                      // by PairingMethod
  std::array<uint64_t, kPairingMethodCount> pairings_taken_back{};           // of these
  std::array<uint64_t, kOriginCount> resets{};                               // by Origin: connections that a finding tells of
  std::array<uint64_t, kDoubts> unblamed{};                                  // findings that accuse nobody, by what is in doubt

  // Of what homes have counted as lost between a point and the next one: what was seen further on, or may have been missed by a
  // point that was blind then. By DeviceIndex.
  std::array<PerDirection<uint64_t>, kDevicesMax> packets_cleared{}, segments_cleared{};
  // The data segments among them that stand. Grows only: as a metric does.
  std::array<PerDirection<uint64_t>, kDevicesMax> segments_lost{};

  // How a leg's opening ended; each leg counts once, unless what was given up comes about after all.
  void count_handshake(LegState& leg, Outcome outcome) {
    if (leg.counted_outcome && outcome != Outcome::established) return;
    leg.counted_outcome = true;
    ++handshakes[leg.point][static_cast<size_t>(outcome)];
  }
};

}  // namespace parallax
