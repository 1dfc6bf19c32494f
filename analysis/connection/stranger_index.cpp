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
  const auto first = packets_.lower_bound(key_of(packet, event.absent_at, from_ns));
  if (first == packets_.end() || first->first > key_of(packet, event.absent_at, to_ns)) return nullptr;
  return &first->second;
}

}  // namespace parallax
