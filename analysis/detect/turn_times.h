// Where the time of a connection's turns went, as the detectors of slow ends and slow ways ask for it.
//
// A view of the sums of its legs (waiting.h), made where the question is asked. Nothing in it rests on a packet's absence.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "analysis/detect/detector.h"

namespace parallax {

struct TurnTimes {
  WaitingRecord parts;
  const LegState* first = nullptr;  // nearest to the client
  const LegState* last = nullptr;   // nearest to the server

  uint32_t turns() const { return last->summary.times.turns; }
  int64_t network_ns() const { return parts.before_device_ns + parts.device_ns + parts.after_device_ns; }
  int64_t waited_ns() const { return parts.client_ns + network_ns() + parts.server_ns; }
  // The answers are blocks of one size, few of them are asked for at a time, and for more than half of the time none was under
  // way: what is slow is the asking, whoever is waited for.
  bool asks_for_few_at_a_time() const;
  // Those blocks: the bytes of one, and how many are asked for at once.
  uint64_t block_bytes() const { return first->summary.times.message_max[Side::server] / at_a_time(); }
  uint32_t at_a_time() const { return std::max<uint32_t>(1, first->summary.times.outstanding_max); }
  int64_t transfer_ns() const;
  // "client 12 %, before outside 3 %, between outside and inside 0 %, beyond inside 5 %, server 80 %"
  std::string shares(const DetectorView& view) const;
};

// What a connection that is over, and was seen from its beginning, comes to. Empty where that is not known; and where it was the
// device that lost data or held it back: what that cost is told of that.
std::optional<TurnTimes> turn_times_of(const Connection& connection, const DetectorView& view);

// When its detectors look: live once it is over and the home of its pair has told of it; offline at the end, when all have.
int64_t turn_times_due_ns(const Connection& connection, const DetectorView& view);

// What their observations have in common; `lost_ns`: what the part that is named cost.
Observation turn_times_observation(const Connection& connection, const TurnTimes& times, FindingKind kind, int64_t lost_ns,
                                   const DetectorView& view);

}  // namespace parallax
