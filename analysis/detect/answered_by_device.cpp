// A SYN that the device answered in the server's place: the SYN-ACK left it, and neither SYN nor SYN-ACK was on the server's
// side. And a request that it answered with an error of its own: nothing went on for it.
#include <algorithm>
#include <iterator>

#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// The leg on the far side of the next device that shows the connection, but nothing of its opening; null: there is none. A server
// that sends data there has been asked: then the capture has a hole.
const LegState* leg_without_opening(const Connection& c) {
  const LegState& a = c.client_leg();
  for (const Crossing& crossing : c.crossings) {
    const LegState& far = c.legs[crossing.server_leg];
    const bool is_served = far.has_summary && far.summary.bytes[Side::server] > 0;
    if (&c.legs[crossing.client_leg] == &a && !far.has_syn() && !far.syn_ack && !is_served) return &far;
  }
  return nullptr;
}

int64_t syn_due_ns(const Connection& c, const DetectorView& view) {
  const LegState& a = c.client_leg();
  if (c.evicted || !a.has_syn() || !a.syn_ack || c.told.contains(FindingKind::answered_by_device) || !leg_without_opening(c))
    return kTimeMax;
  return a.syn_ack->order_ns + view.options.device_timeout_ns;
}

void look_at_syn(Connection& c, const DetectorView& view, Verdicts& out) {
  if (syn_due_ns(c, view) == kTimeMax) return;
  c.told.insert(FindingKind::answered_by_device);
  const Handshake handshake(c, view);
  const LegState& a = handshake.client_leg();
  const Handshake::Stop far = handshake.stop_of(*leg_without_opening(c));
  const PacketFacts& answer = *a.syn_ack;
  const AbsenceProof no_syn = handshake.syns_absent_before(a, far, answer);
  const AbsenceProof no_answer = handshake.answer_absent_before(answer, far);
  if (!no_syn.holds() || !no_answer.holds()) return;  // nobody is harmed by an answer: nothing to tell
  Observation o = handshake.observation(FindingKind::answered_by_device);
  o.last_ns = answer.time_ns;
  o.evidence.push_back(present_at(answer, "SYN-ACK toward the client, ttl " + std::to_string(answer.ttl)));
  o.evidence.push_back(no_answer.evidence(answer.time_ns, "no SYN-ACK of the server"));
  handshake.blame_device(o, handshake.stop_of(a), far, no_syn, "no SYN before the answer");
  out.tell(std::move(o));
}

// ---- requests ----

// More are not looked through for one answer.
constexpr size_t kConnectionsMost = 4096;

// What a client has written, so that it can be shown.
std::string shown(std::string_view text) {
  constexpr size_t most = 64;
  std::string result(text.substr(0, most));
  std::replace_if(
      result.begin(), result.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '.');
  return result + (text.size() > most ? "..." : "");
}

bool is_error(const RecognisedRequest& request) {
  return request.has_request && request.status >= 400 && request.answered_ns > request.order_ns && !request.is_judged;
}

bool has_errors(const LegState& leg) {
  return leg.recognised && std::any_of(leg.recognised->requests.begin(), leg.recognised->requests.end(), is_error);
}

// Once it is over: offline at the end, when it is known what all legs have carried.
int64_t request_due_ns(const Connection& c, const DetectorView& view) {
  if (view.options.offline || c.evicted || c.legs_over != c.legs.size() || !has_errors(c.client_leg())) return kTimeMax;
  return c.client_leg().summary.last_ns + 2 * view.options.device_timeout_ns;
}

bool is_followed(const Connection& c, const LegState& leg) {
  return std::any_of(c.crossings.begin(), c.crossings.end(), [&](const Crossing& crossing) {
    return crossing.is_followed && (&c.legs[crossing.client_leg] == &leg || &c.legs[crossing.server_leg] == &leg);
  });
}

// Whether the leg, beyond the device, may have carried on what was asked in that time; a connection that was only tried to open
// is the cause of the error, too.
bool may_carry(const LegState& leg, const RecognisedRequest& request) {
  const auto in_time = [&](int64_t ns) { return ns >= request.order_ns && ns <= request.answered_ns; };
  if (leg.protocol != ip_protocol::tcp || leg.first.order_ns > request.answered_ns) return false;
  if (leg.has_summary && leg.over && leg.summary.last_ns < request.order_ns) return false;
  if (in_time(leg.first.order_ns)) return true;
  if (leg.has_summary && leg.summary.bytes[Side::client] == 0) return false;
  if (!leg.speaks_http || !leg.recognised || leg.recognised->requests.size() >= Recognised::kRequestsMax) return true;
  const auto& requests = leg.recognised->requests;
  return std::any_of(requests.begin(), requests.end(), [&](const RecognisedRequest& r) { return in_time(r.order_ns); });
}

bool has_gone_on(const RecognisedRequest& request, PointIndex point, const ConnectionStore& store) {
  return std::any_of(store.all().begin(), store.all().end(), [&](const auto& entry) {
    const Connection& other = entry.second;
    return std::any_of(other.legs.begin(), other.legs.end(), [&](const LegState& leg) {
      return leg.point == point && !is_followed(other, leg) && may_carry(leg, request);
    });
  });
}

