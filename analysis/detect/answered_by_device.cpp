// A SYN that the device answered in the server's place: the SYN-ACK left it, and neither SYN nor SYN-ACK was on the server's
// side.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// The leg on the far side of the next device that shows the connection, but nothing of its opening; null: there is none.
const LegState* leg_without_opening(const Connection& c) {
  const LegState& a = c.client_leg();
  for (const Crossing& crossing : c.crossings) {
    const LegState& far = c.legs[crossing.server_leg];
    if (&c.legs[crossing.client_leg] == &a && !far.has_syn() && !far.syn_ack) return &far;
  }
  return nullptr;
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  const LegState& a = c.client_leg();
  if (c.evicted || !a.has_syn() || !a.syn_ack || c.told.contains(FindingKind::answered_by_device) || !leg_without_opening(c))
    return kTimeMax;
  return a.syn_ack->order_ns + view.options.device_timeout_ns;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (due_ns(c, view) == kTimeMax) return;
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

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  return "The device between " + words.first + " and " + words.second + " answered the SYNs of " + words.connections +
         " itself: the SYN-ACKs seen at " + words.first + " did not come from " + words.second + ", and no SYN went there." +
         words.remark;
}

}  // namespace

const Detector answered_by_device = {
    .kind = FindingKind::answered_by_device,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means =
            "The device answered a client's SYN in the server's place, as protection against SYN floods does. That is no fault "
            "by itself; but the client believes that the server is there before anybody has asked it.",
        .needs =
            "The connection on both sides of the device, its SYN and SYN-ACK on the client's side, and neither on the server's "
            "side, which was covered at that time.",
        .errs = "A device that opens the server's side before it answers the client is not told.",
        .next = "If such connections fail afterwards, look at what the device does when the server refuses (SYN cookies, SYN "
                "proxy)."}};

}  // namespace parallax::detect
