#include "analysis/detect/handshake.h"

#include <algorithm>

#include "analysis/finding/evidence.h"

namespace parallax {
namespace {

// Where nothing toward that destination has been seen to cross: the device may have a third side, without a port of ours.
constexpr double kElsewhere = 0.7;

}  // namespace

std::optional<PointIndex> Handshake::step(PointIndex point, bool inward) const {
  if (inward) return point + 1u < view_.options.path.size() ? std::optional(static_cast<PointIndex>(point + 1)) : std::nullopt;
  return point > 0 ? std::optional(static_cast<PointIndex>(point - 1)) : std::nullopt;
}

const LegState& Handshake::deepest() const {
  const LegState* best = &c_.client_leg();
  for (const LegState& leg : c_.legs) {
    if (leg.has_syn() && (c_.client_outer ? leg.point > best->point : leg.point < best->point)) best = &leg;
  }
  return *best;
}

// A filter may have kept this connection from being seen on the far side, because the device rewrites addresses or is not known
// to leave them alone.
bool Handshake::may_be_hidden(PointIndex a, PointIndex b) const {
  const Knowledge::Device& device = view_.knowledge.device(a, b);
  return view_.options.filtered && (device.connections == 0 || device.rewrites);
}

AbsenceProof Handshake::syns_absent(const LegState& leg, size_t count, PointIndex point, int64_t until_ns) const {
  AbsenceProof proof(view_.sensor, point, travel_to_server());
  proof.unless(may_be_hidden(leg.point, point), Doubt::may_be_hidden);
  for (size_t i = 0; i < std::min(count, leg.attempts.size()); ++i) {
    const PacketFacts& syn = leg.attempts[i];
    proof.expect(syn.order_ns - syn.stamp_uncertainty_ns, std::min(syn.order_ns + view_.options.device_timeout_ns, until_ns));
  }
  return proof;
}

AbsenceProof Handshake::answer_absent(PointIndex point, int64_t from_ns, int64_t to_ns) const {
  return AbsenceProof(view_.sensor, point, travel_to_client()).expect(from_ns, to_ns);
}

bool Handshake::has_rival(PointIndex point, int64_t from_ns, int64_t to_ns) const {
  std::vector<uint64_t> own;
  for (const LegState& leg : c_.legs) own.push_back(leg.id.value());
  return view_.openings.any(client_leg(), point, from_ns, to_ns, own);
}

Observation Handshake::observation(FindingKind kind) const {
  const LegState& a = client_leg();
  Observation o;
  o.kind = kind;
  o.service = a.server;
  o.connection_id = c_.id;
  o.direction = FindingDirection::client_to_server;
  o.first_ns = a.attempts.front().time_ns;
  o.last_ns = a.attempts.back().time_ns;
  o.attempts = a.attempt_count;
  o.confidence = c_.client_side_known ? kSure : kInferred;
  return o;
}

void Handshake::doubt_destination(Observation& o, const LegState& leg) const {
  if (view_.knowledge.has_crossed(leg.point, leg.server.address)) return;
  if (o.where.kind != Where::Kind::unknown) o.confidence *= kElsewhere;
  o.remark =
      "No connection to that address has been seen to cross, so that it may lie on a side of the device that is not watched.";
}

void Handshake::add_ttl_evidence(Observation& o, const PacketFacts& rst) const {
  if (auto ttl = foreign_ttl(rst, client_leg().server.address, view_.knowledge)) o.evidence.push_back(std::move(*ttl));
}

Observation without_blame(Observation o, const AbsenceProof& proof) {
  o.where = {};
  o.origin = Origin::unknown;
  o.confidence = kRivalled;
  o.remark =
      "The sensor does not cover the far side for that time, was losing packets there, or a filter hides it, so that nobody is "
      "accused.";
  o.evidence.push_back({.kind = "timing",
                        .point = proof.point(),
                        .port = std::nullopt,
                        .frame = 0,
                        .time_ns = o.last_ns,
                        .detail = "not covered, filtered, or the sensor was losing packets here"});
  return o;
}

}  // namespace parallax
