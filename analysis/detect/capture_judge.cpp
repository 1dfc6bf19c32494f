#include "analysis/detect/capture_judge.h"

#include <algorithm>
#include <cstdio>

namespace parallax {
namespace {

constexpr size_t kTowardInside = 0, kTowardOutside = 1;

std::string percent(uint64_t part, uint64_t whole) {
  char text[32];
  const double share = whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  std::snprintf(text, sizeof text, share < 0.1 ? "%.4f %%" : "%.1f %%", share);
  return text;
}

std::string plural(uint64_t n, const char* noun) { return std::to_string(n) + ' ' + noun + (n == 1 ? "" : "s"); }

}  // namespace

void CaptureJudge::wait(std::vector<Waiting>& waiting, const Waiting& more) {
  const auto same =
      std::find_if(waiting.rbegin(), waiting.rend(), [&](const Waiting& w) { return w.connection_id == more.connection_id; });
  if (same == waiting.rend() && waiting.size() < kWaitingMax) {
    waiting.push_back(more);
    return;
  }
  Waiting& into = same == waiting.rend() ? waiting.back() : *same;
  into.count += more.count;
  into.first_ns = std::min(into.first_ns, more.first_ns);
  into.last_ns = std::max(into.last_ns, more.last_ns);
}

void CaptureJudge::take(const LegState& leg, const Connection& connection, const LegEvent& event) {
  Point& point = points_[leg.point];
  const LegSummary& now = event.summary;
  if (leg.protocol == ip_protocol::tcp) {
    for (size_t d = 0; d < 2; ++d)
      point.seen_bytes += now.bytes[d] - std::min(now.bytes[d], leg.has_summary ? leg.summary.bytes[d] : 0);
  }
  const CaptureReport& report = event.capture;
  if (report.missed_segments > 0) {
    point.missed_segments += report.missed_segments;
    point.missed_bytes += report.missed_bytes;
    if (!sensor_.covers(leg.point, PortDirection::both, now.first_ns, now.last_ns)) point.own_segments += report.missed_segments;
    wait(point.missed_waiting, {connection.id, report.missed_segments, now.first_ns, now.last_ns});
  }
  for (size_t d = 0; d < 2; ++d) {
    const size_t travel = connection.client_outer == (d == 0) ? kTowardInside : kTowardOutside;
    point.copies[travel] += report.copies[d];
    point.packets[travel] += report.packets[d];
  }
  point.routed_copies += report.routed_copies;
  const uint64_t copies = static_cast<uint64_t>(report.copies[0]) + report.copies[1];
  if (copies > 0) wait(point.copies_waiting, {connection.id, copies, now.first_ns, now.last_ns});
}

bool CaptureJudge::doubled(PointIndex point, size_t travel) const {
  const Point& p = points_[point];
  return p.copies[travel] > 0 && p.copies[travel] * kCopiesShare >= p.packets[travel];
}

double CaptureJudge::confidence_of_copies(PointIndex point) const {
  const Point& p = points_[point];
  if (p.copies[0] + p.copies[1] < kCopiesLeast) return 0;
  if (doubled(point, kTowardInside) && doubled(point, kTowardOutside)) return 0.95;
  const size_t last = path_.size() - 1;
  const auto before_any_device = [&](size_t travel) { return travel == kTowardInside ? point == 0 : point == last; };
  const auto doubled_behind = [&](size_t travel) {
    if (travel == kTowardInside ? point == last : point == 0) return false;
    return doubled(static_cast<PointIndex>(travel == kTowardInside ? point + 1 : point - 1), travel);
  };
  for (const size_t travel : {kTowardInside, kTowardOutside}) {
    if (doubled(point, travel) && before_any_device(travel) && !doubled_behind(travel)) return 0.7;
  }
  return 0;
}

std::string CaptureJudge::missed_text(PointIndex point) const {
  const Point& p = points_[point];
  const std::string own = p.own_segments == 0 ? "."
                                              : "; " + std::to_string(p.own_segments) +
                                                    " of them on connections during which the sensor itself lost packets there.";
  return "the capture at " + path_[point] + " missed " + plural(p.missed_segments, "data segment") + " (" +
         plural(p.missed_bytes, "byte") + ", " + percent(p.missed_bytes, p.missed_bytes + p.seen_bytes) +
         " of the data there): their receiver acknowledged them, so they were delivered and no device dropped them" + own;
}

std::string CaptureJudge::copies_text(PointIndex point) const {
  const Point& p = points_[point];
  const uint64_t copies = p.copies[0] + p.copies[1];
  std::string text = path_[point] + " shows packets twice: " + std::to_string(copies) + " of " +
                     plural(p.packets[0] + p.packets[1], "packet") + " (" + percent(copies, p.packets[0] + p.packets[1]) +
                     ") are copies of the one before";
  if (p.routed_copies == copies) {
    text += ", each with another TTL, as before and after routing";
  } else if (p.routed_copies > 0) {
    text += ", " + std::to_string(p.routed_copies) + " with another TTL, as before and after routing";
  }
  return text + "; they count neither as retransmissions nor in losses.";
}

void CaptureJudge::say(std::vector<Observation>& all, std::vector<Waiting>& waiting, const Observation& form) const {
  for (const Waiting& w : waiting) {
    Observation o = form;
    o.connection_id = w.connection_id;
    o.count = w.count;
    o.first_ns = w.first_ns;
    o.last_ns = w.last_ns;
    all.push_back(std::move(o));
  }
  waiting.clear();
}

std::vector<Observation> CaptureJudge::observations() {
  std::vector<Observation> all;
  for (size_t i = 0; i < path_.size(); ++i) {
    const auto at = static_cast<PointIndex>(i);
    Point& p = points_[i];
    Observation form;
    form.where = {Where::Kind::beyond, at, 0};
    form.origin = Origin::sensor;
    if (!p.missed_waiting.empty()) {
      const bool many = p.missed_segments >= kMissedMany && p.missed_bytes * kMissedManyShare >= p.missed_bytes + p.seen_bytes;
      form.kind = FindingKind::capture_loss;
      form.severity = many ? Severity::warning : Severity::notice;
      form.confidence = 0.95;
      form.sentence = missed_text(at);
      say(all, p.missed_waiting, form);
    }
    if (p.copies_waiting.empty()) continue;
    const double confidence = confidence_of_copies(at);
    if (confidence == 0) continue;
    form.kind = FindingKind::duplicate_capture;
    form.severity = Severity::notice;
    form.confidence = confidence;
    form.sentence = copies_text(at);
    say(all, p.copies_waiting, form);
  }
  return all;
}

}  // namespace parallax
