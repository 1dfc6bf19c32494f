// A RST or an ICMP error instead of an answer: by the server, by the device in its name, or by a router on the way.
#include <algorithm>
#include <cstdlib>

#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/detect/icmp_errors.h"
#include "analysis/detect/standstills.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

constexpr int64_t kTransitMostNs = 1'000'000'000;  // of a refusal, through the devices of the path

// A later attempt was accepted: syn_retried tells of it, and what the refusal cost.
bool is_accepted_later(const LegState& a) {
  return a.established && a.refusal && a.attempts.back().order_ns > a.refusal->order_ns;
}
// The server has refused what the device had accepted in its place (a SYN proxy); null: it has not. A RST that answers a SYN has
// no number of its own (RFC 9293, 3.10.7.1), other than that of a server that accepts and then resets.
const LegState* refused_behind_the_device(const Connection& c) {
  const LegState &a = c.client_leg(), &far = c.server_leg();
  const bool is_accepted = !is_proxied(c) && a.has_syn() && a.syn_ack && &far != &a && far.has_syn() && !far.syn_ack;
  return is_accepted && far.refusal && far.refusal->seq == 0 && far.refusal->tcp_flags & tcp_flag::ack ? &far : nullptr;
}
// Of one that is established without a RST before, an ICMP error was told: it was not the last word.
bool is_refuted(const Connection& c) {
  const LegState& a = c.client_leg();
  if (refused_behind_the_device(c) != nullptr) return false;
  return c.told.contains(FindingKind::syn_refused) && a.has_syn() && a.established && (!a.refusal || is_accepted_later(a));
}
// A RST, or nothing but an ICMP error.
const PacketFacts* refusal_of(const LegState& leg) {
  if (leg.refusal) return &*leg.refusal;
  const IcmpSighting* icmp = leg.syn_ack ? nullptr : icmp_refusal(leg);
  return icmp != nullptr ? &icmp->packet : nullptr;
}

// The refusal that is not told yet: of the last attempt; or of one that was accepted all the same, which somebody else refused.
bool is_open_question(const Connection& c) {
  const LegState& a = c.client_leg();
  if (c.evicted || !a.has_syn() || c.told.contains(FindingKind::syn_refused) || c.told.contains(FindingKind::syn_unanswered))
    return false;
  if (refused_behind_the_device(c) != nullptr) return true;
  if (a.established) return a.refusal && !a.refused && !is_accepted_later(a);
  return a.refused ? !a.reset : !a.refusal && refusal_of(a) != nullptr;
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  if (is_refuted(c)) return c.client_leg().established->order_ns;
  if (!is_open_question(c)) return kTimeMax;
  const LegState& a = c.client_leg();
  if (const LegState* far = refused_behind_the_device(c)) return far->refusal->order_ns + view.options.device_timeout_ns;
  const PacketFacts& last = a.established ? *a.established : a.refused ? *a.refused : *refusal_of(a);
  return last.order_ns + view.options.device_timeout_ns;
}

// The SYN that the RST answers: the last one before it.
const PacketFacts& refused_syn(const LegState& leg, const PacketFacts& rst) {
  const auto after = std::find_if(leg.attempts.begin() + 1, leg.attempts.end(),
                                  [&](const PacketFacts& syn) { return syn.order_ns > rst.order_ns; });
  return *(after - 1);
}

// A RST that answers a SYN acknowledges it (RFC 9293, 3.10.7.1); some devices leave that out, and have no number of their own.
// One that acknowledges more, or bears the number that an acknowledgement asked for, ends a conversation of which the point has
// missed what came between.
bool is_answer(const LegState& leg, const PacketFacts& rst) {
  if (!(rst.tcp_flags & tcp_flag::rst)) return true;  // it was stamped before the SYN, which is told in its place
  const PacketFacts& syn = refused_syn(leg, rst);
  return rst.tcp_flags & tcp_flag::ack ? rst.ack - syn.seq <= syn.payload_length + 1 : rst.seq == 0;
}

// The same refusal was seen nearer to the server than any SYN: it came from there, and so did the SYN go there, unseen.
bool came_from_beyond(const Connection& c, const LegState& deepest, const PacketFacts& rst) {
  return std::any_of(c.legs.begin(), c.legs.end(), [&](const LegState& leg) {
    const PacketFacts& other = leg.first;
    const bool is_rst = (rst.tcp_flags & tcp_flag::rst) && other.from == Side::server && other.tcp_flags == rst.tcp_flags;
    return c.is_behind(leg, deepest) && is_rst && std::abs(other.order_ns - rst.order_ns) <= kTransitMostNs;
  });
}

