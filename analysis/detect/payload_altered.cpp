// Segments that left the device with another payload than they entered with.
#include "analysis/detect/detectors.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// Where in the stream of its side the segment begins; empty: the beginning was not seen.
std::optional<uint32_t> offset_of(const Connection& c, const PacketFacts& packet) {
  for (const LegState& leg : c.legs) {
    if (leg.point != packet.point || !leg.has_syn() || (packet.from == Side::server && !leg.syn_ack)) continue;
    const uint32_t first = packet.from == Side::client ? leg.attempts.back().seq : leg.syn_ack->seq;
    return packet.seq - first - 1;
  }
  return std::nullopt;
}

void fate(Connection& c, const FateEvent& event, const DetectorView&, Verdicts& out) {
  Observation o = crossing_observation(
      c, event, FindingKind::payload_altered,
      "segment seq " + std::to_string(event.packet.seq) + " length " + std::to_string(event.packet.payload_length));
  o.evidence.push_back({.kind = "payload",
                        .point = event.absent_at,
                        .port = std::nullopt,
                        .frame = 0,
                        .time_ns = event.packet.time_ns,
                        .detail = "its checksum was changed by another amount than those of the segments before it"});
  if (const auto offset = offset_of(c, event.packet)) {
    o.evidence.back().detail += "; it begins at byte " + std::to_string(*offset) + " of what the " +
                                (event.packet.from == Side::client ? "client" : "server") + " sent";
    o.remark = "the first one begins at byte " + std::to_string(*offset) + ".";
  }
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  return words.device + " altered the payload of " + plural(group.record.count, "data segment") + " from the " + words.sender +
         " of " + words.connections + ": what left is not what entered." + words.example;
}

}  // namespace

const Detector payload_altered = {
    .kind = FindingKind::payload_altered,
    .severity = Severity::warning,
    .fate_type = FateEventType::segment_altered,
    .fate = fate,
    .sentence = sentence,
    .page = {
        .means =
            "TCP segments left the device with other bytes than they entered with, of the same number, and a checksum that fits "
            "them.",
        .needs =
            "The connection followed across the device, and four segments in a row before it of which the device changed the "
            "checksum by the same amount, as rewritten addresses, ports and sequence numbers do; IP IDs that it leaves alone. No "
            "payload is kept.",
        .errs = "Some proxies and application gateways do it on purpose: FTP, SIP, HTTP header rewriting of equal length.",
        .next =
            "Switch off the device's application gateways for that port, and compare the payload in a slice of the finding. A "
            "device that alters at random has bad memory."}};

}  // namespace parallax::detect
