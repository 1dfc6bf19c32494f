// A port of the sensor that shows nothing: its link is down, or it fell silent while its neighbours went on.
#include "analysis/detect/detectors.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

bool is_silence(const PortOutage& outage) {
  return outage.cause == OutageCause::link_down || outage.cause == OutageCause::silent;
}

Observation observation(PortIndex port, const PortOutage& outage, const DetectorView& view) {
  Observation o;
  o.kind = FindingKind::port_silent;
  o.where = {Where::Kind::beyond, view.sensor.channels()[port]->info.point, 0};
  o.origin = Origin::sensor;
  o.port = port;
  o.first_ns = outage.from_ns;
  o.last_ns = outage.goes_on() ? outage.from_ns : outage.to_ns;
  o.confidence = outage.cause == OutageCause::link_down ? 0.99 : 0.9;
  return o;
}

void sum_up(CaptureTotals& totals, const DetectorView& view, Verdicts& out) {
  for (const auto& [port, outage] : totals.new_outages(FindingKind::port_silent)) {
    if (!is_silence(outage)) continue;
    Observation o = observation(port, outage, view);
    o.evidence.push_back({.kind = "timing",
                          .point = o.where.first,
                          .port = port,
                          .frame = 0,
                          .time_ns = outage.from_ns,
                          .detail = std::string(text_of(outage.cause))});
    out.tell(std::move(o));
  }
  if (view.options.offline) return;
  for (const auto& [port, outage] : totals.grown_outages(view.now_ns)) {
    if (!is_silence(outage)) continue;
    Observation longer = observation(port, outage, view);
    longer.count = 0;  // it is the same
    out.tell(std::move(longer));
  }
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const FindingRecord& r = group.record;
  const int64_t lasted_ns = r.last_seen_ns - r.first_seen_ns;
  const std::string times = r.count == 1 ? "" : ", " + plural(r.count, "time");
  return "Port " + view.sensor.channels()[*group.port]->info.name + " at " + view.options.path[r.where.first] +
         " showed nothing (" + r.evidence.front().detail + times + ")" +
         (lasted_ns > 0 && r.count == 1 ? " for " + duration_of(lasted_ns) : "") +
         ": nothing counts as lost for not having been seen there then.";
}

}  // namespace

const Detector port_silent = {
    .kind = FindingKind::port_silent,
    .severity = Severity::warning,
    .sum_up = sum_up,
    .sentence = sentence,
    .page = {
        .means =
            "A port of the sensor shows nothing: its link is down, or packets stopped while those of its neighbours went on.",
        .needs = "Link state, or a port that was busy and fell silent while the other ports of the path carried on in both "
                 "directions.",
        .errs = "Traffic may stop by itself at one point only, where a device sends everything another way.",
        .next = "Look at the cable, the TAP's power and the mirror's configuration. Nothing is claimed about packets that this "
                "port did not show meanwhile."}};

}  // namespace parallax::detect
