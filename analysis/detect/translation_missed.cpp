// A packet that left the device under an address that it should have rewritten.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/address_text.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// Whether the packet bears the name that the connection has at that point: then it is one of its own, of a leg that the sensor
// has lost sight of. It was not lost, and nothing was wrong with its translation.
bool bears_own_name(const Connection& c, const Stranger& stranger) {
  return std::any_of(c.legs.begin(), c.legs.end(), [&](const LegState& leg) {
    return leg.point == stranger.packet.point && ((leg.client == stranger.source && leg.server == stranger.destination) ||
                                                  (leg.client == stranger.destination && leg.server == stranger.source));
  });
}

void fate(Connection& c, const FateEvent& event, const DetectorView& view, Verdicts& out) {
  const Stranger* stranger = view.strangers.find(event, view.options.device_timeout_ns);
  if (stranger == nullptr || bears_own_name(c, *stranger)) return;
  const std::string name = "seq " + std::to_string(event.packet.seq) + " length " + std::to_string(event.packet.payload_length);
  Observation o = fate_observation(c, event, FindingKind::translation_missed, name);
  o.evidence.pop_back();  // it is not absent there: it bears another name
  o.evidence.push_back(present_at(stranger->packet, "the same packet, untranslated: " + to_string(stranger->source) + " > " +
                                                        to_string(stranger->destination)));
  out.tell(std::move(o));
}

// Its receiver's RST answers it.
FindingKinds explains(const Observation& o) {
  return {o.direction == FindingDirection::client_to_server ? FindingKind::reset_by_server : FindingKind::reset_by_client};
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  return words.device + " forwarded " + plural(group.record.count, "packet") + " from the " + words.sender + " of " +
         words.connections + " without translation, as seen at " + words.target + ": the " + words.receiver +
         " knows no such connection." + words.remark;
}

}  // namespace

const Detector translation_missed = {
    .kind = FindingKind::translation_missed,
    .severity = Severity::warning,
    .informs_others = true,
    .explains = explains,
    .fate_type = FateEventType::left_untranslated,
    .fate = fate,
    .sentence = sentence,
    .page = {
        .means = "A packet of a translated connection left the device with addresses or ports that were not rewritten. Its "
                 "receiver knows no such connection and answers with a RST, of which reset_by_client or reset_by_server "
                 "does not tell then.",
        .needs = "The connection paired across the device, and the untranslated packet seen at the far point: the same sequence "
                 "and acknowledgement number, length, flags and IP ID.",
        .errs = "Two packets that agree in all of these by chance.",
        .next = "Connection tracking that takes a packet for invalid forwards it without translation: drop invalid packets, or "
                "let it be liberal about windows (nf_conntrack_tcp_be_liberal)."}};

}  // namespace parallax::detect
