// A service that answers questions in datagrams, and has left several in a row unanswered; or any, where they were refused.
#include <algorithm>
#include <array>

#include "analysis/detect/datagram_question.h"
#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/detect/icmp_errors.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

constexpr auto kKind = FindingKind::datagram_unanswered;

// Of whose protocols every question is to be answered: DNS, Kerberos, portmapper, NTP, SNMP, LDAP, IKE, SQL Server's browser,
// RADIUS, STUN. Of others silence may be right.
constexpr auto kAnsweringPorts =
    std::to_array<uint16_t>({53, 88, 111, 123, 161, 389, 500, 1434, 1645, 1646, 1812, 1813, 3478, 4500});
static_assert(std::is_sorted(kAnsweringPorts.begin(), kAnsweringPorts.end()));

bool is_to_be_answered(const LegState& leg) {
  return leg.client.port != leg.server.port &&
         std::binary_search(kAnsweringPorts.begin(), kAnsweringPorts.end(), leg.server.port);
}

bool is_answered(const Connection& c) {
  return std::any_of(c.legs.begin(), c.legs.end(), [](const LegState& leg) { return leg.established.has_value(); });
}

// An ICMP error that refuses it, as the point nearest to the server shows it: that speaks for itself, of whatever service.
const IcmpSighting* refusal_of(const Connection& c) { return icmp_refusal(c.server_leg()); }

bool is_refusal(const IcmpSighting& icmp) { return icmp.packet.from == Side::server && icmp.error.refuses(); }

// Of the errors that are kept.
size_t refusals_of(const LegState& leg) {
  return static_cast<size_t>(std::count_if(leg.icmp.begin(), leg.icmp.end(), is_refusal));
}

// Where it is refused its next datagram may be answered, or refused as well: until none has come for so long.
constexpr int64_t kMoreRefusalsNs = 5'000'000'000;

int64_t due_ns(const Connection& c, const DetectorView& view) {
  if (c.told.contains(kKind) || !is_question(c)) return kTimeMax;
  const IcmpSighting* refusal = refusal_of(c);
  if (refusal == nullptr && !is_to_be_answered(c.client_leg())) return kTimeMax;
  if (refusal == nullptr) return question_due_ns(c, view);
  int64_t last_ns = refusal->packet.order_ns;
  if (view.input_ended) return last_ns;
  for (const IcmpSighting& icmp : c.server_leg().icmp) last_ns = std::max(last_ns, icmp.packet.order_ns);
  return last_ns + kMoreRefusalsNs;
}

AbsenceProof silence_after(const Connection& c, const DetectorView& view) {
  const LegState& a = c.client_leg();
  const Direction to_client = c.direction_of(Side::server);
  const int64_t from_ns = a.first.order_ns, to_ns = from_ns + view.options.device_timeout_ns;
  AbsenceProof proof(view.sensor, a.point, to_client);
  proof.unless(view.knowledge.misses(a.point, to_client, from_ns, to_ns), Doubt::not_covered)
      .unless(c.side_basis == SideBasis::guessed && view.options.path.size() > 1, Doubt::path_unknown)
      .expect(from_ns, to_ns);
  return proof;
}

// Whether nothing but the server and what is before it lies behind the leg's point.
bool is_at_end(const Connection& c, const LegState& leg, const DetectorView& view) {
  const bool is_inward = c.direction_of(Side::client) == Direction::toward_inside;
  return leg.point == (is_inward ? view.options.path.size() - 1 : 0);
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (due_ns(c, view) > view.now_ns) return;
  c.told.insert(kKind);
  const LegState& a = c.client_leg();
  Observation o;
  o.kind = kKind;
  o.service = a.server;
  if (is_answered(c)) {
    out.asked.push_back({std::move(o), true});
    return;
  }
  if (is_told_of(out, c)) return;
  const IcmpSighting* refusal = refusal_of(c);
  const AbsenceProof proof = silence_after(c, view);
  if (refusal == nullptr && (!shows_answers(c, view) || !proof.holds())) return;
  const LegState& last = c.server_leg();
  o.where = beyond(last.point);
  o.origin = Origin::unknown;  // the server, its host's filter, or the way behind the last point
  o.direction = FindingDirection::server_to_client;
  o.source = a.client;
  o.connection_id = c.id;
  o.first_ns = a.first.time_ns;
  o.last_ns = std::max(a.first.time_ns, a.has_summary ? a.summary.last_ns : a.first.time_ns);
  o.confidence = kInferred;
  o.attempts = a.has_summary ? a.summary.packets[Side::client] : 1;
  o.evidence.push_back(present_at(a.first, "question of " + plural(a.first.payload_length, "byte")));
  if (last.point != a.point) o.evidence.push_back(present_at(last.first, "the same, on its way on"));
  if (refusal == nullptr) {
    o.absences = proof.absences();
    o.evidence.push_back(proof.evidence(a.first.time_ns, "no answer within " + duration_of(view.options.device_timeout_ns)));
    out.asked.push_back({std::move(o), false});
    return;
  }
  const size_t refusals = refusals_of(last);
  o.attempts = std::max<uint64_t>(o.attempts, refusals);
  if (!is_at_end(c, last, view)) o.where = {};
  o.origin = origin_of(*refusal, last);
  o.evidence.push_back(icmp_evidence(*refusal));
  o.remark = "The answer was " + text_of(refusal->error) + ".";
  // The same port may ask again and again, and be refused each time.
  if (refusals >= view.thresholds.datagram_unanswered_conversations) {
    out.tell(std::move(o));
  } else {
    out.asked.push_back({std::move(o), false});
  }
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  const std::string datagrams = plural(group.attempts, "datagram") + " of " + words.connections;
  if (group.record.origin == Origin::unknown)
    return datagrams + " passed " + words.first + ", and no answer came back." + words.remark;
  const bool is_by_server = group.record.origin == Origin::server;
  const std::string place = group.record.where.kind == Where::Kind::unknown ? "" : " beyond " + words.first;
  return (is_by_server ? "The server" : "A router") + place + " refused " + datagrams + "." + words.remark;
}

}  // namespace

const Detector datagram_unanswered = {
    .kind = kKind,
    .severity = Severity::notice,
    .protocol = Protocol::udp,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "Questions to a service that answers in datagrams (DNS, NTP, SNMP, RADIUS and the like) got no answer; or "
                 "datagrams to any service were refused with ICMP errors.",
        .needs = "At least {datagram_unanswered_conversations} conversations in a row with the same service, none of them "
                 "answered, the client's point covered for the time in which the answer should have come, and showing answers "
                 "to others. Where each was refused with an ICMP error that is enough, and so are as many errors about one "
                 "conversation that got no answer. What the device has dropped is told of the device instead.",
        .errs = "A service that does not answer whom it does not know (SNMP with another community, RADIUS with another secret) "
                "does so of right. Answers may take a path that is not watched.",
        .next = "Ask the service from its own host; look at the filter there, and at what lies behind the last point."}};

}  // namespace parallax::detect
