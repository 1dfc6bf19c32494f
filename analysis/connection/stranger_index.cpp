#include "analysis/connection/stranger_index.h"

#include <algorithm>

namespace parallax {

void StrangerIndex::add(const LegEvent& event) {
  if (by_age_.size() >= capacity_) {
    packets_.erase(by_age_.front());
    by_age_.pop_front();
    ++evicted_;
  }
  const bool from_client = event.packet.from == Side::client;
  by_age_.push_back(packets_.insert({key_of(event.packet, event.packet.point, event.packet.order_ns),
                                     {.packet = event.packet,
                                      .source = from_client ? event.client : event.server,
                                      .destination = from_client ? event.server : event.client}}));
}

const Stranger* StrangerIndex::find(const FateEvent& event, int64_t device_timeout_ns) const {
  const PacketFacts& packet = event.packet;
  // Where it was made by the device, it should have come before; where it was lost, after.
  const int64_t from_ns = packet.order_ns - device_timeout_ns - packet.stamp_uncertainty_ns;
  const int64_t to_ns = packet.order_ns + device_timeout_ns + packet.stamp_uncertainty_ns;
  // What refuses a SYN has no number of its own, and who scans gives all its SYNs one: then it takes the IP ID.
  const bool takes_id = (packet.tcp_flags & tcp_flag::rst) && packet.seq == 0;
  const auto end = packets_.upper_bound(key_of(packet, event.absent_at, to_ns));
  for (auto it = packets_.lower_bound(key_of(packet, event.absent_at, from_ns)); it != end; ++it) {
    if (!takes_id || (packet.ip_id != 0 && packet.ip_id == it->second.packet.ip_id)) return &it->second;
  }
  return nullptr;
}

}  // namespace parallax
