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

// Silence is covered if all but one in so many of such steps are.
constexpr int64_t kSilenceStepNs = 100'000'000;
constexpr uint32_t kSilenceShare = 10;

// By which stamps of two points may be in the wrong order.
constexpr int64_t kStampSlackNs = 20'000'000;

}  // namespace

Handshake::Handshake(const Connection& connection, const DetectorView& view) : c_(connection), view_(view) {
  const LegState& last = deepest();
  if (const Crossing* hairpin = c_.hairpin()) {
    hairpin_ = c_.legs[hairpin->client_leg].point;
  } else if (view_.knowledge.is_turned(last.point, last.server)) {
    hairpin_ = last.point;
  }
}

std::optional<Handshake::Stop> Handshake::step(PointIndex point, Direction direction) const {
  if (direction == Direction::toward_inside)
    return point + 1u < view_.options.path.size() ? std::optional(Stop{static_cast<PointIndex>(point + 1)}) : std::nullopt;
  return point > 0 ? std::optional(Stop{static_cast<PointIndex>(point - 1)}) : std::nullopt;
}

// Behind a hairpin the path goes on where a leg shows it: the server may be on either side of its point.
std::optional<Handshake::Stop> Handshake::toward_server(Stop stop) const {
  if (hairpin_ != stop.point) return step(stop.point, to_server());
  if (!stop.is_turned) return Stop{stop.point, true};
  const auto next = step(stop.point, to_server());
  const auto is_there = [&](const LegState& leg) { return leg.point == next->point; };
  return next && std::any_of(c_.legs.begin(), c_.legs.end(), is_there) ? next : std::nullopt;
}

std::optional<Handshake::Stop> Handshake::toward_client(Stop stop) const {
  if (hairpin_ == stop.point && stop.is_turned) return Stop{stop.point};
  std::optional<Stop> next = step(stop.point, to_client());
  if (next) next->is_turned = hairpin_ == next->point;
  return next;
}

bool Handshake::has_gone_on() const {
  const LegState& leg = client_leg();
  return hairpin_ == leg.point || view_.knowledge.has_crossed(leg.point, leg.server.address);
}

// What passes a hairpin may come and go by any port of its point.
PortDirection Handshake::ports_at(Stop stop, Direction direction) const {
  return hairpin_ == stop.point ? PortDirection::both : port_direction(direction);
}
AbsenceProof Handshake::absence_at(Stop stop, Direction direction) const {
  return AbsenceProof(view_.sensor, stop.point, ports_at(stop, direction));
}
bool Handshake::misses(Stop stop, Direction direction, const PacketFacts& packet) const {
  return view_.knowledge.misses(stop.point, ports_at(stop, direction), packet.order_ns, packet.order_ns);
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
    if (leg.has_syn() && belongs(leg) && c_.is_behind(leg, *best)) best = &leg;
  }
  return *best;
}

const LegState* Handshake::nearest_answer() const {
  const LegState* best = nullptr;
  for (const LegState& leg : c_.legs) {
    if (leg.syn_ack && belongs(leg) && (!best || c_.is_behind(*best, leg))) best = &leg;
  }
  return best;
}

uint32_t Handshake::syns_at(Stop stop) const {
  uint32_t count = 0;
  for (const LegState& leg : c_.legs) {
    if (stop_of(leg) == stop && belongs(leg)) count += leg.attempt_count;
  }
  return count;
}

const PacketFacts* Handshake::answer_at(Stop stop) const {
  const PacketFacts* first = nullptr;
  for (const LegState& leg : c_.legs) {
    if (stop_of(leg) == stop && leg.syn_ack && belongs(leg) && (!first || leg.syn_ack->order_ns < first->order_ns))
      first = &*leg.syn_ack;
  }
  return first;
}

