// A server that answers a datagram under another address than the one that was asked: who keeps account of who asked whom drops
// the answer.
#include <algorithm>

#include "analysis/detect/datagram_question.h"
#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

constexpr auto kKind = FindingKind::reply_from_wrong_source;

// A stranger at the same port of a network far away is a stranger: both addresses of a server are mostly of one network.
bool are_neighbours(const Address& a, const Address& b) {
  constexpr size_t kNetworkBytes = 8, kIpv4NetworkBytes = 15;  // a /64; a /24
  const bool is_ipv4 = a[10] == 0xff && a[11] == 0xff && std::all_of(a.begin(), a.begin() + 10, [](uint8_t b) { return b == 0; });
  return std::equal(a.begin(), a.begin() + (is_ipv4 ? kIpv4NetworkBytes : kNetworkBytes), b.begin());
}

bool is_open(const Connection& c) {
  return is_question(c) &&
         std::none_of(c.legs.begin(), c.legs.end(), [](const LegState& leg) { return leg.established.has_value(); });
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  return is_open(c) && !c.told.contains(kKind) ? question_due_ns(c, view) : kTimeMax;
}

// Its port is the client's own, of no service: then what comes to it from the service's port is meant as an answer.
const ReplySources::Datagram* reply_to(const LegState& leg, const DetectorView& view) {
  if (leg.client.port == leg.server.port || is_service_port(leg.client.port)) return nullptr;
  const ReplySources::Datagram* reply = view.replies.find(leg.point, leg.client, leg.server.port);
  if (reply == nullptr || reply->from.address == leg.server.address || !are_neighbours(reply->from.address, leg.server.address))
    return nullptr;
  const int64_t after_ns = reply->packet.order_ns - leg.first.order_ns;
  return after_ns >= 0 && after_ns <= 2 * view.options.device_timeout_ns ? reply : nullptr;
}

// The device has not passed it on, either.
void tell_dropped(const Connection& c, const LegState& leg, const ReplySources::Datagram& reply, const DetectorView& view,
                  Verdicts& out) {
  const LegState& a = c.client_leg();
  const bool are_next = a.point + 1u == leg.point || leg.point + 1u == a.point;
  if (!are_next || c.side_basis == SideBasis::guessed) return;
  const Direction to_client = c.direction_of(Side::server);
  const int64_t from_ns = reply.packet.order_ns, to_ns = from_ns + view.options.device_timeout_ns;
  AbsenceProof proof(view.sensor, a.point, to_client);
  proof.unless(view.knowledge.misses(a.point, to_client, from_ns, to_ns), Doubt::not_covered)
      .unless(view.replies.find(a.point, a.client, a.server.port) != nullptr, Doubt::rival)
      .expect(from_ns, to_ns);
  if (!proof.holds()) return;
  Observation o;
  o.kind = FindingKind::datagram_dropped_by_device;
  o.severity = Severity::info;  // the server's mistake, of which it follows, is told
  o.where = between(a.point, leg.point);
  o.origin = Origin::device;
  o.direction = FindingDirection::server_to_client;
  o.service = a.server;
  o.source = a.client;
  o.connection_id = c.id;
  o.first_ns = o.last_ns = reply.packet.time_ns;
  o.confidence = kInferred;
  o.absences = proof.absences();
  o.evidence.push_back(present_at(reply.packet, "answer from " + to_string(reply.from)));
  o.evidence.push_back(proof.evidence(reply.packet.time_ns, "not seen within " + duration_of(view.options.device_timeout_ns)));
  o.remark = "The source was not the address that had been asked.";
  out.tell(std::move(o));
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (due_ns(c, view) > view.now_ns) return;
  c.told.insert(kKind);
  for (const LegState& leg : c.legs) {
    const ReplySources::Datagram* reply = reply_to(leg, view);
    if (reply == nullptr) continue;
    Observation o;
    o.kind = kKind;
    o.where = beyond(leg.point);
    o.origin = Origin::server;
    o.direction = FindingDirection::server_to_client;
    o.service = c.client_leg().server;
    o.connection_id = c.id;
    o.first_ns = o.last_ns = reply->packet.time_ns;
    o.confidence = kInferred;
    o.server = ServerAt{leg.point, reply->from};
    o.evidence.push_back(present_at(leg.first, "question to " + to_string(leg.server)));
    o.evidence.push_back(present_at(reply->packet, "answer from " + to_string(reply->from)));
    out.tell(std::move(o));
    return tell_dropped(c, leg, *reply, view, out);
  }
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  return "The " + std::string(by_number(group.connections, "question", "questions")) + " of " + words.connections + " " +
         std::string(by_number(group.connections, "was", "were")) + " answered from " +
         (group.server ? to_string(group.server->end) : "?") + " instead, as seen at " + words.first +
         ": a firewall or NAT cannot match such answers." + words.remark;
}

}  // namespace

const Detector reply_from_wrong_source = {
    .kind = kKind,
    .severity = Severity::warning,
    .informs_others = true,
    .protocol = Protocol::udp,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "A server with several addresses (a cluster, a host with several interfaces) answered a datagram from another "
                 "address than the one that the client had asked. Firewalls and NATs drop such answers, and so do many clients.",
        .needs = "A question without an answer, and soon after it a datagram to the client's end, which is not a service's, from "
                 "the same port of another address of the server's network (/24, or /64 of IPv6). That the device dropped it is "
                 "said of its own where the client's point covers the time and shows none.",
        .errs = "A neighbour of the server may ask something of the client on its own account, from the service's port.",
        .next = "Bind the service to the address that clients ask, or have the device allow answers from the others."}};

}  // namespace parallax::detect
