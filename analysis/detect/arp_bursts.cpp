#include "analysis/detect/arp_bursts.h"

#include <algorithm>

#include "analysis/finding/evidence.h"
#include "analysis/model/model.h"

namespace parallax {

void ArpBursts::take(const PacketFacts& packet, const Address& sender, const Address& target, std::vector<Observation>& out) {
  Station& station = stations_.use({packet.point, sender});
  if (station.count > 0 && station.last_target == target) return;  // asked again, or shown again
  const int64_t newest_ns = station.times_ns[(station.next + kMany - 1) % kMany];
  if (station.count > 0 && packet.order_ns > newest_ns + kWithinNs) station = Station{};
  station.last_target = target;
  station.times_ns[station.next] = packet.order_ns;
  station.next = (station.next + 1) % kMany;
  station.count = std::min(station.count + 1, kMany);
  const int64_t oldest_ns = station.times_ns[station.count < kMany ? 0 : station.next];
  if (station.count < kMany || packet.order_ns > oldest_ns + kWithinNs) return;
  Observation o;
  o.kind = FindingKind::arp_burst;
  o.where = {Where::Kind::beyond, packet.point, 0};
  o.origin = Origin::unknown;  // a station of that link, client of nobody
  o.source = {sender, 0};
  o.is_of_source = true;
  o.count = station.is_told ? 1 : kMany;
  o.first_ns = station.is_told ? packet.time_ns : packet.time_ns - (packet.order_ns - oldest_ns);
  o.last_ns = packet.time_ns;
  o.confidence = 0.97;
  o.evidence.push_back(present_at(packet, "ARP request for " + to_string(target)));
  station.is_told = true;
  out.push_back(std::move(o));
}

}  // namespace parallax
