#include "analysis/detect/icmp_notes.h"

#include "analysis/detect/packet_note.h"

namespace parallax {

void IcmpNotes::add(const LegState& leg, const IcmpFate& fate) {
  const auto note = [&](const PacketNote& packet) { notes_.push_back({leg.id.value(), fate.next_leg_id, packet}); };
  const PacketFacts& entered = fate.entered->packet;
  if (fate.left != nullptr) {
    note(note_of(entered, PacketLabel::forwarded));
    note(note_of(fate.left->packet, PacketLabel::forwarded, &entered));
  } else if (fate.is_lost) {
    note(note_of(entered, PacketLabel::lost_in_device));
  }
}

std::vector<PacketNote> IcmpNotes::of(const ConnectionStore& store) const {
  std::vector<PacketNote> notes;
  for (const Note& note : notes_) {
    const uint64_t id = store.place_of(note.leg_id).connection_id;
    if (id != 0 && id == store.place_of(note.next_leg_id).connection_id) notes.push_back(note.packet);
  }
  return notes;
}

}  // namespace parallax
