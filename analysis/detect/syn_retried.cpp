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

// Live, where the first look cannot tell who did it: by then other connections have shown what the points see.
constexpr int64_t kPutOffNs = 5'000'000'000;

int64_t due_ns(const Connection& c, const DetectorView& view) {
  if (!is_open_question(c)) return kTimeMax;
  const int64_t wait_ns = c.put_off.contains(FindingKind::syn_retried) ? kPutOffNs : view.options.device_timeout_ns;
  return c.client_leg().established->order_ns + wait_ns;
}

// SYNs that one point saw and the next one toward the server did not. False: all arrived everywhere, or nothing can be said.
bool syns_lost(const Handshake& handshake, const LegState& a, const LegState& d, const DetectorView& view, Observation& o) {
  if (a.refusal_count > 0) return false;
  for (Handshake::Stop stop = handshake.stop_of(a); !(stop == handshake.stop_of(d));) {
    const Handshake::Stop next = *handshake.toward_server(stop);
    const uint32_t before = handshake.syns_at(stop), behind = handshake.syns_at(next);
    if (behind < before) {
      const AbsenceProof proof = handshake.syns_absent(a, next);
      if (!proof.holds_for_all()) return false;
      handshake.blame_device(o, stop, next, proof,
                             std::to_string(before - behind) + " of " + plural(before, "SYN") + " not seen within " +
                                 duration_of(view.options.device_timeout_ns));
      return true;
    }
    stop = next;
  }
  return false;
}

// An answer to an earlier SYN that one point saw long before the next one toward the client did.
bool answer_lost(const Handshake& handshake, const LegState& a, const LegState& d, const DetectorView& view, Observation& o) {
  const int64_t wait_ns = view.options.device_timeout_ns / 2;
  for (Handshake::Stop stop = handshake.stop_of(d); !(stop == handshake.stop_of(a));) {
    const Handshake::Stop next = *handshake.toward_client(stop);
    const PacketFacts *answer = handshake.answer_at(stop), *behind = handshake.answer_at(next);
    if (answer && behind && answer->order_ns + wait_ns < behind->order_ns) {
      const AbsenceProof proof = handshake.answer_absent(*answer, next, wait_ns);
      if (!proof.holds()) return false;
      o.direction = FindingDirection::server_to_client;
      o.evidence.push_back(present_at(*answer, "SYN-ACK to an earlier SYN"));
      handshake.blame_device(o, next, stop, proof, "it did not come through");
      return true;
    }
    stop = next;
  }
  return false;
}

// The client tried again although an answer had passed the point nearest to it: that was lost on the client's side. An answer
// that passes while the client's timer runs out is no loss.
constexpr int64_t kAnswerUnderWayNs = 200'000'000;
bool answer_lost_before_client(const LegState& a) {
  return a.syn_ack && a.syn_ack->order_ns + kAnswerUnderWayNs < a.attempts.back().order_ns;
}

Observation retried(const Connection& c, const DetectorView& view) {
  const Handshake handshake(c, view);
  const LegState& a = handshake.client_leg();
  const LegState& d = handshake.deepest();
  Observation o = handshake.observation(FindingKind::syn_retried);
  o.time_lost_seconds = static_cast<double>(a.attempts.back().order_ns - a.attempts.front().order_ns) / 1e9;
  o.evidence.push_back(present_at(a.attempts.front(), "first SYN of " + std::to_string(a.attempt_count)));
  o.evidence.push_back(
      present_at(a.attempts.back(),
                 "the SYN that was accepted, " + duration_of(a.attempts.back().time_ns - a.attempts.front().time_ns) + " later"));
  if (syns_lost(handshake, a, d, view, o) || answer_lost(handshake, a, d, view, o)) return o;
  if (handshake.syns_at(handshake.stop_of(d)) < a.attempt_count && a.refusal_count == 0)
    return o;  // something was lost, it cannot be said where
  if (answer_lost_before_client(a)) {
    o.where = beyond(a.point);
    o.direction = FindingDirection::server_to_client;
    o.evidence.push_back(present_at(*a.syn_ack, "the answer to an earlier SYN passes toward the client"));
    return o;
  }
  if (handshake.toward_server(handshake.stop_of(d))) return o;  // the far side is not known: nobody is accused
  o.where = beyond(d.point);
  if (a.refusal_count > 0 && d.refusal_count > 0) o.origin = Origin::server;
  return o;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (!is_open_question(c)) return;
  Observation o = retried(c, view);
  const bool may_wait = !view.options.offline && !view.input_ended && o.origin == Origin::unknown;
  if (may_wait && c.put_off.insert(FindingKind::syn_retried)) return;
  c.told.insert(FindingKind::syn_retried);
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const uint64_t earlier = group.attempts - std::min(group.attempts, group.connections);
  const std::string cost = seconds_of(group.record.time_lost_seconds.value_or(0));
  if (group.record.origin == Origin::device)
    return words.device + " dropped " + (group.toward_client() ? "the server's SYN-ACK to " : plural(earlier, "SYN") + " of ") +
           words.connections + ", which came about only with a later one: that cost " + cost + "." + words.remark;
  const std::string text = words.connections + " needed " + plural(group.attempts, "SYN") + " to come about, which cost " + cost;
  if (group.record.where.kind != Where::Kind::beyond) return text + "." + words.remark;
  if (group.toward_client())
    return text + ": the server's SYN-ACK passed " + words.first + " and was lost between there and the client." + words.remark;
  return text + ": " + std::string(by_number(earlier, "the earlier one", "the earlier ones")) + " passed " + words.first +
         " and " + std::string(by_number(earlier, "was ", "were ")) +
         (group.record.origin == Origin::server ? "refused by the server" : "not answered") + " beyond it." + words.remark;
}

}  // namespace

const Detector syn_retried = {
    .kind = FindingKind::syn_retried,
    .severity = Severity::notice,
    .informs_others = true,
    .protocol = Protocol::tcp,
    .needs = sign::syn | sign::accepted,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {.means = "A connection came about, but only after the client had sent its SYN more than once.",
             .needs = "The SYNs and the answer at the client's side; who is to blame for the wait needs the far side as well.",
             .errs = "A client may repeat a SYN although the answer was on its way.",
             .next = {},
             .next_between = "Look at the device for rate limits and full tables.",
             .next_beyond = "Beyond the last point look at the server's accept queue (on Linux: nstat -az "
                            "TcpExtListenOverflows); beyond the first one at what stands between there and the client.",
             .next_unknown = "Capture both directions on both sides of the device, or have the configuration say what each port "
                             "carries."}};

}  // namespace parallax::detect
