// A server's SYN-ACK that was never acknowledged: by the client, or because a device dropped what the client said.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/half_open.h"
#include "analysis/detect/handshake.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// A server repeats its SYN-ACK after 1, 3 and 7 s; a client that is there has answered one of them by then. Where a capture ends
// before, the first must do.
constexpr int64_t kWaitNs = 10'000'000'000, kLeastWaitNs = 3'000'000'000;

bool is_told(const Connection& c) {
  return c.told.contains(FindingKind::handshake_incomplete) || c.told.contains(FindingKind::handshake_ack_mismatch);
}

// The answer has reached the client's side, and the client has said nothing to it, not even that it knows of no such connection.
bool is_left_open(const LegState& a) { return a.has_syn() && a.syn_ack && !a.established && !a.reset && !a.refused; }

// What was told has been disproved: the acknowledgement came after all.
bool is_refuted(const Connection& c) {
  return c.told.contains(FindingKind::handshake_incomplete) && c.client_leg().established && half_open(c).near == nullptr;
}

// From when the client's word is waited for; kTimeMax: it is not.
int64_t since_ns(const Connection& c) {
  if (c.evicted || is_told(c)) return kTimeMax;
  const LegState& a = c.client_leg();
  if (is_left_open(a)) return a.syn_ack->order_ns;
  const HalfOpen open = half_open(c);
  return open.near != nullptr ? open.near->established->order_ns : kTimeMax;
}

int64_t due_ns(const Connection& c, const DetectorView&) {
  if (is_refuted(c)) return kTimeMin;  // at once
  const int64_t since = since_ns(c);
  return since == kTimeMax ? kTimeMax : since + kWaitNs;
}

void tell_of_device(const Connection& c, const HalfOpen& open, const DetectorView& view, Verdicts& out) {
  const Handshake handshake(c, view);
  const Handshake::Stop far = handshake.stop_of(*open.far);
  const AbsenceProof proof = handshake.packet_absent(*open.near->established, far, false);
  // Beyond the device the client has shown its SYNs alone; and no filter has hidden the rest.
  const bool has_syns_alone = !open.far->has_summary || open.far->summary.packets[Side::client] <= open.far->attempt_count;
  if (!proof.holds_for_all() || !has_syns_alone || view.options.filtered) return;
  Observation o = handshake.observation(FindingKind::handshake_incomplete);
  o.last_ns = open.near->established->time_ns;
  o.evidence.push_back(present_at(*open.near->established, "the client acknowledges the SYN-ACK"));
  handshake.blame_device(o, handshake.stop_of(*open.near), far, proof, "no acknowledgement of the client");
  out.tell(std::move(o));
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (is_refuted(c)) {
    c.told.erase(FindingKind::handshake_incomplete);
    return out.withdraw(FindingKind::handshake_incomplete, c.id);
  }
  const int64_t since = since_ns(c);
  if (since == kTimeMax || view.now_ns < since + (view.input_ended ? kLeastWaitNs : kWaitNs)) return;
  c.told.insert(FindingKind::handshake_incomplete);
  const LegState& a = c.client_leg();
  if (!is_left_open(a)) return tell_of_device(c, half_open(c), view, out);

  const Handshake handshake(c, view);
  const int64_t until_ns = std::min(since + kWaitNs, view.now_ns);
  AbsenceProof silence(view.sensor, a.point, c.direction_of(Side::client));
  silence.unless(view.knowledge.misses(a.point, c.direction_of(Side::client), since, until_ns), Doubt::not_covered)
      .expect(since, until_ns);
  if (!silence.holds()) return;
  Observation o = handshake.observation(FindingKind::handshake_incomplete);
  o.direction = FindingDirection::client_to_server;
  o.last_ns = a.syn_ack->time_ns;
  o.evidence.push_back(present_at(*a.syn_ack, "SYN-ACK toward the client"));
  o.evidence.push_back(silence.evidence(a.syn_ack->time_ns, "no acknowledgement within " + duration_of(until_ns - since)));
  const PointIndex first = c.client_outer ? PointIndex{0} : static_cast<PointIndex>(view.options.path.size() - 1);
  const bool is_nearest = a.point == first && c.side_basis != SideBasis::guessed;
  if (is_nearest || view.options.path.size() == 1) o.where = beyond(a.point);
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  switch (group.record.where.kind) {
    case Where::Kind::between:
      return words.device + " dropped the client's ACK in the handshake of " + words.connections + ": " + words.seen_entering +
             "." + words.remark;
    case Where::Kind::beyond:
      return words.connections + " stayed half open: the server's SYN-ACK passed " + words.first +
             " toward the client, and nothing came back." + words.remark;
    case Where::Kind::unknown:
      break;
  }
  return words.connections + " stayed half open: no acknowledgement of the server's SYN-ACK was seen." + words.remark;
}

}  // namespace

const Detector handshake_incomplete = {
    .kind = FindingKind::handshake_incomplete,
    .severity = Severity::notice,
    .informs_others = true,
    .protocol = Protocol::tcp,
    .is_asked_again = true,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means =
            "A server answered a SYN, and its SYN-ACK was never acknowledged. Either the client is silent (it does not exist, as "
            "in a flood of SYNs with forged sources, or the SYN-ACK was lost on its way to it), or a device dropped its "
            "acknowledgement. Many toward one service are one finding.",
        .needs =
            "SYN and SYN-ACK at the point nearest to the client, and 10 s (3 s at the end of a capture) without a packet of the "
            "client's while the point was covered. A device is named where the acknowledgement was seen to enter it and the "
            "far side shows the SYN-ACK alone.",
        .errs = "A client may answer by a path that is not watched.",
        .next =
            "Many sources: look at the server's SYN cookies and backlog. One source: look at the path of the SYN-ACK to it. A "
            "device: look at its checks of sequence numbers."}};

}  // namespace parallax::detect
