// An rx worker over ports whose packets, losses, outages and watermark a test sets.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <thread>

#include "capture/rx/rx_worker.h"

namespace parallax::test {

// An Ethernet frame with IPv4 and UDP between two ports of fixed hosts.
inline std::vector<uint8_t> udp_frame(uint16_t source_port, uint16_t destination_port = 9) {
  std::vector<uint8_t> frame(60, 0);
  frame[12] = 0x08;
  uint8_t* ip = frame.data() + 14;
  ip[0] = 0x45;
  ip[3] = 46;
  ip[8] = 64;
  ip[9] = 17;
  ip[12] = 10, ip[15] = 1;
  ip[16] = 10, ip[19] = 2;
  uint8_t* udp = ip + 20;
  udp[0] = static_cast<uint8_t>(source_port >> 8), udp[1] = static_cast<uint8_t>(source_port);
  udp[2] = static_cast<uint8_t>(destination_port >> 8), udp[3] = static_cast<uint8_t>(destination_port);
  udp[5] = 26;
  return frame;
}

// A source whose packets, losses and watermark the test sets.
class FakeSource : public PacketSource {
 public:
  struct State {
    std::deque<std::pair<int64_t, std::vector<uint8_t>>> packets;
    std::deque<SourceLoss> losses;
    std::deque<PortOutage> outages;
    bool link_up = true;
    int64_t watermark_ns = kTimeMin;  // live; a file's is its next packet's time
    bool ended = false;
    uint32_t uncertainty_ns = 0;
    int polls = 0;
    bool stamped_on_arrival = false;
    int descriptor = -1;
    int64_t losses_known_ns = kTimeMax;
    bool watermark_is_handed_out = false;  // live: watermark_ns follows
    int64_t handed_out_ns = kTimeMin;
    std::function<void()> while_losses_are_asked;
  };

  FakeSource(State& state, bool is_file) : state_(state), is_file_(is_file) {}

  size_t poll(std::span<RawPacket> burst) override {
    ++state_.polls;
    handed_out_.clear();
    while (handed_out_.size() < burst.size() && !state_.packets.empty()) {
      handed_out_.push_back(std::move(state_.packets.front()));
      state_.packets.pop_front();
    }
    for (size_t i = 0; i < handed_out_.size(); ++i) {
      const auto& [time_ns, bytes] = handed_out_[i];
      const auto length = static_cast<uint32_t>(bytes.size());
      burst[i] = {bytes.data(), length, length, time_ns, state_.uncertainty_ns, ++frame_, LinkType::ethernet};
      state_.handed_out_ns = time_ns;
    }
    if (state_.watermark_is_handed_out) state_.watermark_ns = state_.handed_out_ns;
    return handed_out_.size();
  }
  int64_t watermark_ns() const override {
    if (!is_file_) return state_.watermark_ns;
    return state_.packets.empty() ? kTimeMax : state_.packets.front().first;
  }
  int64_t losses_known_ns() const override { return state_.losses_known_ns; }
  bool stamped_on_arrival() const override { return state_.stamped_on_arrival; }
  int descriptor() const override { return state_.descriptor; }
  bool finished() const override { return is_file_ ? state_.packets.empty() : state_.ended; }
  bool is_file() const override { return is_file_; }
  std::optional<SourceLoss> take_loss() override {
    if (state_.while_losses_are_asked) state_.while_losses_are_asked();
    if (state_.losses.empty()) return std::nullopt;
    const SourceLoss loss = state_.losses.front();
    state_.losses.pop_front();
    return loss;
  }
  std::optional<PortOutage> take_outage() override {
    if (state_.outages.empty()) return std::nullopt;
    const PortOutage outage = state_.outages.front();
    state_.outages.pop_front();
    return outage;
  }
  bool link_up() const override { return state_.link_up; }
  LinkType link_type() const override { return LinkType::ethernet; }

 private:
  State& state_;
  const bool is_file_;
  std::vector<std::pair<int64_t, std::vector<uint8_t>>> handed_out_;
  uint32_t frame_ = 0;
};

// To port 53: its payload of 18 bytes, all `mark`, is handed on.
inline std::vector<uint8_t> dns_frame(uint16_t source_port, uint8_t mark) {
  std::vector<uint8_t> frame = udp_frame(source_port, 53);
  std::fill(frame.begin() + 42, frame.end(), mark);
  return frame;
}

// Ports with their sources, and one worker over them.
struct Bench {
  std::vector<std::unique_ptr<PortChannel>> channels;
  std::vector<std::unique_ptr<FakeSource::State>> states;
  std::vector<RxPort> ports;
  std::unique_ptr<RxWorker> worker;

  FakeSource::State& add(bool is_file, size_t workers = 1, size_t ring_slots = 1024) {
    const auto index = static_cast<PortIndex>(channels.size());
    const std::string name = "port" + std::to_string(index);
    channels.push_back(std::make_unique<PortChannel>(
        PortInfo{.name = name, .point = static_cast<PointIndex>(index % 2), .source = {}}, workers, ring_slots));
    states.push_back(std::make_unique<FakeSource::State>());
    ports.push_back({index, channels.back().get(), std::make_unique<FakeSource>(*states.back(), is_file)});
    return *states.back();
  }
  FakeSource::State& add_live(size_t workers = 1, size_t ring_slots = 1024) { return add(false, workers, ring_slots); }
  FakeSource::State& add_file(size_t workers = 1, size_t ring_slots = 1024) { return add(true, workers, ring_slots); }
  RxWorker& started() {
    if (!worker) worker = std::make_unique<RxWorker>(std::move(ports), options);
    return *worker;
  }
  bool poll() { return started().poll(); }
  bool poll_burst() { return started().poll_burst(); }
  std::vector<Sighting> taken_from(size_t port, size_t ring = 0) {
    SpscRing<Sighting>& from = *channels[port]->rings[ring];
    std::vector<Sighting> sightings;
    for (auto items = from.peek(); !items.empty(); items = from.peek()) {
      sightings.insert(sightings.end(), items.begin(), items.end());
      from.pop(items.size());
    }
    return sightings;
  }
  // Of a port's ring, in step with its sightings.
  std::vector<uint8_t> marks_of(size_t port, const std::vector<Sighting>& sightings) {
    std::vector<uint8_t> marks;
    std::array<uint8_t, kPayloadPrefixBytesMax> buffer;
    for (const Sighting& sighting : sightings) {
      if (!sighting.has(SightingFlag::has_payload_prefix)) continue;
      const auto payload_prefix = channels[port]->payload_prefixes[0]->pop(buffer);
      EXPECT_EQ(payload_prefix.size(), 18u);
      marks.push_back(payload_prefix.empty() ? 0 : payload_prefix.back());
    }
    return marks;
  }
  uint64_t drops(size_t port, DropReason reason) const {
    return channels[port]->counters.drops[static_cast<size_t>(reason)].get();
  }

  RxWorkerOptions options;
};

class FakeSink : public PacketSink {
 public:
  std::vector<std::pair<PortIndex, int64_t>> packets;
  std::vector<std::tuple<PortIndex, int64_t, int64_t>> gaps;
  void append(PortIndex port, const RawPacket& packet) override { packets.emplace_back(port, packet.time_ns); }
  void append_gap(PortIndex port, int64_t from_ns, int64_t to_ns) override { gaps.emplace_back(port, from_ns, to_ns); }
};

}  // namespace parallax::test
