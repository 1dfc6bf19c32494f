#include "analysis/connection/stranger_index.h"

#include <algorithm>

namespace parallax {
namespace {

// How far a leg that goes on may have come, in either direction's numbers: by chance two are as near once in a thousand.
constexpr uint32_t kNear = 1 << 26;
bool is_near(uint32_t a, uint32_t b) { return a - b < kNear || b - a < kNear; }

}  // namespace

void StrangerIndex::add(const LegEvent& event) {
  if (event.type == LegEventType::goes_on) return note_going_on(event);
  if (by_age_.size() >= capacity_) {
    const PacketFacts& oldest = by_age_.front()->second.packet;
    int64_t& forgotten_ns = forgotten_until_ns_.try_emplace(kind_of(oldest, oldest.point), kTimeMin).first->second;
    forgotten_ns = std::max(forgotten_ns, oldest.order_ns);
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

void StrangerIndex::note_going_on(const LegEvent& event) {
  if (!going_on_.try_emplace(event.leg.value(), GoingOn{event.packet, kTimeMax}).second) return;
  going_on_by_age_.push_back(event.leg.value());
  if (going_on_by_age_.size() <= going_on_capacity_) return;
  const auto oldest = going_on_.find(going_on_by_age_.front());
  evicted_ += oldest->second.until_ns == kTimeMax;
  going_on_.erase(oldest);
  going_on_by_age_.pop_front();
}

void StrangerIndex::end(const LegEvent& event) {
  if (const auto stranger = going_on_.find(event.leg.value()); stranger != going_on_.end())
    stranger->second.until_ns = event.packet.order_ns;
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

bool StrangerIndex::may_hide(const FateEvent& event, const Connection& connection, const ConnectionStore& store,
                             int64_t device_timeout_ns) const {
  const PacketFacts& packet = event.packet;
  const int64_t slack_ns = device_timeout_ns + packet.stamp_uncertainty_ns;
  if (const auto forgotten = forgotten_until_ns_.find(kind_of(packet, event.absent_at));
      forgotten != forgotten_until_ns_.end() && packet.order_ns - slack_ns <= forgotten->second)
    return true;
  return std::any_of(going_on_.begin(), going_on_.end(), [&](const auto& entry) {
    const auto& [leg, stranger] = entry;
    const PacketFacts& since = stranger.since;
    return since.point == event.absent_at && since.order_ns <= packet.order_ns + slack_ns &&
           stranger.until_ns >= packet.order_ns - slack_ns && is_near(since.seq, packet.seq) && is_near(since.ack, packet.ack) &&
           store.place_of(leg).connection_id != connection.id;
  });
}

}  // namespace parallax
