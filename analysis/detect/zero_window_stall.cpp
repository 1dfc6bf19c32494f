// An end that took no more: its window stayed closed while data waited for it.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/detect/standstills.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// By how much two points may differ about one window.
constexpr int64_t kSlackNs = 100'000'000;

struct Closed {
  const LegState* leg = nullptr;  // null: there is none
  StandstillMark mark{};
};

// The longest, as the leg shows it that is nearest to the end whose window it is.
Closed longest(const Connection& c, const DetectorView& view) {
  Closed best;
  for (const LegState& leg : c.legs) {
    if (!leg.stops) continue;
    for (const Side side : kSides) {
      const StandstillMark mark = leg.window_closed(side);
      if (mark.length_ns() < view.thresholds.zero_window_stall_least_ns || mark.times == 0) continue;
      const int64_t longer_ns = mark.length_ns() - best.mark.length_ns();
      const bool is_nearer = best.leg != nullptr && best.mark.side == side && comes_before(c, leg, *best.leg, side);
      if (best.leg == nullptr || longer_ns > kSlackNs || (is_nearer && longer_ns > -kSlackNs)) best = {&leg, mark};
    }
  }
  return best;
}

// Whose it is: a leg that has no other between it and that end shows what came from there; of a proxy's own leg it is the
// proxy's.
bool is_of_device(const Connection& c, const Closed& closed) {
  return std::any_of(c.crossings.begin(), c.crossings.end(), [&](const Crossing& crossing) {
    const size_t near = closed.mark.side == Side::client ? crossing.server_leg : crossing.client_leg;
    return crossing.is_proxied && &c.legs[near] == closed.leg;
  });
}
bool is_nearest(const Connection& c, const Closed& closed) {
  return std::none_of(c.legs.begin(), c.legs.end(),
                      [&](const LegState& leg) { return comes_before(c, leg, *closed.leg, closed.mark.side); });
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  if (c.told.contains(FindingKind::zero_window_stall)) return kTimeMax;
  const Closed closed = longest(c, view);
  return closed.leg == nullptr ? kTimeMax : tellable_ns(closed.mark, *closed.leg);
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  const Closed closed = longest(c, view);
  if (closed.leg == nullptr || c.told.contains(FindingKind::zero_window_stall)) return;
  if (tellable_ns(closed.mark, *closed.leg) > view.now_ns && !closed.leg->over) return;
  c.told.insert(FindingKind::zero_window_stall);
  const StandstillMark& mark = closed.mark;
  const std::string whose = mark.side == Side::client ? "client" : "server";
  Observation o;
  o.kind = FindingKind::zero_window_stall;
  if (is_of_device(c, closed)) {
    o.origin = Origin::device;
    o.where = {Where::Kind::unknown, 0, 0};
    for (const Crossing& crossing : c.crossings) {
      if (crossing.is_proxied) o.where = between(c.legs[crossing.client_leg].point, c.legs[crossing.server_leg].point);
    }
  } else if (is_nearest(c, closed)) {
    o.origin = mark.side == Side::client ? Origin::client : Origin::server;
    o.where = beyond(closed.leg->point);
  }
  // What waits goes the other way.
  o.direction = mark.side == Side::client ? FindingDirection::server_to_client : FindingDirection::client_to_server;
  o.service = c.client_leg().server;
  o.source = c.client_leg().client;
  o.connection_id = c.id;
  o.first_ns = mark.since_ns;
  o.last_ns = mark.until_ns;
  o.attempts = o.proved = mark.times;
  o.duration_ns = mark.length_ns();
  o.time_lost_seconds = static_cast<double>(mark.length_ns()) / 1e9;
  o.confidence = c.side_basis == SideBasis::seen ? kSure : kInferred;
  if (mark.length_ns() < view.thresholds.zero_window_stall_warning_ns) o.severity = Severity::notice;
  o.evidence.push_back({.kind = "option",
                        .point = closed.leg->point,
                        .port = std::nullopt,
                        .frame = 0,
                        .time_ns = mark.since_ns,
                        .detail = "window 0 of the " + whose + " for " + duration_of(mark.length_ns()) + ", probed " +
                                  plural(mark.times, "time")});
  if (mark.is_reset()) {
    o.remark = mark.end == StandstillEnd::reset_by_client ? "The client ended it with a RST." : "The server ended it with a RST.";
  } else if (mark.end == StandstillEnd::lasts) {
    o.remark = "It was not seen to open again.";
  }
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const Where& where = group.record.where;
  const std::string whose = where.kind == Where::Kind::beyond    ? "the " + words.receiver + " beyond " + words.first
                            : where.kind == Where::Kind::between ? "the proxy between " + words.first + " and " + words.second
                                                                 : "the " + words.receiver + "'s side";
  return words.connections + " had to wait for " + group.durations_text() + ": " + whose + " had closed its window, and the " +
         words.sender + " probed it " + plural(group.attempts, "time") + "." + words.remark;
}

}  // namespace

const Detector zero_window_stall = {
    .kind = FindingKind::zero_window_stall,
    .severity = Severity::warning,
    .other_severities = {{Severity::notice, "below {zero_window_stall_warning}"}},
    .protocol = Protocol::tcp,
    .needs = sign::stopped,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "One end of a connection announced a window of 0, its receive buffer being full, and kept it closed while data "
                 "waited for it: its program did not read.",
        .needs = "The window's closing and opening at the point nearest to that end, at least {zero_window_stall_least} between "
                 "the two, and a probe of the other end's meanwhile, which it sends only if it has data to send.",
        .errs = "Some programs stop reading on purpose: a player whose buffer is full, a printer that prints.",
        .next =
            "Look at the program at that end: what it was doing instead of reading, and whether its disk or its own servers were "
            "slow."}};

}  // namespace parallax::detect
