// Segments that left the device in another order than they entered it.
#include "analysis/detect/detectors.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

void fate(Connection& c, const FateEvent& event, const DetectorView&, Verdicts& out) {
  Observation o = crossing_observation(
      c, event, FindingKind::reordered_by_device,
      "segment seq " + std::to_string(event.packet.seq) + " length " + std::to_string(event.packet.payload_length));
  o.evidence.push_back({.kind = "sequence",
                        .point = event.absent_at,
                        .port = std::nullopt,
                        .frame = 0,
                        .time_ns = event.decided_ns,
                        .detail = "left behind one that had entered after it"});
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  return words.device + " reordered " + plural(group.record.count, "data segment") + " from the " + words.sender + " of " +
         words.connections + ": " + std::string(by_number(group.record.count, "it", "they")) +
         " left behind others that had entered later." + words.remark;
}

}  // namespace

const Detector reordered_by_device = {
    .kind = FindingKind::reordered_by_device,
    .severity = Severity::notice,
    .fate_type = FateEventType::segment_reordered,
    .fate = fate,
    .sentence = sentence,
    .page = {
        .means = "TCP segments entered the device in one order and left it in another. Their receiver takes it for loss: it "
                 "sends duplicate "
                 "acknowledgements, and the sender sends again what was not lost.",
        .needs =
            "The connection followed across the device, IP IDs that it leaves alone, and stamps that are less uncertain than the "
            "segments are apart.",
        .errs = "Where a point has parallel ports (a LAG) whose clocks differ, the order may be the capture's.",
        .next = "Look for parallel paths in the device: several queues or cores for one flow, or links of a bundle to which "
                "packets are "
                "spread one by one."}};

}  // namespace parallax::detect
