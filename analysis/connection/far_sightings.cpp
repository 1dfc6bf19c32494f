#include "analysis/connection/far_sightings.h"

#include <algorithm>

#include "analysis/model/sequence.h"

namespace parallax {
namespace {

constexpr uint8_t kShapeFlags = tcp_flag::syn | tcp_flag::fin | tcp_flag::rst;

}  // namespace

// Its bytes, in the numbering of the point between the two, or some of them; a packet that takes none counts as one, at its
// place.
bool FarSightings::is_same(const FateEvent& missed, const Seen& seen) {
  const PacketFacts &a = missed.packet, &b = seen.packet;
  if (a.point == b.point || ((a.tcp_flags ^ b.tcp_flags) & kShapeFlags) || (a.payload_length > 0) != (b.payload_length > 0))
    return false;
  if (a.tcp_flags & tcp_flag::rst) return true;  // of one direction and time there are no two; a device may change its number
  const auto end = [](uint32_t seq, const PacketFacts& packet) { return seq + std::max<uint32_t>(1, packet.payload_length); };
  return sequence_before(missed.seq_at_absent, end(seen.seq_at_absent, b)) &&
         sequence_before(seen.seq_at_absent, end(missed.seq_at_absent, a));
}

void FarSightings::add(const FateEvent& event, uint64_t leg) {
  const auto at =
      packets_.insert({{leg, event.packet.from, event.packet.order_ns},
                       {.packet = event.packet, .seq_at_absent = event.seq_at_absent, .pair = event.pair, .home = event.home}});
  if (offline_) return;
  by_age_.push_back(at);
  if (by_age_.size() <= kPacketsMax) return;
  packets_.erase(by_age_.front());
  by_age_.pop_front();
  ++evicted_;
}

bool FarSightings::any(const FateEvent& event, uint64_t leg, int64_t device_timeout_ns,
                       const std::function<bool(uint8_t home, uint32_t pair)>& stands) const {
  const PacketFacts& packet = event.packet;
  const int64_t reach_ns = device_timeout_ns + packet.stamp_uncertainty_ns;
  const auto end = packets_.upper_bound({leg, packet.from, packet.order_ns + reach_ns});
  for (auto it = packets_.lower_bound({leg, packet.from, packet.order_ns - reach_ns}); it != end; ++it) {
    if (is_same(event, it->second) && stands(it->second.home, it->second.pair)) return true;
  }
  return false;
}

}  // namespace parallax