// A filter may have kept this connection from being seen on the far side, because a device rewrites addresses or is not known to
// leave them alone. A hairpin always does.
bool Handshake::may_be_hidden(PointIndex point, Stop stop) const {
  if (!view_.options.filtered) return false;
  if (hairpin_ && *hairpin_ >= std::min(point, stop.point) && *hairpin_ <= std::max(point, stop.point)) return true;
  return may_rename(point, stop.point);
}

bool Handshake::may_rename(PointIndex a, PointIndex b) const {
  for (PointIndex outer = std::min(a, b); outer < std::max(a, b); ++outer) {
    if (view_.knowledge.may_rename(outer, outer + 1) || view_.knowledge.device(outer, outer + 1).proxied > 0) return true;
  }
  return false;
}

// A SYN at `point`, or at one further on, that may continue one of `syns`, which `leg` shows: it comes before `until_ns` and soon
// after that one.
bool Handshake::has_rival(const LegState& leg, std::span<const PacketFacts> syns, Stop stop, int64_t until_ns) const {
  RivalOpenings::Query query{stop.point, c_.side_basis == SideBasis::guessed || stop.is_turned, {}, {}, {}};
  for (const LegState& own : c_.legs) query.own.push_back(own.id.value());
  // The device has never changed the numbers of that service's connections: then it has not opened another in this one's place.
  const bool is_next = toward_server(stop_of(leg)) == stop;
  const bool keeps_numbers = stop.is_turned ? view_.knowledge.keeps_numbers_turned(leg.point, leg.server)
                                            : view_.knowledge.keeps_numbers(leg.point, leg.server);
  if (is_next && keeps_numbers) query.isn = leg.client_isn;
  const auto any_after = [&](const PacketFacts& syn) {
    const int64_t to_ns = std::min(syn.order_ns + view_.options.device_timeout_ns, until_ns);
    return view_.openings.any(client_leg(), query, syn.order_ns - syn.stamp_uncertainty_ns, to_ns);
  };
  // What is answered by a proxy need not bear the names of anything beyond it: of such a service none has been seen to cross.
  const bool has_crossed = view_.knowledge.has_crossed(leg.point, leg.server.address);
  for (std::optional<Stop> at = stop; at; at = toward_server(*at)) {
    if (at != stop && !view_.knowledge.keeps_all_numbers(query.point, at->point)) query.isn.reset();
    query.point = at->point;
    query.keeps_names = has_crossed && !at->is_turned && !may_rename(leg.point, at->point);
    if (std::any_of(syns.begin(), syns.end(), any_after)) return true;
  }
  return false;
}

// Those of the leg's SYNs that `stop` has not shown. Each that it has shown is the newest that had been sent by then.
std::vector<PacketFacts> Handshake::syns_unseen(const LegState& leg, Stop stop) const {
  std::vector<PacketFacts> unseen(leg.attempts.begin(), leg.attempts.end());
  for (const LegState& other : c_.legs) {
    if (!(stop_of(other) == stop) || !belongs(other)) continue;
    for (const PacketFacts& shown : other.attempts) {
      const auto after = std::find_if(unseen.begin(), unseen.end(), [&](const PacketFacts& syn) {
        return syn.order_ns - syn.stamp_uncertainty_ns > shown.order_ns + kStampSlackNs;
      });
      if (after != unseen.begin()) unseen.erase(after - 1);
    }
  }
  return unseen;
}

// A rival counts most: it may have gone on from there under another name, so that nothing can be said of the points behind
// either.
AbsenceProof Handshake::absence_of_syns(const LegState& leg, Stop stop, bool has_rival) const {
  AbsenceProof proof = absence_at(stop, to_server());
  const auto in_time = [this](const PacketFacts& syn) { return is_in_time(syn); };
  return proof.unless(has_rival, Doubt::rival)
      .unless(may_be_hidden(leg.point, stop), Doubt::may_be_hidden)
      .unless(view_.knowledge.misses(stop.point, ports_at(stop, to_server()), leg.attempts.front().order_ns,
                                     leg.attempts.back().order_ns),
              Doubt::not_covered)
      .unless(!std::all_of(leg.attempts.begin(), leg.attempts.end(), in_time), Doubt::clock_uncertain)
      // It may be a proxy's own, toward a server, or have come from the other side under another name: then it never had to pass
      // the device in the direction that is guessed.
      .unless(c_.side_basis == SideBasis::guessed && !stop.is_turned, Doubt::path_unknown);
}

