// The floor F, and the whole pipeline from frames in memory, in processor time a packet, on one thread (run to completion).
//
// A packet is a sighting at one point: what crosses the device counts twice where both sides are watched.
#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <vector>

#include "analysis/engine.h"
#include "benchmarks/figures.h"
#include "benchmarks/traffic.h"
#include "capture/decode/decode.h"
#include "capture/rx/rx_worker.h"

namespace parallax::bench {
namespace {

constexpr int kRepetitions = 3;
constexpr uint32_t kDetectorsMost = 100'000;  // connections, of which detectors' cost is measured
constexpr uint64_t kPackets = 2'000'000;      // measured, at one point, unless there are more connections

uint32_t rounds_for(uint32_t connections) {
  const uint64_t cycles = (tiny ? 2000 : kPackets) / connections / Traffic::kCycle;
  return Traffic::kWarmUpRounds + static_cast<uint32_t>(std::max<uint64_t>(cycles, 1)) * Traffic::kCycle;
}

// The least that any tool must do for a packet: read it from memory, decode, hash, find the flow's counters.
class FloorTable {
 public:
  explicit FloorTable(size_t flows) : mask_(std::bit_ceil(flows) - 1), buckets_(mask_ + 1), counters_(flows + 1) {}

  void prefetch(uint32_t hash) const { __builtin_prefetch(&buckets_[hash & mask_], 1); }
  uint64_t& count_of(uint32_t hash) {
    for (size_t at = hash & mask_;; at = (at + 1) & mask_) {
      for (Entry& entry : buckets_[at].entries) {
        if (entry.hash == hash && entry.packets != 0) return entry.packets;
        if (entry.packets == 0) {
          entry.hash = hash;
          return entry.packets;
        }
      }
    }
  }

 private:
  struct Entry {
    uint32_t hash = 0, unused = 0;
    uint64_t packets = 0;
  };
  struct alignas(64) Bucket {
    std::array<Entry, 4> entries;
  };
  size_t mask_;
  std::vector<Bucket> buckets_;
  std::vector<uint64_t> counters_;
};

void floor_of(benchmark::State& state, uint32_t connections) {
  const Traffic traffic({Sides::one, connections, rounds_for(connections)});
  for (auto _ : state) {
    FloorTable table(connections);
    TrafficSource source(traffic, 0);
    std::array<RawPacket, RxWorker::kBurst> burst;
    std::array<DecodedFrame, RxWorker::kBurst> sightings;
    const auto run = [&] {
      while (const size_t count = source.poll(burst)) {
        for (size_t i = 0; i < count; ++i) {
          if (i + 4 < count) __builtin_prefetch(burst[i + 4].data);
          const RawPacket& packet = burst[i];
          decode({packet.data, packet.captured_length, packet.wire_length, packet.link_type}, sightings[i]);
          table.prefetch(sightings[i].flow_hash);
        }
        for (size_t i = 0; i < count; ++i) ++table.count_of(sightings[i].flow_hash);
      }
    };
    source.raise_limit(traffic.warm_up_packets());
    run();
    const int64_t begin_ns = thread_time_ns();
    source.raise_limit(traffic.packets());
    run();
    const int64_t took_ns = thread_time_ns() - begin_ns;
    state.SetIterationTime(static_cast<double>(took_ns) * 1e-9);
    const double ns = static_cast<double>(took_ns) / static_cast<double>(traffic.measured_packets());
    state.counters["ns_per_packet"] = ns;
    record("floor F", connections, ns);
  }
}

struct Pipeline {
  std::vector<std::unique_ptr<PortChannel>> channels;
  std::vector<TrafficSource*> sources;
  std::unique_ptr<RxWorker> rx_worker;
  std::unique_ptr<Engine> engine;
  std::vector<Pollable*> stages;

