// SACK blocks that a device which moves sequence numbers has left as they were, or has moved otherwise than the acknowledgement.
#include "analysis/detect/detectors.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

std::string block(uint32_t left, uint32_t right) { return std::to_string(left) + ":" + std::to_string(right); }

// The shorter way round.
std::string moved(uint32_t offset) {
  const auto distance = static_cast<int32_t>(offset);
  return distance == 0 ? "not moved" : (distance > 0 ? "moved by +" : "moved by ") + std::to_string(distance);
}

void fate(Connection& c, const FateEvent& event, const DetectorView&, Verdicts& out) {
  const SackCrossing& sack = event.sack;
  const uint32_t ack_moved = sack.ack - event.packet.ack, block_moved = sack.left - sack.left_entered;
  Observation o = crossing_observation(
      c, event, FindingKind::sack_not_translated,
      "ack " + std::to_string(event.packet.ack) + ", SACK block " + block(sack.left_entered, sack.right_entered));
  o.evidence.push_back({.kind = "sequence",
                        .point = event.absent_at,
                        .port = std::nullopt,
                        .frame = 0,
                        .time_ns = event.decided_ns,
                        .detail = "left with ack " + std::to_string(sack.ack) + ", " + moved(ack_moved) + ", and SACK block " +
                                  block(sack.left, sack.right) + ", " + moved(block_moved) + ": right would be " +
                                  block(sack.left_entered + ack_moved, sack.right_entered + ack_moved) +
                                  "; the sender has never sent what the block names"});
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  return words.device + " translates the sequence numbers of " + words.connections + " but not the SACK blocks of " +
         plural(group.record.count, "ACK") + " from the " + words.sender + ": at " + words.target +
         " they name bytes never sent." + words.remark;
}

}  // namespace

const Detector sack_not_translated = {
    .kind = FindingKind::sack_not_translated,
    .severity = Severity::warning,
    .fate_type = FateEventType::sack_not_translated,
    .fate = fate,
    .sentence = sentence,
    .page = {
        .means = "The device gives connections other sequence numbers (ISN randomization) and moves the acknowledgement number "
                 "accordingly, but not the SACK blocks in the same segment. What reaches the sender names bytes that it never "
                 "sent: after each loss it sends again too much, or only after a timeout.",
        .needs = "The connection followed across the device with the offsets of both directions known and not 0, and an "
                 "acknowledgement with SACK blocks seen at both points: its first block lies within what was sent where it "
                 "enters, and outside of it where it leaves.",
        .errs = "It rests on no absence. Where the device gives packets new IP IDs, only blocks that were not moved at all, or "
                "by the other direction's offset, are told.",
        .next = "Switch off sequence number randomization on the device, or update it; until then switch off SACK on the hosts "
                "or let the device strip the option."}};

}  // namespace parallax::detect
