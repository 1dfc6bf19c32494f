// Datagrams that entered the device and never left it: of a conversation each that its pair's home has missed; of one that never
// came about the question, or the answer.
#include "analysis/detect/detectors.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/detect/handshake.h"
#include "analysis/detect/icmp_errors.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/service_port.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

constexpr auto kKind = FindingKind::datagram_dropped_by_device;

std::string datagram_of(uint32_t length) { return "datagram of " + plural(length, "byte"); }

void fate(Connection& c, const FateEvent& event, const DetectorView&, Verdicts& out) {
  std::string what = datagram_of(event.packet.payload_length);
  if (event.fragments != Fragments::none) what += " in fragments";
  if (event.fragments == Fragments::first_left) what += ", of which only the first was seen to leave";
  Observation o = fate_observation(c, event, kKind, what);
  if (event.fragments == Fragments::first_left) o.remark = "It let first fragments pass, but not the rest.";
  out.tell(std::move(o));
}

// The client has asked, and its point has shown no answer.
bool is_open_question(const Connection& c) {
  const LegState& a = c.client_leg();
  return !c.evicted && a.protocol == ip_protocol::udp && !a.established && a.first.from == Side::client &&
         !is_addressed_to_many(a.server.address) && !c.told.contains(kKind);
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  return is_open_question(c) ? c.client_leg().first.order_ns + 2 * view.options.device_timeout_ns : kTimeMax;
}

Observation lost(const Connection& c, const PacketFacts& packet, const std::string& what) {
  Observation o;
  o.kind = kKind;
  o.direction = packet.from == Side::client ? FindingDirection::client_to_server : FindingDirection::server_to_client;
  o.service = c.client_leg().server;
  o.source = c.client_leg().client;
  o.connection_id = c.id;
  o.first_ns = o.last_ns = packet.time_ns;
  o.confidence = kSure;
  o.evidence.push_back(present_at(packet, what + datagram_of(packet.payload_length) + ", ttl " + std::to_string(packet.ttl)));
  return o;
}

// A datagram of another leg that nothing explains: the question may have gone on as that. A hairpin has left what they say alone.
bool has_rival(const Connection& c, const PacketFacts& question, Handshake::Stop stop, const DetectorView& view) {
  RivalOpenings::Query query{stop.point, stop.is_turned, {}, {c.client_leg().id.value()}, {}};
  if (stop.is_turned && question.seq != 0) query.isn = question.seq;
  return view.openings.any(c.client_leg(), query, question.order_ns - question.stamp_uncertainty_ns,
                           question.order_ns + view.options.device_timeout_ns);
}

// What a point shows first of a conversation may be the answer to a question that passed it unseen. Then its other side bears the
// question's name, and is no continuation of it.
bool may_be_answer(const LegState& leg, const SensorView& sensor) {
  constexpr int64_t kAnsweredNs = 1'000'000'000;  // nearly all answers come sooner
  return !sensor.saw_everything(leg.point, leg.first.order_ns - kAnsweredNs, leg.first.order_ns);
}

// Only toward an address that others have reached through the device: what it is asked itself it answers, or not.
void question_lost(const Connection& c, const DetectorView& view, Verdicts& out) {
  const Handshake path(c, view);
  const LegState& a = c.client_leg();
  const auto next = path.toward_server(path.stop_of(a));
  if (!next || !path.has_gone_on() || (c.side_basis == SideBasis::guessed && !next->is_turned)) return;
  if (may_be_answer(a, view.sensor)) return;
  const AbsenceProof proof = path.packet_absent(a.first, *next, has_rival(c, a.first, *next, view));
  if (!proof.holds()) return;
  const uint64_t datagrams = a.has_summary ? a.summary.packets[Side::client] : 1;
  Observation o = lost(c, a.first, datagrams > 1 ? "first of " + plural(datagrams, "datagram") + ", " : "the only one, ");
  o.attempts = o.proved = 1;
  path.blame_device(o, path.stop_of(a), *next, proof,
                    "no datagram of this conversation within " + duration_of(view.options.device_timeout_ns));
  if (const IcmpSighting* icmp = icmp_refusal(a)) {
    o.evidence.push_back(icmp_evidence(*icmp));
    o.remark += (o.remark.empty() ? "" : " ") + std::string("The client was told: ") + text_of(icmp->error) + ".";
  }
  out.tell(std::move(o));
}

void answer_lost(const Connection& c, const LegState& answered, const DetectorView& view, Verdicts& out) {
  const Handshake path(c, view);
  const auto next = path.toward_client(path.stop_of(answered));
  const AbsenceProof proof = path.answer_absent(*answered.established, *next, view.options.device_timeout_ns);
  if (!proof.holds()) return;
  Observation o = lost(c, *answered.established, "answer of the server, ");
  o.attempts = o.proved = 1;
  path.blame_device(o, *next, path.stop_of(answered), proof, "not seen within " + duration_of(view.options.device_timeout_ns));
  out.tell(std::move(o));
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (due_ns(c, view) > view.now_ns) return;
  c.told.insert(kKind);
  if (c.legs.size() == 1) return question_lost(c, view, out);
  const Handshake path(c, view);
  for (const LegState& leg : c.legs) {
    // A proxy's server answers the proxy.
    const auto next = path.toward_client(path.stop_of(leg));
    if (leg.established && leg.established->from == Side::server && next == path.stop_of(c.client_leg()) &&
        c.crossings.size() == 1 && !c.crossings.front().is_proxied)
      return answer_lost(c, leg, view, out);
  }
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  if (group.record.where.kind == Where::Kind::unknown)
    return plural(group.record.count, "datagram") + " from the " + words.sender + " of " + words.connections + " " +
           std::string(by_number(group.record.count, "was", "were")) + " seen on one side of a device and not on the other." +
           words.remark;
  return words.device + " dropped " + plural(group.record.count, "datagram") + " from the " + words.sender + " of " +
         words.connections + ": " + words.seen_entering + "." + words.remark;
}

}  // namespace

const Detector datagram_dropped_by_device = {
    .kind = kKind,
    .severity = Severity::warning,
    .other_severities = {{Severity::info,
                          "where the server had answered from another address, as reply_from_wrong_source tells"}},
    .protocol = Protocol::udp,
    .due_ns = due_ns,
    .look = look,
    .fate_type = FateEventType::datagram_lost,
    .fate = fate,
    .sentence = sentence,
    .page = {
        .means = "UDP datagrams entered the device and never left it; of fragmented ones all fragments, or all but the first.",
        .needs =
            "Both points covered for the time in which the datagram should have left. Of a conversation, that it is paired "
            "across "
            "the device and that something of the same direction has crossed, and where the device renames its ends, that "
            "something has before and after; of a first datagram, that others have reached the same address through the "
            "device, no datagram there that may be its continuation, and that its own point missed nothing in the second before, "
            "for else it may be an answer.",
        .errs = "A device that answers from a cache, or changes all of a datagram, drops nothing. One that spreads the datagrams "
                "of a conversation over several servers, and renames the client too, looks as if it dropped what goes to all but "
                "one. Of a fragmented datagram nothing is said before all of it has entered, nor where the far point may have "
                "been captured with a filter for ports, which hides all fragments but the first.",
        .next =
            "Look at the device's rules and logs for that address and port, at limits of its sessions and of its rates, and at "
            "how soon it forgets idle UDP sessions. If only fragmented ones vanish, at its rule for fragments, or let the sender "
            "send less (EDNS buffer size, IKE fragmentation)."}};

}  // namespace parallax::detect
