// A SYN flood beside established connections, live: what a SYN of a stranger costs, that memory does not grow with them, and that
// the connections are followed as if nothing were.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "analysis/engine.h"
#include "benchmarks/figures.h"
#include "benchmarks/traffic.h"
#include "capture/rx/rx_worker.h"
#include "tests/support/packet_builder.h"

namespace parallax::bench {
namespace {

constexpr uint32_t kConnections = 1000;

// SYNs to one service, each from an address that no other has, spread evenly over a time, which the others outlast.
class FloodSource : public PacketSource {
 public:
  static constexpr uint64_t kSourcesMost = 1 << 24;

  // REQUIRES: at most kSourcesMost sources.
  FloodSource(uint64_t sources, int64_t begin_ns, int64_t end_ns)
      : sources_(sources),
        begin_ns_(begin_ns),
        length_ns_(end_ns - begin_ns),
        pattern_(test::tcp_frame({.source = test::address("11.0.0.0"), .destination = test::address("198.51.100.80")},
                                 {.source_port = 1024, .destination_port = 443, .flags = tcp_flag::syn, .mss = 1460})) {}
  void raise_limit(uint64_t packets) { limit_ = packets; }

  size_t poll(std::span<RawPacket> burst) override {
    constexpr size_t kSource = 26, kSeq = 38;  // of the frame
    size_t count = 0;
    for (; count < std::min(burst.size(), frames_.size()) && next_ < limit_; ++count, ++next_) {
      uint8_t* frame = frames_[count].data();
      std::memcpy(frame, pattern_.data(), pattern_.size());
      for (size_t byte = 1; byte < 4; ++byte) {
        frame[kSource + byte] = static_cast<uint8_t>(next_ >> (8 * (3 - byte)));
        frame[kSeq + byte] = static_cast<uint8_t>(~frame[kSource + byte]);  // so that the checksum stays right
      }
      frame[kSeq] = 0xff;
      const auto length = static_cast<uint32_t>(pattern_.size());
      burst[count] = {frame, length, length, time_ns(next_), 0, static_cast<uint32_t>(next_ + 1), LinkType::ethernet};
    }
    return count;
  }
  int64_t watermark_ns() const override { return next_ == sources_ ? kTimeMax - 1 : time_ns(next_); }
  bool is_file() const override { return true; }  // it is waited for
  LinkType link_type() const override { return LinkType::ethernet; }

 private:
  int64_t time_ns(uint64_t number) const {
    return begin_ns_ + length_ns_ * static_cast<int64_t>(number) / static_cast<int64_t>(sources_);
  }

  const uint64_t sources_;
  const int64_t begin_ns_, length_ns_;
  const test::Frame pattern_;
  std::array<std::array<uint8_t, 128>, 64> frames_;
  uint64_t next_ = 0, limit_ = 0;
};

double resident_mib() {
  uint64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

// Connections through a NAT go on while strangers send SYNs at its outer side.
void syn_flood(benchmark::State& state, uint64_t sources) {
  const Traffic traffic({Sides::two_nat, kConnections, Traffic::kWarmUpRounds + (tiny ? 2 : 60) * Traffic::kCycle});
  for (auto _ : state) {
    EngineOptions options;
    options.path = {"outside", "inside"};
    std::vector<std::unique_ptr<PortChannel>> channels;
    std::vector<PortChannel*> pointers;
    std::vector<RxPort> ports;
    const auto add = [&](PointIndex point, auto source) {
      channels.push_back(
          std::make_unique<PortChannel>(PortInfo{options.path[point], point, PortDirection::both, "memory"}, 1, 4096));
      pointers.push_back(channels.back().get());
      auto* added = source.get();
      ports.push_back({static_cast<PortIndex>(ports.size()), pointers.back(), std::move(source)});
      return added;
    };
    std::array<TrafficSource*, 2> served{};
    for (PointIndex point = 0; point < 2; ++point) served[point] = add(point, std::make_unique<TrafficSource>(traffic, point));
    FloodSource* flood = add(0, std::make_unique<FloodSource>(sources, traffic.time_ns(0, traffic.warm_up_packets()),
                                                              traffic.time_ns(0, traffic.packets() - kConnections)));
    RxWorker rx_worker(std::move(ports), RxWorkerOptions{});
    Engine engine(options, pointers);
    std::vector<Pollable*> stages{&rx_worker};
    for (Pollable* worker : engine.workers()) stages.push_back(worker);
    stages.push_back(&engine.correlator());
    const auto run = [&] {
      for (int idle = 0; idle < 16; ++idle) {
        for (Pollable* stage : stages) {
          if (stage->poll()) idle = 0;
        }
      }
    };
    const auto run_to = [&](uint64_t served_packets, uint64_t syns) {
      for (TrafficSource* source : served) source->raise_limit(served_packets);
      flood->raise_limit(syns);
      run();
    };
    run_to(traffic.warm_up_packets(), 0);
    const int64_t begin_ns = thread_time_ns();
    run_to(traffic.warm_up_packets() + traffic.measured_packets() / 10, sources / 10);
    const double early_mib = resident_mib();
    run_to(traffic.packets(), sources);
    const int64_t took_ns = thread_time_ns() - begin_ns;
    state.SetIterationTime(static_cast<double>(took_ns) * 1e-9);
    const uint64_t packets = sources + 2 * traffic.measured_packets();
    state.counters["ns_per_packet"] = static_cast<double>(took_ns) / static_cast<double>(packets);
    state.counters["MiB_after_a_tenth"] = early_mib;
    state.counters["MiB"] = resident_mib();
    std::string bounds;
    for (const std::string& bound : engine.summary().bounds_hit) bounds += (bounds.empty() ? "" : "; ") + bound;
    state.SetLabel(bounds);
    if (engine.points()[0].packets != sources + traffic.packets())
      state.SkipWithError(("analysed " + std::to_string(engine.points()[0].packets)).c_str());
    if (engine.summary().paired_connections != kConnections) state.SkipWithError("not all were paired");
    uint64_t forwarded = 0;
    for (const DeviceRecord& device : engine.devices()) {
      for (const DeviceTraffic& one : device.traffic) forwarded += one.forwarded;
    }
    state.counters["forwarded"] = static_cast<double>(forwarded);
    state.counters["crossed"] = static_cast<double>(traffic.packets());
  }
}

}  // namespace

void register_flood() {
  const uint64_t sources = tiny ? 20'000 : 10'000'000;
  benchmark::RegisterBenchmark("SynFlood", [sources](benchmark::State& state) { syn_flood(state, sources); })
      ->UseManualTime()
      ->Iterations(1)
      ->Unit(benchmark::kMillisecond);
}

}  // namespace parallax::bench