  explicit Pipeline(const Traffic& traffic, std::shared_ptr<const DetectorSettings> detectors = nullptr) {
    const uint32_t connections = traffic.options().connections;
    EngineOptions options;
    if (detectors) options.detectors = std::move(detectors);
    options.path = {"outside", "inside"};
    options.path.resize(traffic.points());
    // Twice as many as are at work, so that none is evicted.
    options.legs = std::bit_ceil(static_cast<size_t>(connections) * traffic.points() * 2);
    options.connections = connections + 1024;
    std::vector<PortChannel*> pointers;
    std::vector<RxPort> ports;
    for (size_t point = 0; point < traffic.points(); ++point) {
      channels.push_back(std::make_unique<PortChannel>(
          PortInfo{options.path[point], static_cast<PointIndex>(point), PortDirection::both, "memory"}, 1, 4096));
      pointers.push_back(channels.back().get());
      auto source = std::make_unique<TrafficSource>(traffic, point);
      sources.push_back(source.get());
      ports.push_back({static_cast<PortIndex>(point), pointers.back(), std::move(source)});
    }
    rx_worker = std::make_unique<RxWorker>(std::move(ports), RxWorkerOptions{});
    engine = std::make_unique<Engine>(options, pointers);
    stages.push_back(rx_worker.get());
    for (Pollable* worker : engine->workers()) stages.push_back(worker);
    stages.push_back(&engine->correlator());
  }

