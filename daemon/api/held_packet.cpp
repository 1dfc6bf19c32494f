#include "daemon/api/held_packet.h"

#include <algorithm>

namespace parallax {

// Its evidence are pairs: a packet where it entered, and when it left.
std::optional<HeldPacket> held_packet(const FindingRecord& finding) {
  if (finding.kind != FindingKind::device_delay) return std::nullopt;
  std::optional<HeldPacket> last;
  const Evidence* entered = nullptr;
  for (const Evidence& one : finding.evidence) {
    if (one.kind == "timing" && entered != nullptr && entered->point != one.point && one.time_ns > entered->time_ns) {
      const auto [outer, inner] = std::minmax(entered->point, one.point);
      last = {.finding_id = finding.id,
              .outer = outer,
              .inner = inner,
              .direction = entered->point == outer ? Direction::toward_inside : Direction::toward_outside,
              .took_ns = one.time_ns - entered->time_ns,
              .left_ns = one.time_ns};
    }
    entered = one.kind == "present_at" ? &one : nullptr;
  }
  return last;
}

}  // namespace parallax