// Not the network nor the port, but the host itself was not found (RFC 1812, 4.3.3.1; RFC 4443, 3.1).
bool names_a_host(const IcmpError& error) {
  constexpr uint8_t kHostUnreachable = 1, kAddressUnreachable = 3;
  return error.meaning == IcmpMeaning::unreachable && error.code == (error.is_ipv6 ? kAddressUnreachable : kHostUnreachable);
}

void refused(const Connection& c, const DetectorView& view, Verdicts& out) {
  const Handshake handshake(c, view);
  const LegState& a = handshake.client_leg();
  const LegState& d = handshake.deepest();
  const PacketFacts& rst = *refusal_of(a);
  const IcmpSighting* icmp = a.refusal ? nullptr : icmp_refusal(a);
  if (icmp == nullptr && !is_answer(a, rst)) return;
  const std::string what = icmp != nullptr ? "ICMP error" : "RST";
  Observation o = handshake.observation(FindingKind::syn_refused);
  o.attempts = o.proved = std::max<uint64_t>(1, a.refusal_count);
  o.last_ns = rst.time_ns;
  const int64_t after_ns = rst.time_ns - refused_syn(a, rst).time_ns;  // not, by stamps that may be wrong by more
  o.evidence.push_back(present_at(rst, what + " to the client " + (after_ns > 0 ? duration_of(after_ns) : "at once") +
                                           " after its SYN, ttl " + std::to_string(rst.ttl)));
  if (icmp != nullptr) o.evidence.push_back(icmp_evidence(*icmp));
  const auto tell = [&](Observation told) {
    if (icmp != nullptr) {
      const std::string_view why = names_a_host(icmp->error) ? ": a router says so of a host that does not answer its ARP." : ".";
      told.remark = "It said: " + text_of(icmp->error) + std::string(why) + (told.remark.empty() ? "" : " ") + told.remark;
    }
    out.tell(std::move(told));
  };

  // Its server accepted it, and reset the connection later: the point nearest to the client has missed the answer.
  const auto was_accepted = [&](const LegState& leg) {
    return leg.syn_ack && leg.syn_ack->order_ns <= rst.order_ns && leg.reset;
  };
  if (was_accepted(d)) return;
  const PacketFacts* at_deepest = refusal_of(d);
  if (at_deepest == nullptr) {
    // The SYN went further than the RST came from.
    const PacketFacts& syn = d.attempts.back();
    const Handshake::Stop stop = handshake.stop_of(d);
    AbsenceProof proof = handshake.answer_absent(syn, stop, std::max<int64_t>(0, rst.order_ns - syn.order_ns));
    proof.unless(!handshake.is_in_time(rst), Doubt::clock_uncertain);
    if (icmp != nullptr) proof.unless(may_miss_icmp(d, rst.order_ns, view), Doubt::may_be_hidden);
    proof.expect(rst.order_ns - rst.stamp_uncertainty_ns, rst.order_ns);  // and most likely shortly before it came out
    if (!proof.holds_for_all()) return tell(without_blame(std::move(o), proof));
    o.evidence.push_back(present_at(syn, "the SYN was forwarded"));
    o.proved = 0;  // of those that the device answered and did not forward
    handshake.blame_device(o, *handshake.toward_client(stop), stop, proof, "no " + what + " from the server");
    if (icmp == nullptr) handshake.add_ttl_evidence(o, rst);
    return tell(std::move(o));
  }
  const auto next = handshake.toward_server(handshake.stop_of(d));
  if (!next) {
    o.where = beyond(d.point);
    o.origin = d.refusal ? Origin::server : origin_of(*icmp_refusal(d), d);
    if (&d != &a)
      o.evidence.push_back(
          present_at(*at_deepest, "the same refusal comes from the server's side, ttl " + std::to_string(at_deepest->ttl)));
    return tell(std::move(o));
  }
  AbsenceProof proof = handshake.syns_absent_before(d, *next, rst);
  proof.unless(came_from_beyond(c, d, rst), Doubt::seen_beyond);
  // Neither the ports nor other connections tell that the server is beyond the device: any host on this side may have answered.
  proof.unless(c.side_basis != SideBasis::seen && !next->is_turned && !view.knowledge.has_crossed(d.point, d.server.address),
               Doubt::path_unknown);
  if (!proof.holds_for_all()) return tell(without_blame(std::move(o), proof));
  handshake.blame_device(o, handshake.stop_of(d), *next, proof, "no SYN of this connection before the " + what);
  if (icmp == nullptr) handshake.add_ttl_evidence(o, rst);
  tell(std::move(o));
}

