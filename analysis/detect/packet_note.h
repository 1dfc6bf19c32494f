// A note of what became of a packet that no pair follows.
#pragma once

#include "analysis/event/packet_notes.h"

namespace parallax {

// `from`: its sighting at the point it came from; null: there is none.
inline PacketNote note_of(const PacketFacts& packet, PacketLabel label, const PacketFacts* from = nullptr) {
  return {.order_ns = packet.order_ns,
          .time_ns = packet.time_ns,
          .leg = 0,
          .frame = packet.frame,
          .labels = bit(label),
          .peer_frame = from ? from->frame : 0,
          .port = packet.port,
          .peer_port = from ? from->port : PortIndex{0},
          .point = packet.point};
}

}  // namespace parallax
