// A live engine of two points that is given one packet at a time, and a clock of packet time.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "analysis/engine.h"
#include "analysis/leg/leg.h"
#include "capture/decode/decode.h"

namespace parallax::test {

class LiveSensor {
 public:
  static constexpr int64_t kStartNs = 1'700'000'000'000'000'000, kMs = 1'000'000;

  // `options`: all but what a live sensor of two points has anyway.
  explicit LiveSensor(size_t workers, size_t findings = 4096, EngineOptions options = {}) : workers_(workers) {
    for (PointIndex point = 0; point < 2; ++point) {
      channels_.push_back(std::make_unique<PortChannel>(
          PortInfo{point == 0 ? "tap0" : "tap1", point, PortDirection::both, "test"}, workers, kRingSlots));
      channels_.back()->covered_from_ns = kStartNs - 1000 * kMs;
    }
    options.path = {"outside", "inside"};
    options.workers = workers;
    options.legs = 256;
    options.findings = findings;
    engine_ = std::make_unique<Engine>(options, std::vector<PortChannel*>{channels_[0].get(), channels_[1].get()});
  }
  Engine& engine() { return *engine_; }
  std::vector<PortChannel*> channels() const { return {channels_[0].get(), channels_[1].get()}; }
  int64_t now_ns() const { return now_ns_; }

  // A TCP segment, stamped so much before now.
  void show(PointIndex point, Sighting s, int64_t early_ns = 0) {
    s.time_ns = s.order_ns = now_ns_ - early_ns;
    s.port = s.point = point;
    s.protocol = ip_protocol::tcp;
    s.ttl = static_cast<uint8_t>(64 - point);
    s.window = 64240;
    s.flow_hash = flow_hash(s);
    s.frame = ++frame_;
    if (!channels_[point]->rings[s.flow_hash % workers_]->push(s)) ADD_FAILURE() << "ring full";
  }
  void advance(int64_t ns, int64_t step_ns = 10 * kMs) {
    for (const int64_t until_ns = now_ns_ + ns; now_ns_ < until_ns;) {
      now_ns_ += step_ns;
      for (auto& channel : channels_) {
        channel->covered_to_ns = now_ns_;
        channel->watermark_ns = now_ns_ - kMs;
      }
      for (int i = 0; i < 4; ++i) {
        for (Pollable* worker : engine_->workers()) worker->poll();
        engine_->correlator().poll();
      }
    }
  }

 private:
  static constexpr size_t kRingSlots = 1 << 10;
  const size_t workers_;
  int64_t now_ns_ = kStartNs;
  uint32_t frame_ = 0;
  std::vector<std::unique_ptr<PortChannel>> channels_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace parallax::test
