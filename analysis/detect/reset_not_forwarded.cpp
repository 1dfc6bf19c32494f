// A RST that entered the device and never left it: the other end does not know that the connection is over.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/detect/standstills.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// It was that end's data that came after the silence.
bool has_resumed(const Connection& c, Side sender) {
  return std::any_of(c.legs.begin(), c.legs.end(),
                     [sender](const LegState& leg) { return leg.resumed() && leg.resumed()->from == sender; });
}

void fate(Connection& c, const FateEvent& event, const DetectorView&, Verdicts& out) {
  // After a reset of its own the device has forgotten the connection, and so has the end that it told: what the other end's
  // packets are answered with then is no news to anybody.
  if (c.told.contains(FindingKind::reset_by_device)) return;
  // Nor is that with which an end gives up what the device had forgotten, or the other end had reset.
  if (c.told.contains(FindingKind::reset_not_forwarded) && had_been_reset(c, event.packet)) return;
  if (c.told.contains(FindingKind::idle_timeout_drop) && has_resumed(c, event.packet.from)) return;
  c.told.insert(FindingKind::reset_not_forwarded);
  Observation o = fate_observation(c, event, FindingKind::reset_not_forwarded, "RST seq " + std::to_string(event.packet.seq));
  if (c.told.contains(FindingKind::idle_timeout_drop)) {
    o.severity = Severity::info;
    o.remark = "It had forgotten the connection.";
  }
  out.tell(std::move(o));
}

// It is that RST.
FindingKinds explains(const Observation& o) {
  return {o.direction == FindingDirection::client_to_server ? FindingKind::reset_by_client : FindingKind::reset_by_server};
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  return words.device + " did not forward " + plural(group.record.count, "RST") + " from the " + words.sender + " of " +
         words.of_clients + ": " + words.seen_entering + ", so the " + words.receiver + " does not know." + words.remark;
}

}  // namespace

const Detector reset_not_forwarded = {
    .kind = FindingKind::reset_not_forwarded,
    .severity = Severity::warning,
    .other_severities = {{Severity::info, "where the device had forgotten the connection, as idle_timeout_drop tells"}},
    .informs_others = true,
    .explains = explains,
    .fate_type = FateEventType::reset_not_forwarded,
    .fate = fate,
    .sentence = sentence,
    .page = {
        .means = "One end reset the connection, and the device kept that from the other end, which goes on as if nothing had "
                 "happened: its next request runs into a timeout. Told in place of reset_by_client or reset_by_server.",
        .needs = "The connection paired across the device, and the far point covered for the time in which the RST should have "
                 "left.",
        .errs = "A RST that its receiver would ignore (out of window) does no harm when a firewall drops it.",
        .next = "Compare the device's idle timeout with that of the server, and look at its checks of sequence numbers."}};

}  // namespace parallax::detect
