// What comes out of a device stands twice behind it, and once before it: the device sends it twice, or the capture behind it
// shows it twice. A capture does so with most packets of a direction: a copy here and there, of what entered once, is the
// device's. Where there are many, which of the two it is cannot be told from the packets, so that it is a fact without blame.
// Where the capture alone can be the cause, duplicate_capture says so and comes first.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

struct Doubled {
  PointIndex before, behind;  // in the direction of travel
  Direction travel;
};

// Null: nothing is doubled behind a device alone.
std::optional<Doubled> doubled_at(const CaptureTotals& totals, PointIndex point, size_t points) {
  for (const Direction travel : kDirections) {
    const bool inward = travel == Direction::toward_inside;
    if (inward ? point == 0 : point + 1u == points) continue;
    const auto before = static_cast<PointIndex>(inward ? point - 1 : point + 1);
    if (totals.at(point).is_doubled(travel) && !totals.at(before).is_doubled(travel)) return Doubled{before, point, travel};
  }
  return std::nullopt;
}

void sum_up(CaptureTotals& totals, const DetectorView& view, Verdicts& out) {
  for (size_t i = 0; i < view.options.path.size(); ++i) {
    CaptureTotals::Point& p = totals.at(static_cast<PointIndex>(i));
    if (p.copied.empty()) continue;
    const auto doubled = doubled_at(totals, static_cast<PointIndex>(i), view.options.path.size());
    if (!doubled) continue;
    Observation form;
    form.kind = FindingKind::duplicated_by_device;
    form.where = {Where::Kind::between, doubled->before, doubled->behind};
    form.confidence = 0.45;
    p.copied.tell(form, out.told, [travel = doubled->travel](Observation& o, const CaptureTotals::Copies& of) {
      o.count = of.copies[travel];
      o.attempts = of.packets[travel];
    });
  }
}

void fate(Connection& c, const FateEvent& event, const DetectorView&, Verdicts& out) {
  const PacketFacts& packet = event.packet;
  const std::string what = packet.payload_length > 0 ? "segment" : "packet";
  Observation o = fate_observation(c, event, FindingKind::duplicated_by_device,
                                   "copy of the " + what + " seq " + std::to_string(packet.seq) + " length " +
                                       std::to_string(packet.payload_length) + " ack " + std::to_string(packet.ack));
  o.confidence = 0.9;
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  if (group.record.origin == Origin::device) {
    const SentenceWords words(group, view.options.path);
    return words.device + " duplicated " + plural(group.record.count, "packet") + " from the " + words.sender + " of " +
           words.connections + ": seen once at " + words.source + ", twice at " + words.target + "." + words.remark;
  }
  const Where& where = group.record.where;
  const std::string &before = view.options.path[where.first], &behind = view.options.path[where.second];
  const uint64_t copies = group.record.count;
  return std::to_string(copies) + " of " + plural(group.attempts - std::min(group.attempts, copies), "packet") + " from " +
         before + " were seen once there and twice at " + behind + ": the device between duplicates them, or the capture at " +
         behind + " shows them twice. They count neither as retransmissions nor as losses.";
}

}  // namespace

const Detector duplicated_by_device = {
    .kind = FindingKind::duplicated_by_device,
    .severity = Severity::notice,
    .fate_type = FateEventType::duplicated,
    .fate = fate,
    .sum_up = sum_up,
    .sentence = sentence,
    .page = {
        .means = "Packets stand twice behind a device and once before it.",
        .needs = "The device is named where the connection is followed across it, the point before it has seen the packet once, "
                 "and less than a quarter of the direction's packets come twice. Without blame: at least 20 copies, at least one "
                 "packet in ten of the connections concerned, and a point before the device that shows them once.",
        .errs = "A capture inside the device (netmap, an inline IPS) shows what leaves it twice, though it is on the wire once.",
        .next = "Look whether the receiver answers the copies with duplicate acknowledgements: then they are on the wire. Else "
                "capture on the link instead of on the device."}};

}  // namespace parallax::detect
