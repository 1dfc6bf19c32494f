// Segments whose checksum was right where they entered the device and wrong where they left it: their receiver throws them away.
#include "analysis/detect/detectors.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

void fate(Connection& c, const FateEvent& event, const DetectorView&, Verdicts& out) {
  Observation o = crossing_observation(
      c, event, FindingKind::checksum_spoiled,
      "segment seq " + std::to_string(event.packet.seq) + " length " + std::to_string(event.packet.payload_length));
  o.evidence.push_back({.kind = "payload",
                        .point = event.absent_at,
                        .port = std::nullopt,
                        .frame = 0,
                        .time_ns = event.packet.time_ns,
                        .detail = "its checksum does not fit it here, and is not one that was left to a network card"});
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  return words.device + " spoiled the checksum of " + plural(group.record.count, "data segment") + " from the " + words.sender +
         " of " + words.connections + ": right at " + words.source + ", wrong at " + words.target + ", so the " + words.receiver +
         " discards " + std::string(by_number(group.record.count, "it", "them")) + "." + words.remark;
}

}  // namespace

const Detector checksum_spoiled = {
    .kind = FindingKind::checksum_spoiled,
    .severity = Severity::warning,
    .fate_type = FateEventType::checksum_spoiled,
    .fate = fate,
    .sentence = sentence,
    .page = {
        .means = "TCP segments left the device with a checksum that does not fit their bytes, though it did where they entered.",
        .needs = "Files, for live no payload is read to its end; segments captured whole at both points, IP IDs that the device "
                 "leaves alone, and a sender that sends them again before they are acknowledged. A checksum that the host at the "
                 "place of capture left to its network card is known by its value and "
                 "counted apart: it says nothing.",
        .errs =
            "A network card that spoils what it captures looks like the device where the sender repeats the segment for another "
            "reason.",
        .next = "Look at the device's memory and at its offload settings; a receiver counts such segments (`netstat -s`, "
                "InCsumErrors)."}};

}  // namespace parallax::detect
