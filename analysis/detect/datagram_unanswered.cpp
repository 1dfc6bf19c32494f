// A service that answers questions in datagrams, and has left several in a row unanswered.
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

int64_t due_ns(const Connection& c, const DetectorView& view) {
  return is_question(c) && is_to_be_answered(c.client_leg()) && !c.told.contains(kKind) ? question_due_ns(c, view) : kTimeMax;
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
  if (is_told_of(out, c) || !shows_answers(c, view)) return;
  const AbsenceProof proof = silence_after(c, view);
  if (!proof.holds()) return;
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
  o.absences = proof.absences();
  o.evidence.push_back(present_at(a.first, "question of " + plural(a.first.payload_length, "byte")));
  if (last.point != a.point) o.evidence.push_back(present_at(last.first, "the same, on its way on"));
  o.evidence.push_back(proof.evidence(a.first.time_ns, "no answer within " + duration_of(view.options.device_timeout_ns)));
  if (const IcmpSighting* icmp = icmp_refusal(last)) {
    o.origin = origin_of(*icmp, last);
    o.evidence.push_back(icmp_evidence(*icmp));
    o.remark = "Instead came " + text_of(icmp->error) + ".";
  }
  out.asked.push_back({std::move(o), false});
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  return plural(group.attempts, "datagram") + " of " + words.connections + " passed " + words.first +
         ", and no answer came back." + words.remark;
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
        .means = "Questions to a service that answers in datagrams (DNS, NTP, SNMP, RADIUS and the like) got no answer.",
        .needs = "At least {datagram_unanswered_conversations} conversations in a row with the same service, none of them "
                 "answered, the client's point covered for the time in which the answer should have come, and showing answers "
                 "to others. What the device has dropped is told of the device instead.",
        .errs = "A service that does not answer whom it does not know (SNMP with another community, RADIUS with another secret) "
                "does so of right. Answers may take a path that is not watched.",
        .next = "Ask the service from its own host; look at the filter there, and at what lies behind the last point."}};

}  // namespace parallax::detect
