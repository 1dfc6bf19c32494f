// Nothing came back for a SYN: dropped by the device, dropped on its way back, or not answered beyond the last point.
#include <algorithm>
#include <optional>

#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/detect/icmp_errors.h"
#include "analysis/detect/port_reuse.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// A SYN is unanswered when its sender should have tried again and has not. The first timeout is 1 s (RFC 6298), 3 s (RFC 1122,
// and Windows for long) or 6 s (BSD); it doubles each time.
constexpr int64_t kFirstSilenceNs = 7'000'000'000;
constexpr int64_t kLeastSilenceNs = 3'000'000'000;
constexpr int64_t kRetrySlackNs = 1'000'000'000;

int64_t silence_due_ns(const LegState& leg) {
  const auto& syns = leg.attempts;
  if (syns.size() < 2) return syns.back().order_ns + kFirstSilenceNs;
  const int64_t gap = syns.back().order_ns - syns[syns.size() - 2].order_ns;
  return syns.back().order_ns + std::max(kLeastSilenceNs, 2 * gap + kRetrySlackNs);
}

bool is_told(const Connection& c) { return c.told.contains(FindingKind::syn_unanswered); }

// The client goes on as only an answer lets it, which then came by a path that is not watched. In Zeek's history its own
// acknowledgements, data and FIN are capital letters.
bool goes_on_unanswered(const LegState& leg) {
  const auto end = leg.summary.history.begin() + leg.summary.history_length;
  return leg.has_summary &&
         std::any_of(leg.summary.history.begin(), end, [](char c) { return c == 'A' || c == 'D' || c == 'F'; });
}

// Neither answered nor refused, nor told.
bool is_open_question(const Connection& c) {
  const LegState& a = c.client_leg();
  return !c.evicted && a.has_syn() && !a.established && !a.syn_ack && !a.refused && !a.reset && !goes_on_unanswered(a) &&
         !is_told(c) && !c.told.contains(FindingKind::syn_refused);
}

// What was told has been disproved: the answer came after all.
bool is_refuted(const Connection& c) {
  const LegState& a = c.client_leg();
  return is_told(c) && (a.established || a.syn_ack || goes_on_unanswered(a));
}

int64_t due_ns(const Connection& c, const DetectorView&) {
  const LegState& a = c.client_leg();
  if (is_refuted(c)) return kTimeMin;  // at once
  return is_open_question(c) ? silence_due_ns(a) : kTimeMax;
}

// The client has gone on: then it has the SYN-ACK, whoever showed it.
bool has_acknowledged(const LegState& leg, const PacketFacts& answer) {
  return leg.established && leg.established->from == Side::client && leg.established->ack == answer.seq + 1;
}

// The answer was seen nearer to the server: the first neighbours between which it ended.
void answer_lost(const Handshake& handshake, Observation o, const LegState& seen, const DetectorView& view, Verdicts& out) {
  const int64_t timeout_ns = view.options.device_timeout_ns;
  const PacketFacts& answer = *seen.syn_ack;
  if (has_acknowledged(seen, answer)) return;
  o.direction = FindingDirection::server_to_client;
  o.evidence.push_back(present_at(answer, "SYN-ACK of the server"));
  std::optional<AbsenceProof> failed;
  // As far as its SYN was seen: beyond, it bears a name that is not known.
  for (Handshake::Stop at = handshake.stop_of(seen); !(at == handshake.stop_of(handshake.client_leg()));) {
    at = *handshake.toward_client(at);
    const AbsenceProof proof = handshake.answer_absent(answer, at, timeout_ns);
    if (proof.holds()) {
      handshake.blame_device(o, at, handshake.stop_of(seen), proof, "SYN-ACK not seen within " + duration_of(timeout_ns));
      out.tell(std::move(o));
      return;
    }
    if (!failed) failed.emplace(proof);
  }
  if (failed) out.tell(without_blame(std::move(o), *failed));
}

// A router or the server's host has refused it, and the client was not told: false where that is not so.
bool refusal_lost(const Connection& c, const Observation& unanswered, const DetectorView& view, Verdicts& out) {
  const LegState& a = c.client_leg();
  const IcmpTrace trace = trace_icmp(c, Side::client, a.attempts.front().order_ns, view.now_ns);
  if (trace.missing == nullptr || icmp_refusal(*trace.seen) == nullptr || icmp_refusal(a) != nullptr) return false;
  const AbsenceProof proof = icmp_absent(c, trace, Side::client, view);
  Observation o = unanswered;
  o.evidence.push_back(icmp_evidence(*trace.icmp));
  if (!proof.holds()) {
    o = without_blame(std::move(o), proof);
    o.remark += (o.remark.empty() ? "" : " ") + ("A SYN was answered with " + text_of(trace.icmp->error) + ".");
  } else {
    o.where = between(trace.missing->point, trace.seen->point);
    o.origin = Origin::device;
    o.direction = FindingDirection::server_to_client;
    o.evidence.push_back(proof.evidence(trace.icmp->packet.time_ns,
                                        "the ICMP error was not seen within " + duration_of(view.options.device_timeout_ns)));
    o.absences = proof.absences();
    o.remark = "It said: " + text_of(trace.icmp->error) + ".";
  }
  out.tell(std::move(o));
  return true;
}

