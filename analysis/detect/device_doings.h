// What findings tell that a device did itself, as its record counts it. `Told`: Observation, FindingRecord.
#pragma once

#include <cstdint>

#include "analysis/connection/knowledge.h"
#include "analysis/detect/icmp_errors.h"
#include "analysis/finding/finding_group.h"

namespace parallax {

// A RST of the device's own, in the place of an answer.
template <typename Told>
bool is_refusal_of_device(const Told& told) {
  return told.kind == FindingKind::syn_refused && told.origin == Origin::device && !has_icmp_evidence(told.evidence);
}

// As many as the findings tell; `sign` -1: one is withdrawn.
template <typename Told>
void count_for_device(Knowledge& knowledge, const Told& told, const FindingGroup::Contribution& more, int sign) {
  const FindingKind kind = told.kind;
  const Where& where = told.where;
  const auto signed_count = [sign](uint64_t count) { return sign * static_cast<int64_t>(count); };
  if (kind == FindingKind::reset_by_device) knowledge.device_reset(where.first, where.second, signed_count(more.count));
  if (kind == FindingKind::answered_by_device) knowledge.device_answered(where.first, where.second, signed_count(more.attempts));
  if (kind == FindingKind::syn_refused && told.origin == Origin::device)
    knowledge.device_answered(where.first, where.second, signed_count(more.proved));
  if (is_refusal_of_device(told)) knowledge.device_reset(where.first, where.second, signed_count(more.attempts));
  if (is_of_losses_beside_pairs(kind, where, told.direction))
    knowledge.device_dropped_first(where.first, where.second, told.direction, signed_count(more.proved));
}

}  // namespace parallax
