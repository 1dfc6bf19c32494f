#include "analysis/detect/arp_bursts.h"

#include "analysis/finding/evidence.h"
#include "analysis/model/model.h"

namespace parallax {

void ArpBursts::take(const PacketFacts& packet, const Address& sender, const Address& target, const Thresholds& thresholds,
                     std::vector<Observation>& out) {
  const size_t many = thresholds.arp_burst_requests;
  const int64_t within_ns = thresholds.arp_burst_within_ns;
  Station& station = stations_.use({packet.point, sender});
  std::vector<int64_t>& times_ns = station.times_ns;
  if (!times_ns.empty()) {
    if (station.last_target == target) return;  // asked again, or shown again
    if (packet.order_ns > times_ns.back() + within_ns) station = Station{};
  }
  station.last_target = target;
  times_ns.push_back(packet.order_ns);
  if (times_ns.size() > many) times_ns.erase(times_ns.begin(), times_ns.end() - static_cast<ptrdiff_t>(many));
  const int64_t oldest_ns = times_ns.front();
  if (times_ns.size() < many || packet.order_ns > oldest_ns + within_ns) return;
  Observation o;
  o.kind = FindingKind::arp_burst;
  o.where = {Where::Kind::beyond, packet.point, 0};
  o.origin = Origin::unknown;  // a station of that link, client of nobody
  o.source = {sender, 0};
  o.is_of_source = true;
  o.count = station.is_told ? 1 : many;
  o.first_ns = station.is_told ? packet.time_ns : packet.time_ns - (packet.order_ns - oldest_ns);
  o.last_ns = packet.time_ns;
  o.confidence = 0.97;
  o.evidence.push_back(present_at(packet, "ARP request for " + to_string(target)));
  station.is_told = true;
  out.push_back(std::move(o));
}

}  // namespace parallax
