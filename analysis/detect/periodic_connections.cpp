// The same connection again and again, at even intervals.
#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// Once it is settled what became of it: then others look at it as well.
int64_t due_ns(const Connection& c, const DetectorView& view) {
  const LegState& a = c.client_leg();
  if (c.evicted || !a.has_syn() || c.told.contains(FindingKind::periodic_connections)) return kTimeMax;
  if (c.told.contains(FindingKind::syn_refused) || c.told.contains(FindingKind::syn_unanswered))
    return a.attempts.front().order_ns;
  return a.established || a.syn_ack ? answered_due_ns(a, view) : kTimeMax;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (due_ns(c, view) == kTimeMax) return;
  c.told.insert(FindingKind::periodic_connections);
  const LegState& a = c.client_leg();
  const PacketFacts& syn = a.attempts.front();
  Observation o;
  o.kind = FindingKind::periodic_connections;
  o.where = beyond(a.point);
  o.origin = Origin::client;
  o.direction = FindingDirection::client_to_server;
  o.service = a.server;
  o.source = a.client;
  o.connection_id = c.id;
  o.first_ns = o.last_ns = syn.time_ns;
  o.attempts = o.proved = 1;
  o.confidence = c.side_basis == SideBasis::seen ? kSure : kInferred;
  out.opened.push_back({std::move(o), syn});
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const std::string source = group.only_source ? to_string(*group.only_source) : std::string("A client");
  return source + " beyond " + words.first + " opens a connection to " + group.record.service.value_or("?") + " every " +
         seconds_of(group.record.period_seconds.value_or(0)) + ": " + plural(group.record.count, "connection") + " so far." +
         words.remark;
}

}  // namespace

const Detector periodic_connections = {
    .kind = FindingKind::periodic_connections,
    .severity = Severity::info,
    .protocol = Protocol::tcp,
    .needs = sign::syn,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means =
            "A client opens connections to a service at even intervals (period_seconds): something that runs on a timer, such as "
            "monitoring, a scheduled job, a browser election, or a program that reports to its maker.",
        .needs = "{periodic_connections_openings} openings, each the same time after the one before, give or take one part in "
                 "25 or half a second, at least {periodic_connections_period}; several within 5 s count as one.",
        .errs = "A person at work may be as regular for an hour.",
        .next = "If nobody knows of it, look on that client at what runs at those times."}};

}  // namespace parallax::detect
