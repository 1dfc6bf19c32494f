// A question in a datagram to which its client's point has shown no answer, as its detectors ask for it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "analysis/connection/connection.h"
#include "analysis/detect/detector.h"
#include "analysis/model/service_port.h"

namespace parallax {

inline bool is_question(const Connection& c) {
  if (c.evicted || c.protocol != Protocol::udp) return false;
  const LegState& a = c.client_leg();
  return a.first.from == Side::client && !is_addressed_to_many(a.server.address);
}

// When all of them look, so that each sees what those before it have told.
inline int64_t question_due_ns(const Connection& c, const DetectorView& view) {
  return c.client_leg().first.order_ns + 2 * view.options.device_timeout_ns;
}

// Whether the client's point has shown answers at all to those who ask from there: of a mirror of one direction, or of a path on
// which answers go elsewhere, nothing follows from their absence. (As far as the oldest that are known tell.)
inline bool shows_answers(const Connection& c, const DetectorView& view) {
  constexpr size_t kLookedAt = 1024;
  const LegState& a = c.client_leg();
  size_t looked_at = 0;
  for (const auto& [id, other] : view.store.all()) {
    if (++looked_at > kLookedAt) break;
    const bool is_answered = std::any_of(other.legs.begin(), other.legs.end(), [&](const LegState& leg) {
      return leg.point == a.point && leg.established.has_value();
    });
    if (is_answered && other.client_outer == c.client_outer) return true;
  }
  return false;
}

// Whether a detector before this one has just told why it is not answered.
inline bool is_told_of(const Verdicts& out, const Connection& c) {
  return std::any_of(out.told.begin(), out.told.end(), [&](const Observation& o) { return o.connection_id == c.id; });
}

}  // namespace parallax
