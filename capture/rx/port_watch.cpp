#include "capture/rx/port_watch.h"

#include <algorithm>

namespace parallax {

PortWatch::PortWatch(std::vector<PortChannel*> channels) : channels_(std::move(channels)), packets_seen_(channels_.size()) {}

void PortWatch::look() {
  // First the watermarks: the counters then hold at least what came before them.
  int64_t until_ns = kTimeMax;
  for (const PortChannel* channel : channels_) {
    until_ns = std::min(until_ns, channel->watermark_ns.load(std::memory_order_acquire));
  }
  if (until_ns == kTimeMin || until_ns == kTimeMax) return;  // not begun, or over
  if (!activity_) {
    std::vector<PortActivity::Port> ports;
    for (const PortChannel* channel : channels_) ports.push_back({channel->info.point, channel->info.direction});
    activity_.emplace(std::move(ports), until_ns);
  }
  for (size_t i = 0; i < channels_.size(); ++i) {
    const auto port = static_cast<PortIndex>(i);
    const uint64_t packets = channels_[i]->counters.packets.get();
    activity_->count(port, packets - packets_seen_[i], channels_[i]->last_packet_ns.load(std::memory_order_relaxed));
    packets_seen_[i] = packets;
    if (channels_[i]->watermark_ns.load(std::memory_order_relaxed) == kTimeMax) activity_->end(port);
  }
  for (const PortActivity::Change& change : activity_->advance(until_ns)) channels_[change.port]->silences.add(change.silence);
}

}  // namespace parallax