void judge_request(const Connection& c, const RecognisedRequest& request, PointIndex next, const DetectorView& view,
                   Verdicts& out) {
  const LegState& a = c.client_leg();
  const Direction to_server = c.direction_of(Side::client);
  AbsenceProof proof(view.sensor, next, to_server);
  proof.unless(view.knowledge.misses(next, to_server, request.order_ns, request.answered_ns), Doubt::not_covered)
      .expect(request.order_ns, request.answered_ns);
  if (!proof.holds() || has_gone_on(request, next, view.store)) return;
  const std::string what =
      shown(request.method) + ' ' + shown(request.target) + " was answered with " + std::to_string(request.status);
  Observation o;
  o.kind = FindingKind::answered_by_device;
  if (request.status >= 500) o.severity = Severity::warning;
  o.where = between(a.point, next);
  o.origin = Origin::device;
  o.direction = FindingDirection::server_to_client;
  o.service = a.server;
  o.connection_id = c.id;
  o.first_ns = o.last_ns = request.answered_ns;
  o.confidence = kInferred;
  o.absences = proof.absences();
  o.evidence.push_back(
      {.kind = "present_at", .point = a.point, .port = std::nullopt, .frame = 0, .time_ns = request.answered_ns, .detail = what});
  o.evidence.push_back(proof.evidence(request.answered_ns, "no request, and no attempt to connect, since it was asked"));
  o.remark = what + '.';
  out.tell(std::move(o));
}

// Only of a service whose connections have been seen to go on: others may be answered anywhere.
void look_at_requests(Connection& c, const DetectorView& view, Verdicts& out) {
  const bool is_settled = view.input_ended || request_due_ns(c, view) <= view.now_ns;
  if (!is_settled || c.evicted || c.side_basis == SideBasis::guessed || view.options.path.size() < 2) return;
  const Handshake path(c, view);
  const LegPlace place = view.store.place_of(c.client_leg().id.value());
  LegState& a = c.legs[place.leg];
  const auto next = path.toward_server(path.stop_of(a));
  const bool is_known = next && !next->is_turned && !is_followed(c, a) && view.knowledge.has_crossed(a.point, a.server.address);
  if (!is_known || !has_errors(a) || view.store.all().size() > kConnectionsMost) return;
  for (RecognisedRequest& request : a.recognised->requests) {
    if (!is_error(request)) continue;
    judge_request(c, request, next->point, view, out);
    request.is_judged = true;
  }
}

int64_t due_ns(const Connection& c, const DetectorView& view) { return std::min(syn_due_ns(c, view), request_due_ns(c, view)); }

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  look_at_syn(c, view, out);
  look_at_requests(c, view, out);
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  const bool is_unblamed = group.record.where.kind == Where::Kind::unknown;
  if (group.attempts == 0) {
    const uint64_t count = group.record.count;
    if (is_unblamed)
      return plural(count, "request") + " of " + words.connections + " " + std::string(by_number(count, "was", "were")) +
             " answered with an error, and not seen to go on to a server." + words.remark;
    return words.device + " answered " + plural(count, "request") + " of " + words.connections +
           " with an error of its own: nothing went to " + words.second + " for " + std::string(by_number(count, "it", "them")) +
           "." + words.example;
  }
  if (is_unblamed)
    return plural(group.attempts, "SYN") + " of " + words.connections + " " +
           std::string(by_number(group.attempts, "was", "were")) + " answered, and not seen to go on to a server." + words.remark;
  return words.device + " answered " + plural(group.attempts, "SYN") + " of " + words.connections +
         " in the server's place: no SYN went to " + words.second + ", and no SYN-ACK came from there." + words.remark;
}

}  // namespace

const Detector answered_by_device = {
    .kind = FindingKind::answered_by_device,
    .severity = Severity::notice,
    .other_severities = {{Severity::warning, "with an HTTP status of 500 or above"}},
    .protocol = Protocol::tcp,
    .is_asked_again = true,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means =
            "The device answered a client's SYN in the server's place, as protection against SYN floods does. That is no fault "
            "by itself; but the client believes that the server is there before anybody has asked it. Or it answered an HTTP "
            "request with an error of its own (a warning from 500 on), and the server was never asked.",
        .needs =
            "The connection on both sides of the device, its SYN and SYN-ACK on the client's side, and neither on the server's "
            "side, which was covered at that time. Of a request: both its head and that of its answer in clear text, a service "
            "whose connections have been seen to go on, the far point covered from the request to the answer, and no connection "
            "there that was opened in that time or may have carried it; not more than 4096 connections kept.",
        .errs =
            "A device that opens the server's side before it answers the client is not told. A cache that remembers a server's "
            "error answers with it rightly.",
        .next = "If such connections fail afterwards, look at what the device does when the server refuses (SYN cookies, SYN "
                "proxy). Of a request, at the device's own log: 407 asks the client to authenticate to it, 502 and 504 are of "
                "its way to the server."}};

}  // namespace parallax::detect
