// Data that entered the device and never left it.
#include "analysis/detect/detectors.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

void fate(Connection& c, const FateEvent& event, const DetectorView&, Verdicts& out) {
  out.tell(fate_observation(
      c, event, FindingKind::segment_loss,
      "segment seq " + std::to_string(event.packet.seq) + " length " + std::to_string(event.packet.payload_length)));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  return plural(group.record.count, "data segment") + " from the " + words.sender + " of " + words.connections + " " +
         words.seen_entering + "; lost in " + words.this_device + "." + words.remark;
}

}  // namespace

const Detector segment_loss = {
    .kind = FindingKind::segment_loss,
    .fate_type = FateEventType::segment_lost,
    .fate = fate,
    .sentence = sentence,
    .page = {
        .means = "TCP segments with data entered the device and never left it.",
        .needs = "The connection paired across the device, both points covered for the time in which the segment should have "
                 "left, and no acknowledgement of it by its receiver.",
        .errs = "A second path around the far point would look like loss; a direction that was never seen there is not blamed.",
        .next = "Look at the device's interface and policy drop counters; if only large segments vanish, at the MTU beyond it."}};

}  // namespace parallax::detect
