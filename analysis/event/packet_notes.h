// Notes on packets, kept only where the user asked for a record of each (offline). One writer.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/event/events.h"

namespace parallax {

struct PacketNote {
  int64_t order_ns, time_ns;
  uint64_t leg;  // LegId::value(); 0 in notes of a fate
  uint32_t frame;
  uint32_t labels;      // PacketLabel bits
  uint32_t peer_frame;  // the packet's sighting at the point it came from; 0: none
  PortIndex port, peer_port;
  PointIndex point;
  uint32_t pair = kNone;  // notes of a fate: of this pair, at that home
  uint8_t home = 0;
};

class PacketNotes {
 public:
  explicit PacketNotes(bool wanted) : wanted_(wanted) {}
  bool wanted() const { return wanted_; }
  void add(const PacketNote& note) {
    if (wanted_) notes_.push_back(note);
  }
  std::vector<PacketNote> take() { return std::move(notes_); }

 private:
  const bool wanted_;
  std::vector<PacketNote> notes_;
};

}  // namespace parallax
