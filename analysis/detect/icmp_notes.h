// Offline, where packets are recorded: what became of ICMP errors, which no pair follows, as notes of their packets.
//
// The correlator's, one thread. As many as are kept of each leg: LegState::kIcmpKept.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/connection/connection_store.h"
#include "analysis/detect/icmp_errors.h"
#include "analysis/event/packet_notes.h"

namespace parallax {

class IcmpNotes {
 public:
  void add(const LegState& leg, const IcmpFate& fate);
  // Of legs that are still paired.
  std::vector<PacketNote> of(const ConnectionStore& store) const;

 private:
  struct Note {
    uint64_t leg_id, next_leg_id;
    PacketNote packet;
  };
  std::vector<Note> notes_;
};

}  // namespace parallax
