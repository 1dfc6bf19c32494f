// Offline, where packets are recorded: RSTs that refused a SYN. Of one that the device made there is no pair that could say so.
//
// The correlator's, one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/connection/connection_store.h"
#include "analysis/event/packet_notes.h"
#include "analysis/finding/finding_store.h"

namespace parallax {

class RefusalNotes {
 public:
  void add(const LegState& leg, const PacketFacts& rst) { refusals_.push_back({leg.id.value(), rst}); }
  // Those that a finding says the device made, of the legs on its client's side.
  std::vector<PacketNote> of(const ConnectionStore& store, const FindingStore& findings) const;

 private:
  struct Refusal {
    uint64_t leg_id;
    PacketFacts rst;
  };
  std::vector<Refusal> refusals_;
};

}  // namespace parallax