constexpr std::string_view kBehindTheDevice = "The device had accepted in the server's place before it asked the server.";

void told_behind_the_device(const Connection& c, const LegState& far, const DetectorView& view, Verdicts& out) {
  const LegState& a = c.client_leg();
  const PacketFacts& rst = *far.refusal;
  const Handshake handshake(c, view);
  const AbsenceProof no_answer = handshake.answer_absent_before(*a.syn_ack, handshake.stop_of(far));
  if (!no_answer.holds()) return;  // the sensor may have missed the server's SYN-ACK: then it is a reset, told as such
  Observation o = handshake.observation(FindingKind::syn_refused);
  o.attempts = o.proved = std::max<uint64_t>(1, far.refusal_count);
  o.last_ns = rst.time_ns;
  o.where = beyond(far.point);
  o.origin = Origin::server;
  o.evidence.push_back(present_at(rst, "RST of the server, an answer to the SYN, ttl " + std::to_string(rst.ttl)));
  o.evidence.push_back(present_at(*a.syn_ack, "SYN-ACK to the client"));
  o.evidence.push_back(no_answer.evidence(a.syn_ack->time_ns, "no SYN-ACK of the server"));
  o.remark = kBehindTheDevice;
  out.tell(std::move(o));
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (is_refuted(c)) {
    c.told.erase(FindingKind::syn_refused);
    return out.withdraw(FindingKind::syn_refused, c.id);
  }
  if (!is_open_question(c)) return;
  c.told.insert(FindingKind::syn_refused);
  if (const LegState* far = refused_behind_the_device(c)) return told_behind_the_device(c, *far, view, out);
  refused(c, view, out);
}

// Behind such a device the client hears of it with a RST of a connection that it takes for established.
FindingKinds explains(const Observation& o) {
  return o.remark == kBehindTheDevice ? FindingKinds{FindingKind::reset_by_server} : FindingKinds{};
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const bool is_icmp = has_icmp_evidence(group.record.evidence);
  const std::string attempts = (is_icmp ? "with an ICMP error (" : "with a RST (") + plural(group.attempts, "attempt") + ")";
  const std::string answers = is_icmp ? std::string(by_number(group.attempts, "the error", "the errors"))
                                      : std::string(by_number(group.attempts, "the RST", "the RSTs"));
  if (group.record.origin == Origin::device)
    return words.device + " refused " + words.connections + " " + attempts + ": " + answers +
           " did not come from the server beyond " + words.second + "." + words.remark +
           view.opened_from.remark_for(group, view.options.path);
  if (group.record.where.kind == Where::Kind::beyond) {
    const std::string who = group.record.origin == Origin::path ? "A router beyond " : "The server beyond ";
    return who + words.first + " refused " + words.connections + " " + attempts + "." + words.remark;
  }
  return words.connections + std::string(by_number(group.connections, " was", " were")) + " refused " + attempts + "." +
         words.remark;
}

}  // namespace

const Detector syn_refused = {
    .kind = FindingKind::syn_refused,
    .severity = Severity::warning,
    .informs_others = true,
    .explains = explains,
    .protocol = Protocol::tcp,
    .needs = sign::syn,
    .is_asked_again = true,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "A client's SYN was answered with a RST, or with an ICMP error (unreachable, prohibited).",
        .needs =
            "SYN and RST at the client's side. The server is named where the RST came in at the last point, the device where "
            "the SYN never reached the far side, or no RST came from there. The same of an ICMP error; one that comes in at the "
            "last point from another address than the server's is a router's. Behind a device that accepts in the server's "
            "place, the server's RST at the last point.",
        .errs = "A host that is not watched, on the client's side of the device, may have sent the RST.",
        .next = {},
        .next_between =
            "Look at the device's reject rules; where it says that a host is unreachable, first at whether that is up.",
        .next_beyond =
            "By the server: nothing listens on that port, or its own filter refuses. By a router: look at what the ICMP "
            "error says, and at its routes and filters.",
        .next_unknown = "Capture both directions on both sides of the device, or have the configuration say what each port "
                        "carries."}};

}  // namespace parallax::detect
