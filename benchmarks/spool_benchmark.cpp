// What the spool costs: the rx worker an append; the writer's thread a packet; and whoever wants one connection out of it.
#include <benchmark/benchmark.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "benchmarks/figures.h"
#include "capture/spool/spool.h"
#include "capture/spool/spool_lane.h"
#include "capture/spool/spool_legs.h"
#include "capture/spool/spool_reader.h"
#include "tests/support/packet_builder.h"

namespace parallax {
namespace {

// Appends packets of range(0) bytes. Blocks are given back as soon as they are full, as by a disk that always keeps up.
void BM_SpoolAppend(benchmark::State& state) {
  const auto length = static_cast<uint32_t>(state.range(0));
  SpoolLane lane({{LinkType::ethernet, 1}}, 512, 256 << 10, static_cast<size_t>(state.range(1)));
  const std::vector<uint8_t> frame(length, 0x5A);
  RawPacket packet{frame.data(), length, length, 1'700'000'000'000'000'000, 0, 1, LinkType::ethernet};
  uint32_t appended = 0;
  for (auto _ : state) {
    packet.time_ns += 1000;
    lane.append(0, packet);
    if ((++appended & 511) == 0) {
      bool closed = false;
      for (std::span<const uint8_t> bytes = lane.pending(closed); closed; bytes = lane.pending(closed)) lane.taken(bytes, true);
    }
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * length);
  if (lane.dropped() > 0) state.SkipWithError("packets were dropped");
}
// 64 blocks of 256 KiB are the default, beyond the cache; 4 stay within it.
BENCHMARK(BM_SpoolAppend)->ArgNames({"bytes", "blocks"})->ArgsProduct({{60, 112, 400}, {4, 64}});

// ---- one connection out of many ----

constexpr uint32_t kLegs = 100'000, kAtOnce = 1000, kPacketsOfLeg = 20;

Sighting end_points_of(uint32_t leg) {
  Sighting s{};
  s.protocol = ip_protocol::tcp;
  s.source = test::address("10.0.0.0"), s.destination = test::address("198.51.100.1");
  s.source[13] = static_cast<uint8_t>(leg >> 14), s.source_port = static_cast<uint16_t>(1024 + (leg & 0x3FFF));
  s.destination_port = 443;
  return s;
}

std::vector<uint8_t> segment_of(uint32_t leg) {
  const Sighting s = end_points_of(leg);
  return test::tcp_frame({.source = s.source, .destination = s.destination},
                         {.source_port = s.source_port, .destination_port = s.destination_port, .flags = tcp_flag::ack},
                         std::vector<uint8_t>(1000));
}

std::unique_ptr<Spool> spool_of(const std::string& directory, uint64_t bytes) {
  SpoolOptions options;
  options.directory = directory;
  options.limits.size = 2 * bytes + (64 << 20);
  options.snaplen = 112;
  options.lane_bytes = 64 << 20;
  SpoolPort port;
  port.info = {"tap0", 0, PortDirection::both, "pcap:tap0"};
  port.point = "outside";
  auto spool = Spool::open(std::move(options), {port});
  return spool ? std::move(*spool) : nullptr;
}

// Connections of 20 packets each, 1,000 at a time, over and over until that many bytes are written.
void fill(Spool& spool, uint64_t bytes) {
  int64_t time_ns = 1'700'000'000'000'000'000;
  uint64_t appended = 0;
  for (uint32_t first = 0; spool.status().bytes_written < bytes; first = (first + kAtOnce) % kLegs) {
    std::vector<std::vector<uint8_t>> frames;
    for (uint32_t leg = first; leg < first + kAtOnce; ++leg) frames.push_back(segment_of(leg));
    for (uint32_t packet = 0; packet < kPacketsOfLeg; ++packet) {
      for (const auto& frame : frames) {
        const auto length = static_cast<uint32_t>(frame.size());
        spool.lane(0).append(0, {frame.data(), length, length, ++time_ns, 0, 1, LinkType::ethernet});
      }
    }
    appended += uint64_t{kAtOnce} * kPacketsOfLeg;
    while (spool.status().packets_written + 200'000 < appended) std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

// What the writer's thread pays for the filters: a packet of one of 1,000 connections.
void BM_SpoolLegs(benchmark::State& state) {
  std::vector<std::vector<uint8_t>> frames;
  for (uint32_t leg = 0; leg < kAtOnce; ++leg) frames.push_back(segment_of(leg));
  constexpr uint32_t kCaptured = 112, kPacketsOfChunk = 1700;
  SpoolLegKeys keys;
  SpoolLegIndex index;
  std::vector<uint64_t> of_chunk;
  size_t number = 0;
  for (auto _ : state) {
    const auto& frame = frames[number++ % frames.size()];
    of_chunk.push_back(keys.of({frame.data(), kCaptured, static_cast<uint32_t>(frame.size()), LinkType::ethernet}, 1));
    if (of_chunk.size() < kPacketsOfChunk) continue;
    index.add(of_chunk, true);
    of_chunk.clear();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_SpoolLegs);

// All packets of one connection out of a spool of range(0) MiB. `first_ms`: until the first one is there; `read`: the share of
// the spool's chunks that were read; `written`: packets a second of the writer's thread and the disk.
void BM_SpoolOneConnection(benchmark::State& state) {
  const auto bytes = static_cast<uint64_t>(bench::tiny ? 16 : state.range(0)) << 20;
  std::string directory = std::filesystem::temp_directory_path() / "parallax-spool-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return state.SkipWithError("no directory");
  const std::unique_ptr<std::string, void (*)(std::string*)> removed(
      &directory, [](std::string* path) { std::filesystem::remove_all(*path); });
  const auto spool = spool_of(directory, bytes);
  if (spool == nullptr || !spool->start().empty()) return state.SkipWithError("no spool");
  const auto begun = std::chrono::steady_clock::now();
  fill(*spool, bytes);
  spool->stop();
  const std::chrono::duration<double> written = std::chrono::steady_clock::now() - begun;
  if (spool->status().dropped_packets > 0) return state.SkipWithError("packets were dropped");
  double first_ms = 0, read = 0;
  uint32_t leg = 0;
  for (auto _ : state) {
    leg = (leg + 7919) % (bench::tiny ? kAtOnce : kLegs);
    const auto asked = std::chrono::steady_clock::now();
    const auto snapshot = spool->snapshot(kTimeMin, kTimeMax);
    SpoolReader reader(**snapshot, {spool_leg_key(end_points_of(leg)), kAnyLeg});
    SpooledPacket packet;
    bool is_first = true;
    while (reader.next(packet)) {
      if (std::exchange(is_first, false))
        first_ms += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - asked).count();
      benchmark::DoNotOptimize(packet.packet.data);
    }
    read += static_cast<double>(reader.chunks_read()) / static_cast<double>(reader.chunks_read() + reader.chunks_passed_over());
  }
  const auto times = static_cast<double>(state.iterations());
  state.counters["first_ms"] = first_ms / times;
  state.counters["read"] = read / times;
  state.counters["written"] = static_cast<double>(spool->status().packets_written) / written.count();
}
BENCHMARK(BM_SpoolOneConnection)->ArgNames({"MiB"})->Arg(1024)->Unit(benchmark::kMillisecond)->Iterations(20);

}  // namespace
}  // namespace parallax
