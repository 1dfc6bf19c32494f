// A client's port used again toward the same service, soon after the connection before.
#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/detect/port_reuse.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// 2 MSL (RFC 9293, 3.4.2), as Windows and the text books have it; Linux holds a port for one minute.
constexpr int64_t kTimeWaitNs = 240'000'000'000;

constexpr uint16_t kBothFins = leg_flag::fin_client | leg_flag::fin_server;

bool is_settled(const Connection& c) {
  const LegState& a = c.client_leg();
  return a.established || a.syn_ack || a.refused || c.told.contains(FindingKind::syn_unanswered) || a.over;
}

bool is_open_question(const Connection& c) {
  const LegState& a = c.client_leg();
  return !c.evicted && a.has_syn() && a.before.last_ns != 0 && !c.told.contains(FindingKind::port_reused);
}

int64_t due_ns(const Connection& c, const DetectorView&) {
  return is_open_question(c) && is_settled(c) ? c.client_leg().attempts.front().order_ns : kTimeMax;
}

std::string ending_of(uint16_t flags) {
  if (flags & leg_flag::reset) return "closed by RST, no TIME_WAIT";
  if ((flags & kBothFins) == kBothFins) return "closed by FIN";
  return flags & leg_flag::ever_established ? "not closed" : "never established";
}

void look(Connection& c, const DetectorView&, Verdicts& out) {
  if (!is_open_question(c) || !is_settled(c)) return;
  c.told.insert(FindingKind::port_reused);
  const LegState& a = c.client_leg();
  const PacketFacts& syn = a.attempts.front();
  const int64_t apart_ns = syn.order_ns - a.before.last_ns;
  Observation o;
  o.kind = FindingKind::port_reused;
  o.where = beyond(a.point);
  o.direction = FindingDirection::client_to_server;
  o.service = a.server;
  o.source = a.client;
  o.connection_id = c.id;
  o.first_ns = o.last_ns = syn.time_ns;
  o.attempts = o.proved = a.attempt_count;
  o.duration_ns = apart_ns;
  o.confidence = kSure;
  const std::string ending = ending_of(a.before.flags);
  o.evidence.push_back(
      present_at(syn, "SYN " + duration_of(apart_ns) + " after the last packet of the connection before, " + ending));
  o.remark = a.before.flags & leg_flag::reset ? "Harmless: " + ending + "."
             : a.established || a.syn_ack     ? "Harmless: accepted. Last use: " + ending + "."
                                              : "Last use: " + ending + ".";
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  return words.connections + std::string(by_number(group.connections, " reused a source port ", " reused source ports ")) +
         group.durations_text() + " after " + std::string(by_number(group.connections, "its", "their")) + " last use." +
         words.remark;
}

}  // namespace

bool may_be_barred(const Connection& c) {
  const LegState& a = c.client_leg();
  if (a.before.last_ns == 0 || !a.has_syn() || a.established || a.syn_ack || a.refused) return false;
  const bool is_closed_by_fin = (a.before.flags & kBothFins) == kBothFins && !(a.before.flags & leg_flag::reset);
  return is_closed_by_fin && a.attempts.front().order_ns - a.before.last_ns < kTimeWaitNs;
}

void tell_barred(Connection& c, Observation o, Verdicts& out) {
  c.told.insert(FindingKind::port_reused);
  const LegState& a = c.client_leg();
  o.kind = FindingKind::port_reused;
  o.severity = Severity::warning;
  o.confidence = kInferred;
  o.duration_ns = a.attempts.front().order_ns - a.before.last_ns;
  const std::string ending = ending_of(a.before.flags);
  o.evidence.push_back(present_at(
      a.attempts.front(), "SYN " + duration_of(o.duration_ns) + " after the last packet of the connection before, " + ending));
  o.remark = "Last use: " + ending + ", perhaps still in TIME_WAIT at the server, which did not answer " +
             plural(o.attempts, "SYN") + ".";
  out.tell(std::move(o));
}

const Detector port_reused = {
    .kind = FindingKind::port_reused,
    .severity = Severity::info,
    .other_severities = {{Severity::warning, "where the server does not answer"}},
    .protocol = Protocol::tcp,
    .needs = sign::syn,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "A client opened a connection from the same port to the same service as one before. After a RST, or when the "
                 "server accepts it, that does no harm. A server that still holds the old connection in TIME_WAIT (closed by FIN "
                 "less than four minutes ago) may not answer: then it is a warning.",
        .needs =
            "The end of the connection before and the SYN, at the point nearest to the client. Live the port is remembered for "
            "a minute after a close, in files for an hour.",
        .errs =
            "A server that does not answer may have another reason than TIME_WAIT; the connection before is then a coincidence.",
        .next =
            "Widen the client's range of ephemeral ports, or close with fewer connections: keep them open and use them again."}};

}  // namespace parallax::detect
