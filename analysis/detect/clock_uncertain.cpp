// Stamps that cannot be compared: a clock was set, or the clocks of two points differ by what could not be told.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// Files of a point are of one clock, which is compared with that of the point before it.
Where place_of(PointIndex point, const DetectorView& view) {
  if (!view.options.offline || point == 0) return {Where::Kind::beyond, point, 0};
  return {Where::Kind::between, static_cast<PointIndex>(point - 1), point};
}

Observation observed(Where where, int64_t first_ns, int64_t last_ns) {
  Observation o;
  o.kind = FindingKind::clock_uncertain;
  o.where = where;
  o.origin = Origin::sensor;
  o.first_ns = first_ns;
  o.last_ns = last_ns;
  return o;
}

// 0: the cause is no clock's.
double confidence_of(OutageCause cause) {
  switch (cause) {
    case OutageCause::clock_step:
      return 0.99;
    case OutageCause::clock_jumped:
    case OutageCause::clocks_apart:
      return 0.95;
    case OutageCause::clocks_unknown:
      return 0.85;  // of a path that is slow itself it is not so
    default:
      return 0;
  }
}

// A device that holds all packets looks alike, where those of one direction alone are seen at both points.
std::string what_happened(const PortOutage& outage) {
  const std::string by = duration_of(outage.by_ns);
  switch (outage.cause) {
    case OutageCause::clocks_apart:
      return "packets left " + by + " before they came";
    case OutageCause::clock_jumped:
      return "one of the two clocks jumped by " + by + ", or the device held all packets for a time";
    case OutageCause::clocks_unknown:
      return "no packet crossed in less than " + by + " and none came back, so the clocks differ or the device held them all";
    default:
      return std::string(text_of(outage.cause));
  }
}

// When the first port began to listen: what is uncertain from ever is so from then on.
int64_t begin_of(const SensorView& sensor) {
  int64_t begin_ns = kTimeMax;
  for (const PortChannel* channel : sensor.channels())
    begin_ns = std::min(begin_ns, channel->covered_from_ns.load(std::memory_order_acquire));
  return begin_ns;
}

void tell_outages(CaptureTotals& totals, const DetectorView& view, Verdicts& out) {
  for (const auto& [port, outage] : totals.new_outages(FindingKind::clock_uncertain)) {
    const double confidence = confidence_of(outage.cause);
    if (confidence == 0) continue;
    const PointIndex point = view.sensor.channels()[port]->info.point;
    const int64_t from_ns = outage.from_ns == kTimeMin ? begin_of(view.sensor) : outage.from_ns;
    Observation o = observed(place_of(point, view), from_ns, outage.goes_on() ? from_ns : outage.to_ns);
    // Each port of a point says the same.
    const bool is_told = std::any_of(out.told.begin(), out.told.end(), [&o](const Observation& other) {
      return other.kind == o.kind && other.where == o.where && other.first_ns == o.first_ns && other.last_ns == o.last_ns;
    });
    if (is_told) continue;
    o.confidence = confidence;
    o.evidence.push_back({.kind = "timing",
                          .point = point,
                          .port = port,
                          .frame = 0,
                          .time_ns = from_ns,
                          .detail = what_happened(outage) + (outage.goes_on() ? "; it stays so" : "")});
    out.tell(std::move(o));
  }
}

void tell_contradictions(CaptureTotals& totals, Verdicts& out) {
  for (const StampOrder::Contradiction& found : totals.stamp_order().take()) {
    const PointIndex outer = outer_point_of(found.device);
    const auto inner = static_cast<PointIndex>(outer + 1);
    Observation o = observed({Where::Kind::between, outer, inner}, found.from_ns, found.to_ns);
    o.confidence = 0.95;
    o.evidence.push_back({.kind = "timing",
                          .point = found.direction == Direction::toward_inside ? inner : outer,
                          .port = std::nullopt,
                          .frame = 0,
                          .time_ns = found.from_ns,
                          .detail = "by their stamps " + std::to_string(found.backwards) + " of " +
                                    plural(found.crossed, "packet") + " toward the " +
                                    (found.direction == Direction::toward_inside ? "inside" : "outside") + " left up to " +
                                    duration_of(found.by_ns) + " before they entered"});
    out.tell(std::move(o));
  }
}

void sum_up(CaptureTotals& totals, const DetectorView& view, Verdicts& out) {
  tell_outages(totals, view, out);
  tell_contradictions(totals, out);
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const FindingRecord& r = group.record;
  const std::string& first = view.options.path[r.where.first];
  const std::string clocks = r.where.kind == Where::Kind::between
                                 ? "Timestamps at " + first + " and " + view.options.path[r.where.second] + " cannot be compared"
                                 : "Timestamps at " + first + " cannot be compared with others";
  const std::string of_several = r.count == 1 ? "" : "first of " + plural(r.count, "time") + ": ";
  // Live, between two points: what crosses shows that the stamps of one come late, and goes on to be followed.
  const bool is_followed = r.where.kind == Where::Kind::between && !view.options.offline;
  return clocks + " (" + of_several + r.evidence.front().detail + "): " +
         (is_followed ? "how long the device between them takes is not known."
                      : "nothing counts as lost for not having been seen then.");
}

}  // namespace

const Detector clock_uncertain = {
    .kind = FindingKind::clock_uncertain,
    .severity = Severity::warning,
    .sum_up = sum_up,
    .sentence = sentence,
    .page = {
        .means = "Which of two packets came first cannot be told: a clock was set, or the offset of two capture files' clocks is "
                 "not known.",
        .needs = "Live: the kernel's stamps jumped against the sensor's own clock, or most packets that cross a device one way "
                 "leave before they enter: what one port shows comes late, from a mirror or a tunnel that holds it. Files: the "
                 "time went back in one of them, or packets of both points show that their clocks moved apart, or, where few or "
                 "none of both directions were matched, that they differ: by their stamps packets left before they came, or none "
                 "of one direction crossed in less than 20 ms.",
        .errs = "Retransmissions that are taken for their originals look alike; three of them in contradiction are needed. Of a "
                "device that holds every packet for more than 20 ms, and of which one direction alone was captured, it is told "
                "though the clocks agree.",
        .next = "Let both machines follow one time source (PTP, or NTP that slews). Capture both directions at both points: then "
                "files are aligned, also before and after a step. Nothing is claimed about the time that is uncertain."}};

}  // namespace parallax::detect
