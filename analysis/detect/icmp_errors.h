// What ICMP errors say of a connection's packets, as its detectors ask for it.
#pragma once

#include <optional>

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

// What became, beyond the device, of the errors about the leg's packets that entered it on their way back to the sender, as far
// as they are kept.
PerDirection<Knowledge::IcmpFates> icmp_fates(const Connection& connection, const LegState& leg, const DetectorView& view);

}  // namespace parallax
