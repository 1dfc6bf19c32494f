// A device made the SYN-ACK longer on its way to the client; the client acknowledges what the server has not sent, and that is
// dropped.
#include "analysis/detect/detectors.h"
#include "analysis/detect/half_open.h"
#include "analysis/detect/handshake.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// The neighbours between which the SYN-ACK got another length.
struct Altered {
  const LegState *near = nullptr, *far = nullptr;  // null: none
};
Altered altered(const Connection& c) {
  for (const Crossing& crossing : c.crossings) {
    const LegState &near = c.legs[crossing.client_leg], &far = c.legs[crossing.server_leg];
    if (!crossing.is_proxied && near.syn_ack && far.syn_ack && near.syn_ack->payload_length != far.syn_ack->payload_length)
      return {&near, &far};
  }
  return {};
}

bool is_open_question(const Connection& c) {
  return !c.evicted && !c.told.contains(FindingKind::handshake_ack_mismatch) && c.client_leg().established &&
         altered(c).near != nullptr;
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  return is_open_question(c) ? c.client_leg().established->order_ns + view.options.device_timeout_ns : kTimeMax;
}

std::string bytes_of(const PacketFacts& packet) { return plural(packet.payload_length, "byte"); }

Observation of_answer(const Connection& c, const Altered& answer, const Handshake& handshake) {
  const PacketFacts &in = *answer.far->syn_ack, &out = *answer.near->syn_ack;
  Observation o = handshake.observation(FindingKind::payload_altered);
  o.where = between(answer.near->point, answer.far->point);
  o.origin = Origin::device;
  o.direction = FindingDirection::server_to_client;
  o.first_ns = o.last_ns = out.time_ns;
  o.confidence = c.side_basis == SideBasis::seen ? kSure : kInferred;
  o.evidence.push_back(present_at(in, "SYN-ACK seq " + std::to_string(in.seq) + " with " + bytes_of(in)));
  o.evidence.push_back(present_at(out, "the same with " + bytes_of(out)));
  o.remark = "the SYN-ACK entered with " + bytes_of(in) + " and left with " + std::to_string(out.payload_length) + ".";
  return o;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (!is_open_question(c)) return;
  c.told.insert(FindingKind::handshake_ack_mismatch);
  const Handshake handshake(c, view);
  const Altered answer = altered(c);
  out.tell(of_answer(c, answer, handshake));
  const HalfOpen open = half_open(c);
  if (open.near == nullptr) return;  // what the client acknowledges was taken all the same
  const PacketFacts& ack = *open.near->established;
  const Handshake::Stop far = handshake.stop_of(*open.far);
  const AbsenceProof proof = handshake.packet_absent(ack, far, false);
  const std::string wanted = std::to_string(open.near->syn_ack->seq + 1), given = std::to_string(ack.ack);
  Observation o = handshake.observation(FindingKind::handshake_ack_mismatch);
  o.last_ns = ack.time_ns;
  o.evidence.push_back(present_at(ack, "the client acknowledges " + given + "; the server expects " + wanted));
  o.evidence.push_back(
      {.kind = "sequence",
       .point = ack.point,
       .port = ack.port,
       .frame = ack.frame,
       .time_ns = ack.time_ns,
       .detail = std::to_string(ack.ack - open.near->syn_ack->seq - 1) + " more than the SYN-ACK's number and one"});
  o.remark = "It acknowledges " + given + ", where the server expects " + wanted + ".";
  if (proof.holds()) {
    handshake.blame_device(o, handshake.stop_of(*open.near), far, proof, "no acknowledgement of the client");
  } else {
    o.confidence = kUnblamed;
    o.doubt = proof.doubt();
    o.evidence.push_back(proof.doubt_evidence(ack.time_ns));
  }
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  if (group.record.where.kind != Where::Kind::between)
    return words.connections + " never came about: the client acknowledged another SYN-ACK than the server had sent." +
           words.remark;
  return words.device + " dropped the client's ACK in the handshake of " + words.connections + ": " + words.seen_entering + "." +
         words.remark;
}

}  // namespace

const Detector handshake_ack_mismatch = {
    .kind = FindingKind::handshake_ack_mismatch,
    .severity = Severity::warning,
    .informs_others = true,
    .protocol = Protocol::tcp,
    .needs = sign::accepted,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "A device added data to a server's SYN-ACK, or took some away. The client acknowledges what it got, which is "
                 "not what "
                 "the server sent; the next device that checks sequence numbers, or the server, takes that for invalid, and the "
                 "connection never comes about though the client believes that it has.",
        .needs =
            "The SYN-ACK at both sides of the device that altered it, with other lengths (payload_altered tells of it), and the "
            "client's acknowledgement at one point and not at the next.",
        .errs = "Padding of short frames is no data: lengths are those of the IP header.",
        .next = "Update or replace what stands between the two points: drivers with offload, access points, VPN software."}};

}  // namespace parallax::detect
