#include "tests/support/small_sensor.h"

#include <algorithm>

#include "capture/decode/decode.h"

namespace parallax::test {
namespace {

constexpr size_t kRingSlots = 1 << 14;
constexpr int64_t kMillisecond = 1'000'000;

Address ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) { return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}; }

Sighting segment(int64_t time_ns, uint16_t client_port, bool from_client, uint8_t flags, uint32_t seq, uint32_t ack) {
  Sighting sighting{};
  sighting.time_ns = time_ns;
  sighting.order_ns = time_ns;
  sighting.protocol = ip_protocol::tcp;
  sighting.ttl = 64;
  sighting.window = 64240;
  sighting.tcp_flags = flags;
  sighting.seq = seq;
  sighting.ack = ack;
  sighting.ip_id = static_cast<uint16_t>(client_port * 3 + seq);
  sighting.source = ipv4(192, 0, 2, 1);
  sighting.destination = ipv4(198, 51, 100, 1);
  sighting.source_port = client_port;
  sighting.destination_port = 443;
  if (!from_client) {
    std::swap(sighting.source, sighting.destination);
    std::swap(sighting.source_port, sighting.destination_port);
  }
  sighting.flow_hash = flow_hash(sighting);
  return sighting;
}

}  // namespace

SmallSensor::SmallSensor(size_t dropped, size_t opened) {
  state.name = "test";
  state.version = "0";
  state.started_ns = kStartNs;
  state.path = {"outside", "inside"};
  state.clock_uncertainty_ns = [] { return int64_t{1500}; };
  for (PointIndex point = 0; point < 2; ++point) {
    channels_.push_back(std::make_unique<PortChannel>(
        PortInfo{point == 0 ? "tap0" : "tap1", point, PortDirection::both, "file:test"}, 1, kRingSlots));
    channels_.back()->covered_from_ns = kStartNs - 1'000 * kMillisecond;
    channels_.back()->covered_to_ns = kStartNs + 3'600'000 * kMillisecond;
    state.channels.push_back(channels_.back().get());
  }
  EngineOptions options;
  options.path = state.path;
  options.offline = true;
  options.legs = 4096;
  options.half_open_legs = 2048;
  engine_ = std::make_unique<Engine>(options, state.channels);
  state.engine = engine_.get();

  for (size_t i = 0; i < dropped + opened; ++i) {
    const auto client_port = static_cast<uint16_t>(1024 + i);
    const int64_t start = kStartNs + static_cast<int64_t>(i) * 10 * kMillisecond;
    const auto isn = static_cast<uint32_t>(i * 100'000), server_isn = isn + 7;
    push(0, segment(start, client_port, true, tcp_flag::syn, isn, 0));
    if (i < dropped) continue;
    const uint8_t syn_ack = tcp_flag::syn | tcp_flag::ack;
    push(1, segment(start + kMillisecond, client_port, true, tcp_flag::syn, isn, 0));
    push(1, segment(start + 2 * kMillisecond, client_port, false, syn_ack, server_isn, isn + 1));
    push(0, segment(start + 3 * kMillisecond, client_port, false, syn_ack, server_isn, isn + 1));
    push(0, segment(start + 4 * kMillisecond, client_port, true, tcp_flag::ack, isn + 1, server_isn + 1));
    push(1, segment(start + 5 * kMillisecond, client_port, true, tcp_flag::ack, isn + 1, server_isn + 1));
  }
  for (const auto& channel : channels_) channel->watermark_ns = kTimeMax;
  while (!engine_->finished()) {
    for (Pollable* worker : engine_->workers()) worker->poll();
    engine_->correlator().poll();
  }
}

SmallSensor::~SmallSensor() = default;

void SmallSensor::push(size_t port, const Sighting& segment) {
  Sighting sighting = segment;
  PortChannel& channel = *channels_[port];
  sighting.port = static_cast<PortIndex>(port);
  sighting.point = channel.info.point;
  channel.counters.packets.add();
  channel.counters.bytes.add(60);
  sighting.frame = static_cast<uint32_t>(channel.counters.packets.get());
  channel.rings[0]->push(sighting);
}

}  // namespace parallax::test
