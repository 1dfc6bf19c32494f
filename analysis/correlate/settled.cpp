#include "analysis/correlate/settled.h"

#include <algorithm>

namespace parallax {
namespace {

// Whose answer may have been a device's.
bool is_error(const RecognisedRequest& request) { return request.status >= 400; }

bool says_nothing_special(const LegState& leg) {
  if (!leg.recognised) return true;
  const auto& requests = leg.recognised->requests;
  return !leg.recognised->quic && std::none_of(requests.begin(), requests.end(), is_error);
}

bool is_paired_with_all(const LegState& leg, size_t points) {
  return (leg.point == 0 || leg.paired[PathSide::outer]) && (leg.point + 1u == points || leg.paired[PathSide::inner]);
}

bool is_settled(const LegState& leg, size_t points) {
  const bool came_about = leg.established && !leg.refused && !leg.refusal && !leg.midstream;
  const bool went_in_order = !leg.evicted && !leg.reset && leg.stops == nullptr && leg.icmp.empty();
  const bool stands_alone = leg.shared_with.empty() && leg.not_with.empty() && leg.successor == 0;
  return came_about && went_in_order && stands_alone && says_nothing_special(leg) && is_paired_with_all(leg, points);
}

}  // namespace

bool is_settled(const Connection& connection, size_t points) {
  const auto is_followed = [](const Crossing& c) { return c.is_followed && c.is_closed && c.is_learned; };
  return !connection.evicted && connection.finding_ids.empty() && (points == 1 || connection.side_basis != SideBasis::guessed) &&
         std::all_of(connection.crossings.begin(), connection.crossings.end(), is_followed) &&
         std::all_of(connection.legs.begin(), connection.legs.end(),
                     [points](const LegState& leg) { return is_settled(leg, points); });
}

}  // namespace parallax
