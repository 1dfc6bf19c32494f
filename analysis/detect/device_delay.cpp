// Segments that left the device long after they had entered, and much later than others do: now and then, or as a rule of one
// connection.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/detect/turn_times.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

constexpr uint64_t kTransitsLeast = 8;  // of the connection itself, to know what is usual for it

// What the device mostly takes: of this connection, and of all, whichever is less. A connection of which all is slow knows no
// better.
std::optional<int64_t> usual_ns(const Connection& c, const FateEvent& event, const DetectorView& view) {
  auto usual = view.knowledge.usual_transit_ns(event.packet.point, event.absent_at, c.direction_of(event.packet.from));
  for (const Crossing& crossing : c.crossings) {
    if (!crossing.is_followed || crossing.home != event.home || crossing.pair != event.pair) continue;
    const Distribution own = crossing.stats.get().transit[event.packet.from];
    if (own.count >= kTransitsLeast) usual = std::min(usual.value_or(own.median_ns), own.median_ns);
  }
  return usual;
}

// A clock that was set, or a port that was held up, shows a delay that was none.
bool is_in_time(const Connection& c, const FateEvent& event, const DetectorView& view) {
  const PortDirection ports = port_direction(c.direction_of(event.packet.from));
  const auto in_time = [&](PointIndex point) {
    return view.sensor.in_time(point, ports, event.packet.order_ns, event.decided_ns);
  };
  return event.packet.point != event.absent_at && in_time(event.packet.point) && in_time(event.absent_at);
}

void fate(Connection& c, const FateEvent& event, const DetectorView& view, Verdicts& out) {
  const auto usual = usual_ns(c, event, view);
  const int64_t took_ns = event.decided_ns - event.packet.order_ns;
  if (!usual || took_ns < view.thresholds.device_delay_times_usual * *usual || !is_in_time(c, event, view)) return;
  Observation o = crossing_observation(
      c, event, FindingKind::device_delay,
      "segment seq " + std::to_string(event.packet.seq) + " length " + std::to_string(event.packet.payload_length));
  o.evidence.push_back({.kind = "timing",
                        .point = event.absent_at,
                        .port = std::nullopt,
                        .frame = 0,
                        .time_ns = event.decided_ns,
                        .detail = "left " + duration_of(took_ns) + " later, and others " + duration_of(*usual) + " later"});
  const uint64_t leg = c.legs.front().id.value();
  out.held.push_back({std::move(o),
                      leg << 1 | (event.packet.from == Side::server ? 1 : 0),
                      {event.packet.order_ns, event.decided_ns, *usual, event.packet.seq}});
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const double lost = group.record.time_lost_seconds.value_or(0);
  return words.device + " delayed data from the " + words.sender + " of " + words.connections + " " +
         plural(group.record.count, "time") + ", by " +
         seconds_of(lost / static_cast<double>(std::max<uint64_t>(1, group.record.count))) + " on average and " +
         seconds_of(lost) + " in all: far longer than it usually takes." + words.remark;
}

}  // namespace

const Detector device_delay = {
    .kind = FindingKind::device_delay,
    .severity = Severity::warning,
    .informs_others = true,
    .fate_type = FateEventType::segment_held,
    .fate = fate,
    .sentence = sentence,
    .page = {
        .means = "TCP segments left the device a tenth of a second or more after they had entered it, which is many times longer "
                 "than it mostly takes.",
        .needs = "The connection followed across the device, IP IDs that it leaves alone (or else a copy that was sent again "
                 "could be taken for the first one), stamps that are certain to 20 ms, and within {device_delay_within} "
                 "{device_delay_holds} times that segments were held for 0.1 s or more and for {device_delay_times_usual} times "
                 "the median of the connection, or of the medians of all connections across the device.",
        .errs = "Whatever else is between the two points is called the device. A queue in front of a narrow link, which all "
                "packets of the connection wait in, is told only where other connections do not.",
        .next = "Look at the device's load at these times, at what it inspects of that traffic, and at its queues."}};

}  // namespace parallax::detect