AbsenceProof Handshake::syns_absent(const LegState& leg, Stop stop) const {
  const std::vector<PacketFacts> syns = syns_unseen(leg, stop);
  AbsenceProof proof = absence_of_syns(leg, stop, has_rival(leg, syns, stop, kTimeMax));
  for (const PacketFacts& syn : syns)
    proof.expect(syn.order_ns - syn.stamp_uncertainty_ns, syn.order_ns + view_.options.device_timeout_ns);
  return proof;
}

AbsenceProof Handshake::syns_absent_before(const LegState& leg, Stop stop, const PacketFacts& answer) const {
  const int64_t before_ns = answer.order_ns;
  AbsenceProof proof = absence_of_syns(leg, stop, has_rival(leg, leg.attempts, stop, before_ns + kStampSlackNs));
  proof.unless(!is_in_time(answer), Doubt::clock_uncertain);
  for (const PacketFacts& syn : leg.attempts) {
    proof.expect(syn.order_ns - syn.stamp_uncertainty_ns,
                 std::clamp(before_ns, syn.order_ns, syn.order_ns + view_.options.device_timeout_ns));
  }
  return proof;
}

// A stranger there may be the packet, which the device has not translated.
AbsenceProof Handshake::packet_absent(const PacketFacts& packet, Stop stop, bool has_rival) const {
  FateEvent missed{};
  missed.packet = packet;
  missed.absent_at = stop.point;
  const int64_t timeout_ns = view_.options.device_timeout_ns;
  const bool is_stranger =
      view_.strangers.find(missed, timeout_ns) || view_.strangers.may_hide(missed, c_, view_.store, timeout_ns);
  return absence_at(stop, to_server())
      .unless(has_rival || is_stranger, Doubt::rival)
      .unless(may_be_hidden(packet.point, stop), Doubt::may_be_hidden)
      .unless(misses(stop, to_server(), packet), Doubt::not_covered)
      .unless(!is_in_time(packet), Doubt::clock_uncertain)
      .unless(c_.side_basis == SideBasis::guessed && !stop.is_turned, Doubt::path_unknown)
      .expect(packet.order_ns - packet.stamp_uncertainty_ns, packet.order_ns + view_.options.device_timeout_ns);
}

AbsenceProof Handshake::answers_absent(const LegState& leg) const {
  AbsenceProof proof = absence_at(stop_of(leg), to_client());
  proof.unless(view_.knowledge.misses(leg.point, ports_at(stop_of(leg), to_client()), leg.attempts.front().order_ns,
                                      leg.attempts.back().order_ns),
               Doubt::not_covered);
  for (const LegState& other : c_.legs) {
    if (!(stop_of(other) == stop_of(leg))) continue;
    for (size_t i = 0; i < other.attempts.size(); ++i) {
      const int64_t at = other.attempts[i].order_ns;
      const int64_t next = i + 1 < other.attempts.size() ? other.attempts[i + 1].order_ns : kTimeMax;
      proof.expect(at, std::min(at + kAnswerWaitNs, next));
    }
  }
  return proof;
}