  // Until all packets up to the limit are processed.
  void run_to(uint64_t packets) {
    for (TrafficSource* source : sources) source->raise_limit(packets);
    for (int idle = 0; idle < 16; ++idle) {
      for (Pollable* stage : stages) {
        if (stage->poll()) idle = 0;
      }
    }
  }
};

void pipeline(benchmark::State& state, const std::string& row, Sides sides, uint32_t connections) {
  const Traffic traffic({sides, connections, rounds_for(connections)});
  for (auto _ : state) {
    Pipeline pipeline(traffic);
    pipeline.run_to(traffic.handshake_packets());  // until every handshake has been judged
    pipeline.run_to(traffic.warm_up_packets());
    const int64_t begin_ns = thread_time_ns();
    pipeline.run_to(traffic.packets());
    const int64_t took_ns = thread_time_ns() - begin_ns;
    state.SetIterationTime(static_cast<double>(took_ns) * 1e-9);
    const double ns = static_cast<double>(took_ns) / static_cast<double>(traffic.measured_packets() * traffic.points());
    state.counters["ns_per_packet"] = ns;
    state.counters["paired"] = static_cast<double>(pipeline.engine->summary().paired_connections);
    record(row, connections, ns);
    uint64_t analysed = 0;
    for (const PointRecord& point : pipeline.engine->points()) analysed += point.packets;
    if (analysed < (traffic.packets()) * traffic.points()) state.SkipWithError("not all packets were analysed");
    std::string bounds;
    for (const std::string& bound : pipeline.engine->summary().bounds_hit) bounds += (bounds.empty() ? "" : "; ") + bound;
    state.SetLabel(bounds);
    const uint64_t paired = pipeline.engine->summary().paired_connections;
    if (sides != Sides::one && paired != connections) state.SkipWithError(("paired " + std::to_string(paired)).c_str());
  }
}

std::shared_ptr<const DetectorSettings> no_detectors() {
  auto settings = std::make_shared<DetectorSettings>();
  for (size_t kind = 0; kind < kFindingKindCount; ++kind) settings->off.insert(static_cast<FindingKind>(kind));
  return settings;
}

// Both in each repetition, by turns the one or the other first; they return the nanoseconds that they took.
template <typename One, typename Other>
void by_turns(benchmark::State& state, One one, Other other) {
  bool one_first = true;
  for (auto _ : state) {
    int64_t took_ns = one_first ? one() : 0;
    took_ns += other();
    if (!one_first) took_ns += one();
    one_first = !one_first;
    state.SetIterationTime(static_cast<double>(took_ns) * 1e-9);
  }
}

// With all detectors and with none, by turns. `closes`: of short connections all that they are, from the SYN to 10 s after their
// end; else of those that are established.
void detectors(benchmark::State& state, const std::string& row, bool closes, uint32_t connections) {
  const uint32_t rounds = closes ? Traffic::kWarmUpRounds + Traffic::kCycle : rounds_for(connections);
  const Traffic traffic({.sides = Sides::two_nat, .connections = connections, .rounds = rounds, .closes = closes});
  const uint64_t from = closes ? 0 : traffic.warm_up_packets();
  const auto measure = [&](std::shared_ptr<const DetectorSettings> settings, const std::string& name) {
    Pipeline pipeline(traffic, std::move(settings));
    if (!closes) pipeline.run_to(traffic.handshake_packets());
    pipeline.run_to(from);
    const int64_t begin_ns = thread_time_ns();
    pipeline.run_to(traffic.packets());
    const int64_t took_ns = thread_time_ns() - begin_ns;
    record(name, connections, static_cast<double>(took_ns) / static_cast<double>((traffic.packets() - from) * traffic.points()));
    if (pipeline.engine->summary().paired_connections != connections) state.SkipWithError("not all were paired");
    return took_ns;
  };
  const std::string none = row + ", no detectors";
  by_turns(
      state, [&] { return measure(no_detectors(), none); }, [&] { return measure(nullptr, row); });
  compare(row, none);
}

// Whole short connections through a NAT and through a proxy, by turns.
void beyond_proxy(benchmark::State& state, uint32_t connections) {
  constexpr uint32_t kRounds = Traffic::kWarmUpRounds + Traffic::kCycle;
  const Traffic nat({.sides = Sides::two_nat, .connections = connections, .rounds = kRounds, .closes = true});
  const Traffic proxied({.sides = Sides::two_proxied, .connections = connections, .rounds = kRounds, .closes = true});
  const auto measure = [&](const Traffic& traffic, const std::string& row) {
    Pipeline pipeline(traffic);
    const int64_t begin_ns = thread_time_ns();
    pipeline.run_to(traffic.packets());
    const int64_t took_ns = thread_time_ns() - begin_ns;
    record(row, connections, static_cast<double>(took_ns) / static_cast<double>(traffic.packets() * traffic.points()));
    if (pipeline.engine->summary().paired_connections != connections) state.SkipWithError("not all were paired");
    return took_ns;
  };
  by_turns(
      state, [&] { return measure(nat, "short, NAT"); }, [&] { return measure(proxied, "short, proxied"); });
  compare("short, proxied", "short, NAT");
}

}  // namespace

void register_pipeline() {
  const std::vector<uint32_t> sizes = tiny ? std::vector<uint32_t>{100, 1000} : std::vector<uint32_t>{1000, 100'000, 1'000'000};
  const int repetitions = tiny ? 1 : kRepetitions;
  const auto add = [&](const std::string& name, uint32_t connections, auto function) {
    benchmark::RegisterBenchmark((name + "/" + std::to_string(connections)).c_str(), function)
        ->UseManualTime()
        ->Iterations(repetitions)
        ->Unit(benchmark::kMillisecond);
  };
  for (const uint32_t n : sizes) {
    add("Floor", n, [n](benchmark::State& state) { floor_of(state, n); });
    add("PipelineOneSided", n, [n](benchmark::State& state) { pipeline(state, "one-sided", Sides::one, n); });
    add("PipelineFiveTuple", n,
        [n](benchmark::State& state) { pipeline(state, "two-sided, five-tuple", Sides::two_same_tuple, n); });
    add("PipelineNat", n, [n](benchmark::State& state) { pipeline(state, "two-sided, NAT", Sides::two_nat, n); });
    if (n > kDetectorsMost) continue;
    add("DetectorsEstablished", n, [n](benchmark::State& state) { detectors(state, "established", false, n); });
    add("BeyondProxy", n, [n](benchmark::State& state) { beyond_proxy(state, n); });
    add("DetectorsShort", n, [n](benchmark::State& state) { detectors(state, "short", true, n); });
  }
}

}  // namespace parallax::bench
