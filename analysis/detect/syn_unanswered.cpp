// Nothing came back for a SYN: dropped by the device, dropped on its way back, or not answered beyond the last point.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// A SYN is unanswered when its sender should have tried again and has not: RFC 6298 has a first timeout of 1 s and doubles it.
constexpr int64_t kLeastSilenceNs = 3'000'000'000;
constexpr int64_t kRetrySlackNs = 1'000'000'000;

int64_t silence_due_ns(const LegState& leg) {
  const auto& syns = leg.attempts;
  const int64_t gap = syns.size() < 2 ? 0 : syns.back().order_ns - syns[syns.size() - 2].order_ns;
  return syns.back().order_ns + std::max(kLeastSilenceNs, 2 * gap + kRetrySlackNs);
}

// Neither answered nor refused, nor told.
bool is_open_question(const Connection& c) {
  const LegState& a = c.client_leg();
  return !c.evicted && a.has_syn() && !a.established && !a.syn_ack && !a.refused && !a.reset &&
         !c.told.contains(FindingKind::syn_unanswered) && !c.told.contains(FindingKind::syn_refused);
}

int64_t due_ns(const Connection& c, const DetectorView&) {
  return is_open_question(c) ? silence_due_ns(c.client_leg()) : kAfterAllNs;
}

void unanswered(const Connection& c, const DetectorView& view, Observations& out) {
  const Handshake handshake(c, view);
  const LegState& a = handshake.client_leg();
  const LegState& d = handshake.deepest();
  const int64_t timeout_ns = view.options.device_timeout_ns;
  Observation o = handshake.observation(FindingKind::syn_unanswered);
  o.evidence.push_back(present_at(
      a.attempts.front(), (a.attempt_count == 1 ? std::string("the only SYN") : "first of " + plural(a.attempt_count, "SYN")) +
                              ", ttl " + std::to_string(a.attempts.front().ttl)));
  const PacketFacts& first = a.attempts.front();

  if (&d != &a && (d.syn_ack || d.refused)) {
    if (!d.syn_ack) return;  // the refusal was not forwarded: reset_not_forwarded says so, with the packet
    // The answer entered the device from the server's side. Between which two points did it end?
    const PacketFacts& answer = *d.syn_ack;
    const PointIndex before = *handshake.toward_client(d.point);
    const AbsenceProof proof = handshake.answer_absent(before, answer.order_ns - answer.stamp_uncertainty_ns,
                                                       std::min(view.now_ns, answer.order_ns + timeout_ns));
    if (!proof.holds()) return;
    o.where = between(before, d.point);
    o.origin = Origin::device;
    o.direction = FindingDirection::server_to_client;
    o.evidence.push_back(present_at(answer, "SYN-ACK of the server"));
    o.evidence.push_back(proof.evidence(answer.time_ns, "SYN-ACK not seen within " + duration_of(timeout_ns)));
    out.push_back(std::move(o));
    return;
  }

  // The answer may have come and have been missed by the sensor, whatever became of the SYN.
  if (!handshake.answer_absent(a.point, first.order_ns, std::min(view.now_ns, a.attempts.back().order_ns + kRetrySlackNs))
           .holds())
    return;
  const auto next = handshake.toward_server(d.point);
  if (!next) {
    if (!handshake.answer_absent(d.point, first.order_ns, std::min(view.now_ns, d.attempts.back().order_ns + kRetrySlackNs))
             .holds())
      return;
    o.where = beyond(d.point);
    if (&d != &a)
      o.evidence.push_back(present_at(
          d.attempts.front(), "SYN leaves the last point toward the server, ttl " + std::to_string(d.attempts.front().ttl)));
    if (const uint64_t others = view.knowledge.answers_of(d.point, d.server); others > 0) {
      o.remark = "The port answered " + plural(others, "other") +
                 ": silence instead of a RST points to a filter on the server's host or beyond.";
    }
    out.push_back(std::move(o));
    return;
  }
  const AbsenceProof proof = handshake.syns_absent(d, d.attempts.size(), *next, view.now_ns);
  if (!proof.holds_for_all()) {
    out.push_back(without_blame(std::move(o), proof));
    return;
  }
  const PacketFacts& last = d.attempts.back();
  if (handshake.has_rival(*next, d.attempts.front().order_ns - d.attempts.front().stamp_uncertainty_ns,
                          last.order_ns + timeout_ns)) {
    o.where = {};
    o.confidence = kRivalled;
    o.remark = "An unpaired opening on the far side may be its continuation, so that nobody is accused.";
    out.push_back(std::move(o));
    return;
  }
  o.where = between(d.point, *next);
  o.origin = Origin::device;
  o.evidence.push_back(
      proof.evidence(last.time_ns, "no SYN of this connection within " + duration_of(timeout_ns) + " of any attempt"));
  handshake.doubt_destination(o, d);
  out.push_back(std::move(o));
}

void look(Connection& c, const DetectorView& view, Observations& out) {
  if (!is_open_question(c)) return;
  const LegState& a = c.client_leg();
  // A capture that ends early shows silence only if the sender itself has given up once, or was waited for long enough.
  if (view.input_ended && view.now_ns < silence_due_ns(a) && a.attempt_count < 2 &&
      view.now_ns < a.attempts.front().order_ns + kLeastSilenceNs)
    return;
  c.told.insert(FindingKind::syn_unanswered);
  unanswered(c, view, out);
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const std::string syns = plural(group.attempts, "SYN");
  switch (group.record.where.kind) {
    case Where::Kind::beyond:
      return words.connections + " got no answer to " + syns + ": seen to leave " + words.first + ", nothing came back there." +
             words.remark;
    case Where::Kind::unknown:
      return words.connections + " got no answer to " + syns + "." + words.remark;
    case Where::Kind::between:
      break;
  }
  if (group.toward_client())
    return words.connections + " got no answer: the server's SYN-ACK was seen at " + words.second + " and never at " +
           words.first + "; the device between dropped it." + words.remark;
  return words.connections + " got no answer: " + syns + " seen at " + words.first + ", never at " + words.second +
         "; the device between dropped them." + words.remark;
}

}  // namespace

const Detector syn_unanswered = {
    .kind = FindingKind::syn_unanswered,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "A client's SYNs got no answer: neither a SYN-ACK nor a RST.",
        .needs = "The SYNs at the client's side. Who dropped them is said where the points on both sides of a device cover the "
                 "time, and beyond the last point where it covers the time in which the answer should have come.",
        .errs = "A server may answer by a path that is not watched.",
        .next = "Between two points: look at the device's rules and logs for that address and port. Beyond the last point: look "
                "at the server's host firewall; a port that answers others filters this client."}};

}  // namespace parallax::detect
