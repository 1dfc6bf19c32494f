#include "analysis/detect/handshake.h"

#include <algorithm>
#include <utility>

#include "analysis/finding/evidence.h"

namespace parallax {
namespace {

// Where nothing toward that destination has been seen to cross: the device may have a third side, without a port of ours.
constexpr double kElsewhere = 0.7;
// In which a server's answer to a SYN would come back to the last point, or the next SYN: round trips within the Internet are
// shorter.
constexpr int64_t kAnswerWaitNs = 1'000'000'000;

// By which stamps of two points may be in the wrong order.
constexpr int64_t kStampSlackNs = 20'000'000;

}  // namespace

std::optional<PointIndex> Handshake::step(PointIndex point, Direction direction) const {
  if (direction == Direction::toward_inside)
    return point + 1u < view_.options.path.size() ? std::optional(static_cast<PointIndex>(point + 1)) : std::nullopt;
  return point > 0 ? std::optional(static_cast<PointIndex>(point - 1)) : std::nullopt;
}

bool Handshake::belongs(const LegState& leg) const {
  return std::none_of(c_.crossings.begin(), c_.crossings.end(), [&](const Crossing& crossing) {
    if (!crossing.is_proxied) return false;
    const PointIndex last = c_.legs[crossing.client_leg].point;
    return c_.client_outer ? leg.point > last : leg.point < last;
  });
}

const LegState& Handshake::deepest() const {
  const LegState* best = &c_.client_leg();
  for (const LegState& leg : c_.legs) {
    if (leg.has_syn() && belongs(leg) && (c_.client_outer ? leg.point > best->point : leg.point < best->point)) best = &leg;
  }
  return *best;
}

const LegState* Handshake::nearest_answer() const {
  const LegState* best = nullptr;
  for (const LegState& leg : c_.legs) {
    if (leg.syn_ack && belongs(leg) && (!best || (c_.client_outer ? leg.point < best->point : leg.point > best->point)))
      best = &leg;
  }
  return best;
}

uint32_t Handshake::syns_at(PointIndex point) const {
  uint32_t count = 0;
  for (const LegState& leg : c_.legs) {
    if (leg.point == point && belongs(leg)) count += leg.attempt_count;
  }
  return count;
}

const PacketFacts* Handshake::answer_at(PointIndex point) const {
  const PacketFacts* first = nullptr;
  for (const LegState& leg : c_.legs) {
    if (leg.point == point && leg.syn_ack && belongs(leg) && (!first || leg.syn_ack->order_ns < first->order_ns))
      first = &*leg.syn_ack;
  }
  return first;
}

// A filter may have kept this connection from being seen on the far side, because the device rewrites addresses or is not known
// to leave them alone.
bool Handshake::may_be_hidden(PointIndex a, PointIndex b) const {
  const Knowledge::Device& device = view_.knowledge.device(a, b);
  return view_.options.filtered && (device.connections == 0 || device.rewrites);
}

bool Handshake::has_rival(PointIndex point, int64_t from_ns, int64_t to_ns) const {
  std::vector<uint64_t> own;
  for (const LegState& leg : c_.legs) own.push_back(leg.id.value());
  // At the point, or at one further on: then it has passed the point, and was missed there.
  for (std::optional<PointIndex> at = point; at; at = toward_server(*at)) {
    if (view_.openings.any(client_leg(), *at, from_ns, to_ns, own, c_.side_basis == SideBasis::guessed)) return true;
  }
  return false;
}

AbsenceProof Handshake::absence_of_syns(const LegState& leg, PointIndex point) const {
  AbsenceProof proof(view_.sensor, point, to_server());
  return proof.unless(may_be_hidden(leg.point, point), Doubt::may_be_hidden)
      .unless(view_.knowledge.misses(point, to_server(), leg.attempts.front().order_ns, leg.attempts.back().order_ns),
              Doubt::not_covered)
      // It may be a proxy's own, toward a server, or have come from the other side under another name: then it never had to pass
      // the device in the direction that is guessed.
      .unless(c_.side_basis == SideBasis::guessed, Doubt::path_unknown);
}

AbsenceProof Handshake::syns_absent(const LegState& leg, size_t count, PointIndex point) const {
  AbsenceProof proof = absence_of_syns(leg, point);
  const int64_t timeout_ns = view_.options.device_timeout_ns;
  for (size_t i = 0; i < std::min(count, leg.attempts.size()); ++i) {
    const PacketFacts& syn = leg.attempts[i];
    proof.expect(syn.order_ns - syn.stamp_uncertainty_ns, syn.order_ns + timeout_ns);
  }
  const PacketFacts &first = leg.attempts.front(), &last = leg.attempts.back();
  return proof.unless(has_rival(point, first.order_ns - first.stamp_uncertainty_ns, last.order_ns + timeout_ns), Doubt::rival);
}

AbsenceProof Handshake::syns_absent_before(const LegState& leg, PointIndex point, int64_t before_ns) const {
  AbsenceProof proof = absence_of_syns(leg, point);
  const PacketFacts& first = leg.attempts.front();
  for (const PacketFacts& syn : leg.attempts) {
    proof.expect(syn.order_ns - syn.stamp_uncertainty_ns,
                 std::clamp(before_ns, syn.order_ns, syn.order_ns + view_.options.device_timeout_ns));
  }
  return proof.unless(has_rival(point, first.order_ns - first.stamp_uncertainty_ns, before_ns + kStampSlackNs), Doubt::rival);
}

AbsenceProof Handshake::answers_absent(const LegState& leg) const {
  AbsenceProof proof(view_.sensor, leg.point, to_client());
  for (const LegState& other : c_.legs) {
    if (other.point != leg.point) continue;
    for (size_t i = 0; i < other.attempts.size(); ++i) {
      const int64_t at = other.attempts[i].order_ns;
      const int64_t next = i + 1 < other.attempts.size() ? other.attempts[i + 1].order_ns : kTimeMax;
      proof.expect(at, std::min(at + kAnswerWaitNs, next));
    }
  }
  return proof;
}

AbsenceProof Handshake::silent_until(int64_t to_ns) const {
  const PacketFacts& last = client_leg().attempts.back();
  const int64_t answered_by_ns = last.order_ns + kAnswerWaitNs;
  to_ns = std::max(to_ns, answered_by_ns);
  AbsenceProof answer(view_.sensor, last.point, to_client());
  answer.expect(last.order_ns, answered_by_ns);
  // Of a SYN that was missed itself the answer must have been missed, too.
  AbsenceProof further_syn(view_.sensor, last.point, to_server()), its_answer(view_.sensor, last.point, to_client());
  further_syn.expect(answered_by_ns, to_ns);
  its_answer.expect(answered_by_ns, to_ns);
  return answer.unless(!further_syn.holds() && !its_answer.holds(), Doubt::not_covered);
}

// Not stamped by a clock that was set, or after a pause.
bool Handshake::is_in_time(const PacketFacts& answer) const {
  return AbsenceProof(view_.sensor, answer.point, to_client())
      .expect(answer.order_ns - answer.stamp_uncertainty_ns, answer.order_ns)
      .holds();
}

AbsenceProof Handshake::answer_absent(const PacketFacts& answer, PointIndex point, int64_t wait_ns) const {
  return AbsenceProof(view_.sensor, point, to_client())
      .unless(view_.knowledge.misses(point, to_client(), answer.order_ns, answer.order_ns), Doubt::not_covered)
      .unless(!is_in_time(answer), Doubt::clock_uncertain)
      .expect(answer.order_ns - answer.stamp_uncertainty_ns, answer.order_ns + wait_ns);
}

AbsenceProof Handshake::answer_absent_before(const PacketFacts& answer, PointIndex point) const {
  const PacketFacts& syn = client_leg().attempts.front();
  return AbsenceProof(view_.sensor, point, to_client())
      .unless(view_.knowledge.misses(point, to_client(), answer.order_ns, answer.order_ns), Doubt::not_covered)
      .expect(std::min(syn.order_ns, answer.order_ns) - syn.stamp_uncertainty_ns, answer.order_ns + answer.stamp_uncertainty_ns);
}

Observation Handshake::observation(FindingKind kind) const {
  const LegState& a = client_leg();
  Observation o;
  o.kind = kind;
  o.service = a.server;
  o.source = a.client;
  o.connection_id = c_.id;
  o.direction = FindingDirection::client_to_server;
  o.first_ns = a.attempts.front().time_ns;
  o.last_ns = a.attempts.back().time_ns;
  o.attempts = o.proved = a.attempt_count;
  o.confidence = c_.side_basis == SideBasis::seen ? kSure : kInferred;
  return o;
}

void Handshake::blame_device(Observation& o, PointIndex client_side, PointIndex server_side, const AbsenceProof& proof,
                             std::string detail) const {
  o.where = between(client_side, server_side);
  o.origin = Origin::device;
  o.evidence.push_back(proof.evidence(o.last_ns, std::move(detail)));
  if (o.direction == FindingDirection::server_to_client) return;
  if (view_.knowledge.has_crossed(client_leg().point, client_leg().server.address)) return;
  o.confidence *= kElsewhere;
  o.remark =
      "No connection to that address has been seen to cross, so that it may lie on a side of the device that is not watched.";
}

void Handshake::add_ttl_evidence(Observation& o, const PacketFacts& rst) const {
  if (auto ttl = foreign_ttl(rst, client_leg().server.address, view_.knowledge)) o.evidence.push_back(std::move(*ttl));
}

Observation without_blame(Observation o, const AbsenceProof& proof) {
  o.where = {};
  o.origin = Origin::unknown;
  o.confidence = kUnblamed;
  o.doubt = proof.doubt();
  o.proved = o.attempts;
  o.remark = "Nobody is accused: " + std::string(text_of(proof.doubt())) + ".";
  o.evidence.push_back(proof.doubt_evidence(o.last_ns));
  return o;
}

}  // namespace parallax
