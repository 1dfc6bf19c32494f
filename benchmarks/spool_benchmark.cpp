// What the rx worker pays for the spool: one append, with a thread that takes the blocks and throws them away, or without.
#include <benchmark/benchmark.h>

#include <vector>

#include "capture/spool/spool_lane.h"

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

}  // namespace
}  // namespace parallax
