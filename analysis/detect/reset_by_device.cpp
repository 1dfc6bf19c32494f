// A RST that left the device and never entered it.
#include "analysis/detect/detectors.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/detect/idle_drop.h"
#include "analysis/detect/reset_by_end.h"
#include "analysis/finding/evidence.h"

namespace parallax::detect {
namespace {

void fate(Connection& c, const FateEvent& event, const DetectorView& view, Verdicts& out) {
  // A device that resets tells both ends, and after an end's own reset it does no harm: one finding a connection.
  if (reset_is_told(c) || tells_idle_drop(c, event, view, out)) return;
  c.told.insert(FindingKind::reset_by_device);
  Observation o = fate_observation(c, event, FindingKind::reset_by_device, "RST seq " + std::to_string(event.packet.seq));
  if (event.packet.from == Side::server) {
    if (auto ttl = foreign_ttl(event.packet, c.client_leg().server.address, view.knowledge))
      o.evidence.push_back(std::move(*ttl));
  }
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  return words.device + " reset " + words.of_clients + ": a RST toward the " + words.receiver + " was " + words.seen_leaving +
         "." + words.remark;
}

}  // namespace

const Detector reset_by_device = {
    .kind = FindingKind::reset_by_device,
    .severity = Severity::warning,
    .informs_others = true,
    .fate_type = FateEventType::reset_by_device,
    .fate = fate,
    .sentence = sentence,
    .page = {.means = "The device reset a connection in the name of one of its ends: the RST left it and never entered it.",
             .needs =
                 "The connection paired across the device, and the point at which the RST should have entered covered for that "
                 "time.",
             .errs = "A RST that came by a path around the near point would look the same.",
             .next = "Look at the device's policy, inspection and idle-timeout logs for that time."}};

}  // namespace parallax::detect
