// A connection that came about only after more than one SYN.
#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

bool is_open_question(const Connection& c) {
  const LegState& a = c.client_leg();
  return !c.evicted && a.has_syn() && a.established && a.attempt_count > 1 && !c.told.contains(FindingKind::syn_retried);
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  return is_open_question(c) ? c.client_leg().established->order_ns + view.options.device_timeout_ns : kAfterAllNs;
}

Observation retried(const Connection& c, const DetectorView& view) {
  const Handshake handshake(c, view);
  const LegState& a = handshake.client_leg();
  const LegState& d = handshake.deepest();
  const int64_t timeout_ns = view.options.device_timeout_ns;
  Observation o = handshake.observation(FindingKind::syn_retried);
  o.time_lost_seconds = static_cast<double>(a.attempts.back().order_ns - a.attempts.front().order_ns) / 1e9;
  o.evidence.push_back(present_at(a.attempts.front(), "first SYN of " + std::to_string(a.attempt_count)));
  o.evidence.push_back(
      present_at(a.attempts.back(),
                 "the SYN that was accepted, " + duration_of(a.attempts.back().time_ns - a.attempts.front().time_ns) + " later"));

  if (&d == &a) {
    if (!handshake.toward_server(a.point)) o.where = beyond(a.point);
    return o;  // the far side is not known: nobody is accused
  }
  const PointIndex near = *handshake.toward_client(d.point);
  uint32_t arrived = 0;
  for (const LegState& leg : c.legs) {
    if (leg.point == d.point) arrived += leg.attempt_count;
  }
  if (arrived < a.attempt_count) {
    const uint32_t missing = a.attempt_count - arrived;
    const AbsenceProof proof = handshake.syns_absent(a, missing, d.point, a.attempts.back().order_ns);
    if (a.refusal_count > 0 || !proof.holds_for_all()) return o;
    o.where = between(near, d.point);
    o.origin = Origin::device;
    o.evidence.push_back(proof.evidence(
        a.attempts.front().time_ns,
        std::to_string(missing) + " of " + plural(a.attempt_count, "SYN") + " not seen within " + duration_of(timeout_ns)));
    return o;
  }
  // All SYNs arrived. Did the answer to an earlier one?
  if (d.syn_ack && a.syn_ack && d.syn_ack->order_ns + timeout_ns / 2 < a.syn_ack->order_ns) {
    const AbsenceProof proof = handshake.answer_absent(near, d.syn_ack->order_ns - d.syn_ack->stamp_uncertainty_ns,
                                                       d.syn_ack->order_ns + timeout_ns / 2);
    if (proof.holds()) {
      o.where = between(near, d.point);
      o.origin = Origin::device;
      o.direction = FindingDirection::server_to_client;
      o.evidence.push_back(present_at(*d.syn_ack, "SYN-ACK to an earlier SYN"));
      o.evidence.push_back(proof.evidence(d.syn_ack->time_ns, "it did not come through"));
      return o;
    }
  }
  o.where = beyond(d.point);
  if (a.refusal_count > 0 && d.refusal_count > 0) o.origin = Origin::server;
  return o;
}

void look(Connection& c, const DetectorView& view, Observations& out) {
  if (!is_open_question(c)) return;
  c.told.insert(FindingKind::syn_retried);
  out.push_back(retried(c, view));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const std::string text = words.connections + " needed more than one SYN (" + std::to_string(group.attempts) +
                           " in all), which cost " + seconds_of(group.record.time_lost_seconds.value_or(0));
  const bool by_device = group.record.origin == Origin::device;
  const std::string device = "; the device between " + words.first + " and " + words.second + " dropped the ";
  if (by_device && group.toward_client()) return text + device + "SYN-ACK." + words.remark;
  if (by_device) return text + device + "earlier ones." + words.remark;
  if (group.record.where.kind == Where::Kind::beyond)
    return text + "; the earlier ones left " + words.first + " and were " +
           (group.record.origin == Origin::server ? "refused by the server" : "not answered") + " beyond it." + words.remark;
  return text + "." + words.remark;
}

}  // namespace

const Detector syn_retried = {
    .kind = FindingKind::syn_retried,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {.means = "A connection came about, but only after the client had sent its SYN more than once.",
             .needs = "The SYNs and the answer at the client's side; who is to blame for the wait needs the far side as well.",
             .errs = "A client may repeat a SYN although the answer was on its way.",
             .next = "Dropped by a device: look for rate limits and full tables. Not answered beyond the last point: look at the "
                     "server's accept queue (on Linux: nstat -az TcpExtListenOverflows)."}};

}  // namespace parallax::detect
