// What ICMP errors say of a connection's packets, as its detectors ask for it.
#pragma once

#include <optional>
#include <vector>

#include "analysis/connection/connection.h"
#include "analysis/detect/detector.h"
#include "analysis/model/absence_proof.h"

namespace parallax {

// The first one that answers the client's opening, and refuses it; null: none.
const IcmpSighting* icmp_refusal(const LegState& leg);
// How an opening ended that was not accepted, as the leg's point saw it.
Outcome failed_outcome(const LegState& leg);
// Who has made the refusal that comes from beyond a point: the server itself, or somebody on the way to it.
Origin origin_of(const IcmpSighting& refusal, const LegState& leg);

// "icmp", "ICMP port unreachable from 192.0.2.1, ttl 63".
Evidence icmp_evidence(const IcmpSighting& icmp);
bool has_icmp_evidence(const std::vector<Evidence>& evidence);

// Of the errors about what `sender` sent between the two times the one that explains most, as seen furthest from it; and how far
// it came.
struct IcmpTrace {
  const IcmpSighting* icmp = nullptr;  // null: there is none
  const LegState* seen = nullptr;      // nearest to the sender
  const LegState* missing = nullptr;   // the next one toward the sender, which does not show it; null: there is none
};
IcmpTrace trace_icmp(const Connection& connection, Side sender, int64_t from_ns, int64_t to_ns);
// Whether errors about the leg may have passed its point unseen: a filter for TCP hides them all, and of many the first are kept.
bool may_miss_icmp(const LegState& leg, int64_t until_ns, const DetectorView& view);
// That the error did not leave the device toward the sender. REQUIRES: trace.missing.
AbsenceProof icmp_absent(const Connection& connection, const IcmpTrace& trace, Side sender, const DetectorView& view);

// What became, beyond the device, of an error about a leg's packet that entered it on its way back to the sender.
struct IcmpFate {
  const IcmpSighting* entered = nullptr;
  const IcmpSighting* left = nullptr;  // null: it was not seen to leave
  bool is_lost = false;                // which is proved
  Direction direction = Direction::toward_inside;
  uint64_t next_leg_id = 0;  // on which it left, or would have left
};
// Of those that are kept of the leg.
std::vector<IcmpFate> icmp_fates(const Connection& connection, const LegState& leg, const DetectorView& view);

}  // namespace parallax
