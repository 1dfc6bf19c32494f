// A service that accepts so many connections a second and no more, while clients ask for more.
#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

bool is_counted(const Connection& c) { return c.told.contains(FindingKind::listener_saturated); }

int64_t due_ns(const Connection& c, const DetectorView& view) {
  const LegState& a = c.client_leg();
  return !c.evicted && a.has_syn() && a.established && !is_counted(c) ? answered_due_ns(a, view) : kTimeMax;
}

// Each connection that came about is counted once, by those who look at services and sources: see ServiceLoads, SourceDrops.
void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (due_ns(c, view) == kTimeMax) return;
  c.told.insert(FindingKind::listener_saturated);
  const LegState& a = c.client_leg();
  Verdicts::Accepted accepted{
      a.client, a.server, a.established->order_ns, {}, c.client_outer ? PathSide::outer : PathSide::inner};
  for (const Crossing& crossing : c.crossings) {
    if (&c.legs[crossing.client_leg] == &a) accepted.across = between(a.point, c.legs[crossing.server_leg].point);
  }
  out.accepted.push_back(accepted);
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const double rate = group.record.rate_per_second.value_or(0);
  return "The server " + group.record.service.value_or("?") + " beyond " + words.first + " accepts no more than about " +
         std::to_string(static_cast<uint64_t>(rate + 0.5)) + " connections a second: " + plural(group.attempts, "further SYN") +
         " of " + plural(group.connections, "connection") + " were refused or not answered." + words.remark;
}

}  // namespace

const Detector listener_saturated = {
    .kind = FindingKind::listener_saturated,
    .severity = Severity::warning,
    .informs_others = true,
    .protocol = Protocol::tcp,
    .needs = sign::syn | sign::accepted,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means =
            "A service accepts a steady number of connections a second while attempts climb over it: the rest is refused or not "
            "answered. rate_per_second is what it accepts; first_seen is when it began. Told in place of syn_refused, "
            "syn_unanswered and syn_retried for what failed because of it.",
        .needs = "For 5 s in a row at least {listener_saturated_accepted_per_second} accepted connections a second, none of "
                 "these seconds with more than twice the accepted of another, {listener_saturated_failed_percent} % of the "
                 "attempts failing beyond the last point, and before it seconds with fewer attempts and none that failed.",
        .errs = "A load balancer with one dead server behind it fails a share of the attempts, too, but not from a moment on at "
                "which "
                "they climbed.",
        .next = "Look at the server's accept queue and at the program's rate of accepting (on Linux: ss -ltn, nstat -az "
                "TcpExtListenOverflows); spread the load, or keep connections open."}};

}  // namespace parallax::detect