AbsenceProof Handshake::silent_until(int64_t to_ns) const {
  const LegState& leg = client_leg();
  const PacketFacts& last = leg.attempts.back();
  const int64_t answered_by_ns = last.order_ns + kAnswerWaitNs;
  to_ns = std::max(to_ns, answered_by_ns);
  const auto nothing = [&](Direction direction, int64_t from_ns, int64_t until_ns) {
    AbsenceProof proof = absence_at({last.point}, direction);
    for (; from_ns < until_ns; from_ns += kSilenceStepNs) proof.expect(from_ns, std::min(from_ns + kSilenceStepNs, until_ns));
    // In the little that is not covered neither a SYN with its answer nor an answer is likely to have been.
    return proof.unless(proof.covered() * kSilenceShare < proof.expected() * (kSilenceShare - 1), Doubt::not_covered);
  };
  // A client that has tried again and then falls silent, without an acknowledgement, has been given nothing to go on with.
  const Direction there = c_.direction_of(Side::client), back = c_.direction_of(Side::server);
  if (const AbsenceProof gave_up = nothing(there, last.order_ns, to_ns); leg.attempt_count > 1 && gave_up.holds()) return gave_up;
  // Of a SYN that was missed itself the answer must have been missed, too.
  const bool unseen_later = !nothing(there, answered_by_ns, to_ns).holds() && !nothing(back, answered_by_ns, to_ns).holds();
  return nothing(back, last.order_ns, answered_by_ns)
      .unless(!nothing(back, last.order_ns, last.order_ns + kSilenceStepNs).holds(), Doubt::not_covered)
      .unless(unseen_later, Doubt::not_covered);
}

// Not stamped by a clock that was set, or after a pause.
bool Handshake::is_in_time(const PacketFacts& packet) const {
  const PortDirection ports = ports_at({packet.point}, c_.direction_of(packet.from));
  return view_.sensor.in_time(packet.point, ports, packet.order_ns - packet.stamp_uncertainty_ns, packet.order_ns);
}

AbsenceProof Handshake::answer_absent(const PacketFacts& answer, Stop stop, int64_t wait_ns) const {
  return absence_at(stop, to_client())
      .unless(misses(stop, to_client(), answer), Doubt::not_covered)
      .unless(!is_in_time(answer), Doubt::clock_uncertain)
      .expect(answer.order_ns - answer.stamp_uncertainty_ns, answer.order_ns + wait_ns);
}

AbsenceProof Handshake::answer_absent_before(const PacketFacts& answer, Stop stop) const {
  const PacketFacts& syn = client_leg().attempts.front();
  return absence_at(stop, to_client())
      .unless(misses(stop, to_client(), answer), Doubt::not_covered)
      .unless(!is_in_time(answer), Doubt::clock_uncertain)
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
  // Its SYN may have been missed: then the SYN-ACK is the first that is known of it.
  o.first_ns = a.has_syn() ? a.attempts.front().time_ns : a.first.time_ns;
  o.last_ns = a.has_syn() ? a.attempts.back().time_ns : a.first.time_ns;
  o.attempts = o.proved = a.attempt_count;
  o.confidence = c_.side_basis == SideBasis::seen ? kSure : kInferred;
  return o;
}

void Handshake::blame_device(Observation& o, Stop client_side, Stop server_side, const AbsenceProof& proof,
                             std::string detail) const {
  o.where = between(client_side.point, server_side.point);
  o.origin = Origin::device;
  o.evidence.push_back(proof.evidence(o.last_ns, std::move(detail)));
  for (const Absence& absence : proof.absences()) o.absences.push_back(absence);
  if (o.direction == FindingDirection::server_to_client) return;
  if (has_gone_on()) return;
  o.confidence *= kElsewhere;
  o.remark = "Nothing crosses to that address: it may lie on a side that is not watched.";
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
  o.absences.clear();
  std::erase_if(o.evidence, AbsenceProof::is_evidence);
  o.evidence.push_back(proof.doubt_evidence(o.last_ns));
  return o;
}

int64_t answered_due_ns(const LegState& leg, const DetectorView& view) {
  const PacketFacts& answered = leg.established ? *leg.established : leg.syn_ack ? *leg.syn_ack : leg.attempts.back();
  return answered.order_ns + view.options.device_timeout_ns;
}

}  // namespace parallax
