// A point whose ports are configured the wrong way round: what the one is said to show toward the inside comes from there.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

constexpr auto kKind = FindingKind::ports_swapped;

PortDirection port_of(const PacketFacts& packet, const DetectorView& view) {
  return view.sensor.channels()[packet.port]->info.direction;
}

// The same SYN at two points, toward the inside by the one's port and toward the outside by the other's.
struct Contradiction {
  const PacketFacts *outer = nullptr, *inner = nullptr;
};
Contradiction contradiction_of(const Connection& c, const DetectorView& view) {
  for (const Crossing& crossing : c.crossings) {
    const LegState &a = c.legs[crossing.client_leg], &b = c.legs[crossing.server_leg];
    if (crossing.is_proxied || a.point == b.point || !a.has_syn() || !b.has_syn()) continue;
    const PacketFacts *outer = &a.attempts.front(), *inner = &b.attempts.front();
    if (outer->point > inner->point) std::swap(outer, inner);
    const PortDirection first = port_of(*outer, view), second = port_of(*inner, view);
    if (first != second && first != PortDirection::both && second != PortDirection::both) return {outer, inner};
  }
  return {};
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  if (c.evicted || c.crossings.empty() || c.told.contains(kKind)) return kTimeMax;
  const Contradiction found = contradiction_of(c, view);
  return found.outer == nullptr ? kTimeMax
                                : std::max(found.outer->order_ns, found.inner->order_ns) + view.options.device_timeout_ns;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (due_ns(c, view) > view.now_ns) return;
  c.told.insert(kKind);
  const auto [outer, inner] = contradiction_of(c, view);
  // Each device on the way lowers the TTL. Where none does, nothing tells which of the two is wrong.
  if (outer->ttl == inner->ttl) return;
  const PortDirection travels = outer->ttl > inner->ttl ? PortDirection::toward_inside : PortDirection::toward_outside;
  const PacketFacts& wrong = port_of(*outer, view) == travels ? *inner : *outer;
  Observation o;
  o.kind = kKind;
  o.where = beyond(wrong.point);
  o.origin = Origin::sensor;
  o.port = wrong.port;
  o.connection_id = c.id;
  o.first_ns = o.last_ns = wrong.time_ns;
  o.confidence = kInferred;
  for (const PacketFacts* packet : {outer, inner})
    o.evidence.push_back(present_at(
        *packet, "SYN by port " + view.sensor.channels()[packet->port]->info.name + ", ttl " + std::to_string(packet->ttl)));
  out.tell(std::move(o));
}

// Whether another port of the point is to show the other direction.
bool has_other_way(const PortInfo& port, const DetectorView& view) {
  const auto& channels = view.sensor.channels();
  return std::any_of(channels.begin(), channels.end(), [&](const PortChannel* other) {
    return other->info.point == port.point && other->info.direction != port.direction &&
           other->info.direction != PortDirection::both;
  });
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const std::string point = view.options.path[group.record.where.first];
  const PortInfo& port = view.sensor.channels()[*group.port]->info;
  const bool inward = port.direction == PortDirection::toward_inside;
  return "Port " + port.name + " at " + point + " is configured as toward the " + (inward ? "inside" : "outside") +
         ", but by their TTLs the SYNs of " + plural(group.connections, "connection") + " passed it on their way to the " +
         (inward ? "outside" : "inside") + ": " +
         (has_other_way(port, view) ? "the ports of that TAP are the wrong way round." : "its direction is the wrong one.");
}

}  // namespace

const Detector ports_swapped = {
    .kind = kKind,
    .severity = Severity::warning,
    .protocol = Protocol::tcp,
    .needs = sign::crossed,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means =
            "A port that carries one direction is configured as the other: of the two ports of a TAP mostly each as the other.",
        .needs =
            "SYNs that two points show, toward the inside by the port of the one and toward the outside by that of the other, "
            "and a TTL that fell on the way between them.",
        .errs = "Two wrong points agree with each other: then nothing shows it. A packet that is routed back over the same link "
                "may look so once.",
        .next =
            "Mend the port's direction in the configuration, or swap the two cables. Until then whatever is said of directions "
            "at that point is wrong."}};

}  // namespace parallax::detect
