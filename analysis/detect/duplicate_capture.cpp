// A SPAN shows packets twice. Only as a pattern, and only where a device that duplicates is no better explanation: packets of
// both directions are doubled, or of one that has not passed a device before this point and is not doubled behind it.
#include "analysis/detect/detectors.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// 0: no pattern that only the capture explains.
double confidence_of(const CaptureTotals& totals, PointIndex point, size_t points) {
  const CaptureTotals::Point& p = totals.at(point);
  if (p.is_doubled(Direction::toward_inside) && p.is_doubled(Direction::toward_outside)) return 0.95;
  for (const Direction travel : kDirections) {
    const bool inward = travel == Direction::toward_inside;
    const bool before_any_device = inward ? point == 0 : point + 1u == points;
    const bool has_behind = inward ? point + 1u < points : point > 0;
    const auto behind = static_cast<PointIndex>(inward ? point + 1 : point - 1);
    if (p.is_doubled(travel) && before_any_device && !(has_behind && totals.at(behind).is_doubled(travel))) return 0.7;
  }
  return 0;
}

void sum_up(CaptureTotals& totals, const DetectorView& view, Verdicts& out) {
  for (size_t i = 0; i < view.options.path.size(); ++i) {
    const auto point = static_cast<PointIndex>(i);
    CaptureTotals::Point& p = totals.at(point);
    if (p.copied.empty()) continue;
    Observation form;
    form.confidence = confidence_of(totals, point, view.options.path.size());
    if (form.confidence == 0) continue;
    form.kind = FindingKind::duplicate_capture;
    form.where = {Where::Kind::beyond, point, 0};
    form.origin = Origin::sensor;
    p.copied.tell(form, out.told, [](Observation& o, const CaptureTotals::Copies& of) {
      o.count = of.copies[Direction::toward_inside] + of.copies[Direction::toward_outside];
      o.attempts = of.packets[Direction::toward_inside] + of.packets[Direction::toward_outside];
      o.proved = of.routed;
    });
  }
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const uint64_t copies = group.record.count, packets = group.attempts, routed = group.proved;
  std::string text = "The capture at " + view.options.path[group.record.where.first] +
                     " shows packets twice: " + std::to_string(copies) + " of " + plural(packets, "packet") + " (" +
                     percent(copies, packets) + ") are copies of the one before";
  if (routed == copies) {
    text += ", each with another TTL, as before and after routing";
  } else if (routed > 0) {
    text += ", " + std::to_string(routed) + " with another TTL, as before and after routing";
  }
  return text + ". They count neither as retransmissions nor as losses.";
}

}  // namespace

const Detector duplicate_capture = {
    .kind = FindingKind::duplicate_capture,
    .severity = Severity::notice,
    .informs_others = true,
    .sum_up = sum_up,
    .sentence = sentence,
    .page = {
        .means = "The point shows the same packet twice: a SPAN that copies both the ingress and the egress port, or the traffic "
                 "before and after routing.",
        .needs = "At least 20 copies, at least one packet in ten of the connections concerned, and no device that could have "
                 "duplicated them.",
        .errs = "A host that sends every packet twice looks the same.",
        .next = "Mirror one direction of each port only. Nothing else is wrong: copies count neither as retransmissions nor in "
                "losses."}};

}  // namespace parallax::detect
