#include "analysis/detect/refusal_notes.h"

#include <algorithm>

#include "analysis/detect/packet_note.h"

namespace parallax {

std::vector<PacketNote> RefusalNotes::of(const ConnectionStore& store, const FindingStore& findings) const {
  std::vector<PacketNote> notes;
  for (const auto& [leg_id, rst] : refusals_) {
    const Connection* connection = store.find(store.place_of(leg_id).connection_id);
    if (connection == nullptr) continue;
    const auto& ids = connection->finding_ids;
    const bool is_told = std::any_of(ids.begin(), ids.end(), [&](uint64_t id) {
      const FindingRecord* finding = findings.find(id);
      return finding != nullptr && finding->kind == FindingKind::syn_refused && finding->origin == Origin::device &&
             finding->where.first == rst.point;
    });
    if (is_told) notes.push_back(note_of(rst, PacketLabel::injected_by_device));
  }
  return notes;
}

}  // namespace parallax