void unanswered(Connection& c, const DetectorView& view, Verdicts& out) {
  const Handshake handshake(c, view);
  const LegState& a = handshake.client_leg();
  const LegState& d = handshake.deepest();
  Observation o = handshake.observation(FindingKind::syn_unanswered);
  o.server = ServerAt{d.point, d.server};
  o.time_lost_seconds = static_cast<double>(a.attempts.back().order_ns - a.attempts.front().order_ns) / 1e9;
  o.evidence.push_back(present_at(
      a.attempts.front(), (a.attempt_count == 1 ? std::string("the only SYN") : "first of " + plural(a.attempt_count, "SYN")) +
                              ", ttl " + std::to_string(a.attempts.front().ttl)));

  if (const LegState* answered = handshake.nearest_answer()) return answer_lost(handshake, std::move(o), *answered, view, out);
  if (&d != &a && d.refused) return;  // the refusal was not forwarded: reset_not_forwarded says so, with the packet
  if (refusal_lost(c, o, view, out)) return;

  // Silence is an absence too: an answer may have come, or a SYN have passed, while the sensor was paused. Of several SYNs at
  // least the first got none; of one there is nothing to tell. Where the captures end before it is due, one may end a little
  // before the other.
  const AbsenceProof silence = handshake.silent_until(std::min(silence_due_ns(a), view.now_ns - view.options.device_timeout_ns));
  if (!silence.holds() && a.attempt_count == 1) return;

  // Between which neighbours did the SYNs end? What the sensor cannot say of one it may say of the next.
  std::optional<AbsenceProof> failed;
  for (auto next = handshake.toward_server(handshake.stop_of(d)); next; next = handshake.toward_server(*next)) {
    const AbsenceProof proof = handshake.syns_absent(d, *next);
    if (proof.holds()) {
      if (!silence.holds()) return out.tell(without_blame(std::move(o), silence));
      o.attempts = d.attempt_count;
      o.proved = std::min<uint64_t>(proof.covered(), d.attempt_count);
      if (proof.holds_for_all()) o.proved = o.attempts;
      o.rests_on_any = true;
      handshake.blame_device(
          o, handshake.stop_of(d), *next, proof,
          "no SYN of this connection within " + duration_of(view.options.device_timeout_ns) + " of any attempt");
      out.tell(std::move(o));
      return;
    }
    if (!failed) failed.emplace(proof);
    if (proof.doubt() == Doubt::rival) break;  // it may have gone on from there under another name
  }
  if (failed) return out.tell(without_blame(std::move(o), *failed));

  // They left the last point. The answer may have come there, and have been missed by the sensor.
  const AbsenceProof proof = handshake.answers_absent(d);
  if (!proof.holds()) return out.tell(without_blame(std::move(o), proof));
  o.where = beyond(d.point);
  o.attempts = proof.expected();
  o.proved = proof.covered();
  if (&d != &a)
    o.evidence.push_back(present_at(
        d.attempts.front(), "SYN leaves the last point toward the server, ttl " + std::to_string(d.attempts.front().ttl)));
  if (may_be_barred(c)) return tell_barred(c, std::move(o), out);
  out.tell(std::move(o));
}

// A capture that ends early shows silence only if the sender itself has given up once, or was waited for long enough.
bool ended_too_early(const LegState& leg, const DetectorView& view) {
  return view.input_ended && view.now_ns < silence_due_ns(leg) && leg.attempt_count < 2 &&
         view.now_ns < leg.attempts.front().order_ns + kLeastSilenceNs;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (is_refuted(c)) {
    c.told.erase(FindingKind::syn_unanswered);
    out.withdraw(FindingKind::syn_unanswered, c.id);
    return;
  }
  if (!is_open_question(c) || ended_too_early(c.client_leg(), view)) return;
  c.told.insert(FindingKind::syn_unanswered);
  unanswered(c, view, out);
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const std::string syns = group.attempts_text("SYN");
  switch (group.record.where.kind) {
    case Where::Kind::beyond: {
      const uint64_t others = group.server ? view.knowledge.answers_of(group.server->point, group.server->end) : 0;
      const std::string remark =
          others == 0 ? words.remark
                      : " The port answered " + plural(others, "other") +
                            ": silence instead of a RST points to a filter on the server's host or beyond " + words.first + ".";
      return words.connections + " got no answer to " + syns + " that passed " + words.first + "." + remark +
             view.opened_from.remark_for(group, view.options.path);
    }
    case Where::Kind::unknown:
      return "No answer to " + syns + " of " + words.connections + " was seen." + words.remark;
    case Where::Kind::between:
      break;
  }
  if (group.toward_client() && has_icmp_evidence(group.record.evidence))
    return words.device + " dropped the ICMP errors that refused " + words.connections +
           ", so that the client waited in vain: " + words.seen_entering + "." + words.remark;
  if (group.toward_client())
    return words.device + " dropped the server's SYN-ACK to " + words.connections + ": " + words.seen_entering + "." +
           words.remark;
  return words.device + " dropped " + syns + " of " + words.connections + ": " + words.seen_entering + "." + words.remark +
         view.opened_from.remark_for(group, view.options.path);
}

}  // namespace

const Detector syn_unanswered = {
    .kind = FindingKind::syn_unanswered,
    .severity = Severity::warning,
    .informs_others = true,
    .protocol = Protocol::tcp,
    .needs = sign::syn,
    .is_asked_again = true,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "A client's SYNs got no answer: neither a SYN-ACK nor a RST, nor an ICMP error that refuses them.",
        .needs = "The SYNs at the client's side. Who dropped them is said where the points on both sides of a device cover the "
                 "time, and beyond the last point where it covers the time in which the answer should have come.",
        .errs = "A server may answer by a path that is not watched.",
        .next = {},
        .next_between = "Look at the device's rules and logs for that address and port.",
        .next_beyond = "Look at the server's host firewall, and at what stands between that point and the server; a port that "
                       "answers others filters this client.",
        .next_unknown = "Capture both directions on both sides of the device, or have the configuration say what each port "
                        "carries."}};

}  // namespace parallax::detect
