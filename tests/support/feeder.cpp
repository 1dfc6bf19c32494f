#include "tests/support/feeder.h"

#include <array>

namespace parallax::test {

Feeder::Feeder(std::vector<PortChannel*> channels, std::vector<std::unique_ptr<PacketSource>> sources) {
  for (size_t i = 0; i < channels.size(); ++i) ports_.push_back({channels[i], std::move(sources[i]), {}, 0, false});
}

bool Feeder::finished() const {
  for (const Port& port : ports_) {
    if (!port.ended) return false;
  }
  return true;
}

bool Feeder::poll() {
  Port* behind = nullptr;
  for (Port& port : ports_) {
    if (!port.ended && (behind == nullptr || port.channel->watermark_ns < behind->channel->watermark_ns)) behind = &port;
  }
  if (behind == nullptr) return false;
  if (!push_waiting(*behind)) return false;
  if (behind->source->finished()) {
    behind->channel->watermark_ns.store(kAfterAllNs, std::memory_order_release);
    behind->ended = true;
    return true;
  }
  read_burst(*behind, static_cast<PortIndex>(behind - ports_.data()));
  push_waiting(*behind);
  return true;
}

// Returns whether everything is in the rings; only then may the watermark move.
bool Feeder::push_waiting(Port& port) {
  for (; port.next < port.waiting.size(); ++port.next) {
    const Sighting& sighting = port.waiting[port.next];
    const size_t worker = (static_cast<uint64_t>(sighting.flow_hash) * port.channel->rings.size()) >> 32;
    if (!port.channel->rings[worker]->push(sighting)) return false;
  }
  port.waiting.clear();
  port.next = 0;
  if (port.channel->watermark_ns < port.source->watermark_ns() && !port.source->finished()) {
    port.channel->watermark_ns.store(port.source->watermark_ns(), std::memory_order_release);
  }
  return true;
}

void Feeder::read_burst(Port& port, PortIndex index) {
  PortChannel& channel = *port.channel;
  std::array<RawPacket, 32> burst;
  const size_t count = port.source->poll(burst);
  while (const auto loss = port.source->take_loss()) {
    channel.counters.drops[static_cast<size_t>(loss->reason)].add(loss->count);
    channel.loss.add(loss->from_ns, loss->to_ns, loss->count);
  }
  for (const RawPacket& packet : std::span(burst).first(count)) {
    channel.counters.packets.add();
    channel.counters.bytes.add(packet.wire_length);
    if (packet.time_ns < channel.covered_from_ns) channel.covered_from_ns = packet.time_ns;
    if (packet.time_ns > channel.covered_to_ns) channel.covered_to_ns = packet.time_ns;
    Sighting sighting{};
    sighting.time_ns = packet.time_ns;
    sighting.order_ns = channel.covered_to_ns;
    sighting.stamp_uncertainty_ns = packet.stamp_uncertainty_ns;
    sighting.frame = packet.frame;
    sighting.port = index;
    sighting.point = channel.info.point;
    const DecodeError error = decode({packet.data, packet.captured_length, packet.wire_length, packet.link_type}, sighting);
    if (error == DecodeError::none) {
      port.waiting.push_back(sighting);
    } else {
      channel.counters.decode_errors[static_cast<size_t>(error)].add();
    }
  }
}

}  // namespace parallax::test
