// Acknowledgements, FINs and window updates that entered the device and never left it, and that somebody went without.
#include "analysis/detect/detectors.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

std::string name_of_packet(const PacketFacts& packet) {
  if (packet.tcp_flags & tcp_flag::fin) return "FIN seq " + std::to_string(packet.seq);
  return "acknowledgement " + std::to_string(packet.ack);
}

void fate(Connection& c, const FateEvent& event, const DetectorView&, Verdicts& out) {
  c.told.insert(FindingKind::control_segment_loss);
  out.tell(fate_observation(c, event, FindingKind::control_segment_loss, name_of_packet(event.packet)));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  return words.device + " dropped " + plural(group.record.count, "control packet") + " (ACKs, FINs) from the " + words.sender +
         " of " + words.connections + ": " + words.seen_entering + ". The " + words.receiver + " went without." + words.remark;
}

}  // namespace

const Detector control_segment_loss = {
    .kind = FindingKind::control_segment_loss,
    .severity = Severity::warning,
    .informs_others = true,
    .fate_type = FateEventType::control_segment_lost,
    .fate = fate,
    .sentence = sentence,
    .page = {
        .means = "Acknowledgements, FINs or window updates entered the device and never left it. The peer repeats what has long "
                 "been acknowledged, waits for a window that is open, or never learns that the connection is over.",
        .needs = "The connection paired across the device, both points covered, no later packet that says the same and did "
                 "leave, and a sign that somebody went without: the FIN repeated, or data sent again that had been acknowledged.",
        .errs = "A single acknowledgement is never told: a device may thin them out, and the next one makes up for it.",
        .next = "Look at the device's connection tracking: packets taken for invalid or out of window are often dropped without "
                "a log line."}};

}  // namespace parallax::detect
