// What a ladder says of its packets, for every form in which it is drawn: how far each came, its words, and which of many are
// shown.
//
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/model/vocabulary.h"
#include "daemon/client/ladder.h"

namespace parallax {

uint32_t labels_of(const LadderStep& step);  // of all its sightings, PacketLabel bits
inline bool has(const LadderStep& step, PacketLabel label) { return (labels_of(step) & bit(label)) != 0; }
int64_t time_of(const LadderStep& step);                       // of the earliest sighting
const LadderSighting& first_sighting(const LadderStep& step);  // where its sender's side saw it

// How far a packet came. Columns count from its sender, which is 0; the points follow, and the receiver is the last.
struct LadderSpan {
  size_t first = 1, last = 1;  // the points that saw it
  bool is_made = false;        // a point before the first should have seen it: it begins between the two
  bool arrives = false;        // the last point saw it: it goes on to the receiver
};
LadderSpan span_of(const LadderStep& step);
// Why it begins or ends between two points, where that is known.
inline bool is_lost(const LadderStep& step) { return has(step, PacketLabel::lost_in_device); }
inline bool is_injected(const LadderStep& step) { return has(step, PacketLabel::injected_by_device); }

std::string packet_text(const LadderStep& step);            // "SYN seq 0 mss 1460>1380": old and new where a device rewrote it
std::string labels_text(const LadderStep& step);            // "fast retransmission"; empty: nothing that the drawing does not say
std::optional<int64_t> transit_ns(const LadderStep& step);  // from the first to the last sighting; nothing: there is only one
std::string transit_text(const LadderStep& step);           // "31 us"; empty: there is none
// "source 10.0.0.1:5000 > 192.0.2.1:20000, MSS 1460 > 1380": what is not the same at all points that saw it, but for TTL and
// checksum.
std::string rewritten_text(const LadderStep& step);
std::string frames_text(const LadderStep& step);  // "12/15" by lane, a dash where it was not seen

// A line of the drawing: a packet, or what lies between two of them.
struct LadderRow {
  const LadderStep* step = nullptr;  // null: a pause
  int64_t since_begin_ns = 0;        // from the ladder's first packet
  std::string pause{};               // "41 packets", "3.0 s"
};
// Of more than `steps_max` packets the first and the last ones, and those of which something is told with one on either side.
std::vector<LadderRow> rows_of(const Ladder& ladder, size_t steps_max);

}  // namespace parallax
