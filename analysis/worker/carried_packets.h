// Packets in a fragmented outer packet (a tunnel whose outer packet was cut up), waiting for the rest.
//
// The first fragment has the headers and counts as the packet, for what follows it across a device. Wireshark sees the packet
// when the outer packet is complete, and not at all if it never is: for its labels the packet is kept here until then. One owner,
// one thread; memory is taken at the start. Where two legs meet in a slot the older packet goes unlabelled.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "analysis/event/events.h"
#include "capture/core/sighting.h"

namespace parallax {

class CarriedPackets {
 public:
  struct Packet {
    LegId leg;
    Side from;
    Sighting sighting;
  };

  void keep(const LegId& leg, Side from, const Sighting& s) { slot_of(leg) = {leg, from, s}; }
  // The newest one of the leg; it is gone then.
  std::optional<Packet> take(const LegId& leg) {
    Packet& packet = slot_of(leg);
    if (packet.leg != leg) return std::nullopt;
    const Packet found = packet;
    packet.leg = {};
    return found;
  }

 private:
  static constexpr size_t kSlots = 256;
  Packet& slot_of(const LegId& leg) { return packets_[leg.index % kSlots]; }
  std::array<Packet, kSlots> packets_{};
};

}  // namespace parallax
