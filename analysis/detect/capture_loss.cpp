// Data that its receiver acknowledged was delivered: who captured did not see it, and no device dropped it. Where the sensor
// itself was losing packets meanwhile, the sentence says so.
#include "analysis/detect/detectors.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

void sum_up(CaptureTotals& totals, const DetectorView& view, Verdicts& out) {
  for (size_t i = 0; i < view.options.path.size(); ++i) {
    const auto point = static_cast<PointIndex>(i);
    CaptureTotals::Point& p = totals.at(point);
    if (p.missed.empty()) continue;
    const Thresholds& t = view.thresholds;
    const bool many = p.missed_segments >= t.capture_loss_warning_segments &&
                      is_share(p.missed_bytes, p.missed_bytes + p.seen_bytes, t.capture_loss_warning_percent);
    Observation form;
    form.kind = FindingKind::capture_loss;
    form.where = {Where::Kind::beyond, point, 0};
    form.origin = Origin::sensor;
    if (!many) form.severity = Severity::notice;
    form.confidence = 0.95;
    p.missed.tell(form, out.told, [](Observation& o, uint64_t segments) { o.count = segments; });
  }
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const PointIndex point = group.record.where.first;
  const CaptureTotals::Point& p = view.capture.at(point);
  const bool is_one = p.missed_segments == 1;
  const std::string own = p.own_segments == 0
                              ? "."
                              : "; " + std::to_string(p.own_segments) + " while the sensor itself did not see everything there.";
  return "The capture at " + view.options.path[point] + " missed at least " + plural(p.missed_segments, "data segment") + " (" +
         plural(p.missed_bytes, "byte") + ", " + percent(p.missed_bytes, p.missed_bytes + p.seen_bytes) +
         " of the data there): " +
         (is_one ? "its receiver acknowledged it, so it was delivered and no device dropped it"
                 : "their receivers acknowledged them, so they were delivered and no device dropped them") +
         own;
}

}  // namespace

const Detector capture_loss = {
    .kind = FindingKind::capture_loss,
    .severity = Severity::warning,
    .other_severities =
        {{Severity::notice,
          "below {capture_loss_warning_segments} segments or {capture_loss_warning_percent} % of the data at the point"}},
    .sum_up = sum_up,
    .sentence = sentence,
    .page = {
        .means = "The receiver acknowledged data that this point never showed: it was delivered, and the capture missed it. The "
                 "mirror, the capturing host or the sensor dropped packets; no device on the path did.",
        .needs = "TCP connections whose acknowledgements are seen at the point.",
        .errs = "A receiver that acknowledges what it never got (an accelerator that acknowledges for it) looks the same.",
        .next =
            "Look at the drop counters of the TAP or mirror port, of the NIC and of the capturing program. Losses told at this "
            "point deserve doubt while it misses packets itself."}};

}  // namespace parallax::detect
