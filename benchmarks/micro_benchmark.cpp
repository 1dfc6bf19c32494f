// The parts: decoding, the flow hash, a hop through a ring by value and by pointer, a look-up in the leg table.
#include <benchmark/benchmark.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "analysis/leg/leg_table.h"
#include "benchmarks/figures.h"
#include "benchmarks/traffic.h"
#include "capture/core/spsc_ring.h"
#include "capture/decode/decode.h"
#include "tests/support/random.h"

namespace parallax::bench {
namespace {

constexpr size_t kBurst = 32;
constexpr size_t kRingSlots = 4096;

// Data packets with the common timestamp option; `spread` of them, so that they come from memory or from the cache.
void decode_frames(benchmark::State& state, uint32_t spread) {
  const Traffic traffic({Sides::one, spread, 1});
  TrafficSource source(traffic, 0);
  source.raise_limit(traffic.handshake_packets());
  std::vector<RawPacket> packets(traffic.handshake_packets() + traffic.data_packets());
  for (uint64_t i = 0; i < spread; ++i) packets[i] = traffic.packet(0, traffic.handshake_packets() + i, nullptr);
  DecodedFrame sighting{};
  uint64_t next = 0;
  for (auto _ : state) {
    if (next + 4 < spread) __builtin_prefetch(packets[next + 4].data);
    const RawPacket& packet = packets[next];
    benchmark::DoNotOptimize(decode({packet.data, packet.captured_length, packet.wire_length, packet.link_type}, sighting));
    benchmark::ClobberMemory();
    next = next + 1 == spread ? 0 : next + 1;
  }
  state.SetItemsProcessed(state.iterations());
}

void hash(benchmark::State& state) {
  Sighting sighting{};
  sighting.source = test::address("192.0.2.1");
  sighting.destination = test::address("198.51.100.1");
  sighting.protocol = ip_protocol::tcp;
  for (auto _ : state) {
    ++sighting.source_port;
    benchmark::DoNotOptimize(flow_hash(sighting));
  }
  state.SetItemsProcessed(state.iterations());
}

uint64_t touch(const Sighting& s) { return s.seq + s.source[15] + static_cast<uint64_t>(s.time_ns); }

// What the two ways of handing a sighting over have in common: make it, hand it over, read both of its lines.
struct ByValue {
  SpscRing<Sighting> ring{kRingSlots};
  std::array<Sighting, kBurst> made{};
  size_t produce(uint32_t& number) {
    for (Sighting& s : made) {
      s.seq = ++number;
      s.source[15] = static_cast<uint8_t>(number);
    }
    return kBurst;
  }
  size_t push(size_t from, size_t count) { return ring.push(std::span<const Sighting>(made).subspan(from, count - from)); }
  uint64_t consume(uint64_t& sum) {
    const auto items = ring.peek();
    const size_t count = std::min(items.size(), kBurst);
    for (const Sighting& s : items.first(count)) sum += touch(s);
    ring.pop(count);
    return count;
  }
};

// The sighting stays where the rx worker wrote it, beside the packet, and goes back to it afterwards through a second ring.
struct ByPointer {
  SpscRing<Sighting*> ring{kRingSlots}, back{2 * kRingSlots};
  std::vector<std::array<Sighting, 16>> pool{2 * kRingSlots};  // a sighting in each 2 KiB, as beside packets
  std::array<Sighting*, kBurst> made{};
  ByPointer() {
    for (auto& room : pool) back.push(&room[0]);
  }
  size_t produce(uint32_t& number) {
    const auto free = back.peek();
    const size_t count = std::min(free.size(), kBurst);
    for (size_t i = 0; i < count; ++i) {
      made[i] = free[i];
      made[i]->seq = ++number;
      made[i]->source[15] = static_cast<uint8_t>(number);
    }
    back.pop(count);
    return count;
  }
  size_t push(size_t from, size_t count) { return ring.push(std::span<Sighting* const>(made).subspan(from, count - from)); }
  uint64_t consume(uint64_t& sum) {
    const auto items = ring.peek();
    const size_t count = std::min(items.size(), kBurst);
    for (size_t i = 0; i < count && i < 4; ++i) __builtin_prefetch(items[i]);
    for (size_t i = 0; i < count; ++i) {
      if (i + 4 < count) {
        __builtin_prefetch(items[i + 4]);
        __builtin_prefetch(reinterpret_cast<const char*>(items[i + 4]) + 64);
      }
      sum += touch(*items[i]);
    }
    back.push(items.first(count));
    ring.pop(count);
    return count;
  }
};

template <typename Way>
void ring_hop_one_core(benchmark::State& state) {
  Way way;
  uint32_t number = 0;
  uint64_t sum = 0, moved = 0;
  for (auto _ : state) {
    way.push(0, way.produce(number));
    moved += way.consume(sum);
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(static_cast<int64_t>(moved));
  state.counters["per_packet"] =
      benchmark::Counter(static_cast<double>(moved), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// One producer, one consumer, each on a thread of its own; the processor time is that of the consumer.
template <typename Way>
void ring_hop_two_threads(benchmark::State& state) {
  Way way;
  std::atomic<bool> stop{false};
  std::thread producer([&] {
    uint32_t number = 0;
    while (!stop.load(std::memory_order_relaxed)) {
      const size_t count = way.produce(number);
      for (size_t sent = kBurst - count; sent < kBurst && !stop.load(std::memory_order_relaxed);) {
        const size_t pushed = way.push(sent - (kBurst - count), count);
        if (pushed == 0) std::this_thread::yield();  // where cores are short, the other side needs this one
        sent += pushed;
      }
    }
  });
  uint64_t sum = 0, moved = 0;
  for (auto _ : state) {
    uint64_t count = 0;
    while ((count = way.consume(sum)) == 0) std::this_thread::yield();
    moved += count;
  }
  stop = true;
  producer.join();
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(static_cast<int64_t>(moved));
  state.counters["per_packet"] =
      benchmark::Counter(static_cast<double>(moved), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// As the analysis worker looks up: a burst's buckets are prefetched, then its legs, then both are read.
void leg_look_up(benchmark::State& state, uint32_t legs) {
  const Traffic traffic({Sides::one, legs, 1});
  LegTable table(std::bit_ceil(static_cast<size_t>(legs) * 5 / 4));
  struct Known {
    uint64_t hash;
    LegKey key;
  };
  std::vector<Known> known;
  for (uint64_t i = 0; i < legs; ++i) {
    const RawPacket packet = traffic.packet(0, traffic.handshake_packets() + i, nullptr);
    Sighting s{};
    decode({packet.data, packet.captured_length, packet.wire_length, packet.link_type}, s);
    const LegKey key = leg_key_of(s).key;
    known.push_back({leg_hash_of(s), key});
    table.insert(s.flow_hash, key, LegList::open);
  }
  test::Random random(legs);
  for (size_t i = known.size(); i > 1; --i) std::swap(known[i - 1], known[random.below(i)]);
  uint64_t next = 0, found = 0;
  for (auto _ : state) {
    if (next + kBurst > known.size()) next = 0;
    const Known* burst = &known[next];
    for (size_t i = 0; i < kBurst; ++i) table.prefetch(burst[i].hash);
    for (size_t i = 0; i < kBurst; ++i) table.guess(burst[i].hash);
    for (size_t i = 0; i < kBurst; ++i) {
      const uint32_t index = table.find(burst[i].hash, burst[i].key);
      if (index != kNone) found += ++table.hot(index).packets[Side::client] > 0;
    }
    next += kBurst;
  }
  if (found != static_cast<uint64_t>(state.iterations()) * kBurst) state.SkipWithError("legs were not found");
  const double moved = static_cast<double>(state.iterations() * static_cast<int64_t>(kBurst));
  state.counters["per_packet"] = benchmark::Counter(moved, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

}  // namespace

void register_micro() {
  const uint32_t many = tiny ? 1000 : 1'000'000;
  benchmark::RegisterBenchmark("Decode/cached", [](benchmark::State& state) { decode_frames(state, 256); });
  benchmark::RegisterBenchmark("Decode/memory", [many](benchmark::State& state) { decode_frames(state, many); });
  benchmark::RegisterBenchmark("FlowHash", hash);
  benchmark::RegisterBenchmark("RingHop/value/one_core", ring_hop_one_core<ByValue>);
  benchmark::RegisterBenchmark("RingHop/pointer/one_core", ring_hop_one_core<ByPointer>);
  benchmark::RegisterBenchmark("RingHop/value/two_threads", ring_hop_two_threads<ByValue>);
  benchmark::RegisterBenchmark("RingHop/pointer/two_threads", ring_hop_two_threads<ByPointer>);
  for (const uint32_t n : tiny ? std::vector<uint32_t>{1000} : std::vector<uint32_t>{1000, 100'000, 1'000'000}) {
    benchmark::RegisterBenchmark(("LegLookUp/" + std::to_string(n)).c_str(),
                                 [n](benchmark::State& state) { leg_look_up(state, n); });
  }
}

}  // namespace parallax::bench
