// The analysis of TCP by itself: sightings that are ready, of legs that are known, through labels, sequence space, round trips
// and turns.
//
// A cycle of a connection is a request, a response of six segments with an acknowledgement for every two. In the other row one
// segment in each cycle is missing at first: two duplicate ACKs with SACK, and the segment again.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "analysis/tcp/fast_path.h"
#include "analysis/tcp/tcp_leg.h"
#include "benchmarks/figures.h"
#include "capture/core/large_table.h"
#include "tests/support/random.h"

namespace parallax::bench {
namespace {

constexpr uint64_t kPackets = 2'000'000;
constexpr uint32_t kRequest = 300, kSegment = 1400;
constexpr int64_t kStepNs = 50'000;

struct Packet {
  Side from;
  uint32_t seq, ack, length;  // within the cycle
  bool sack;
};
using enum Side;
constexpr uint32_t kS = kSegment;
constexpr std::array<Packet, 10> kSmooth{{{client, 0, 0, kRequest, false},
                                          {server, 0, kRequest, kS, false},
                                          {server, kS, kRequest, kS, false},
                                          {client, kRequest, 2 * kS, 0, false},
                                          {server, 2 * kS, kRequest, kS, false},
                                          {server, 3 * kS, kRequest, kS, false},
                                          {client, kRequest, 4 * kS, 0, false},
                                          {server, 4 * kS, kRequest, kS, false},
                                          {server, 5 * kS, kRequest, kS, false},
                                          {client, kRequest, 6 * kS, 0, false}}};
constexpr std::array<Packet, 10> kLossy{{{client, 0, 0, kRequest, false},
                                         {server, 0, kRequest, kS, false},
                                         {client, kRequest, kS, 0, false},
                                         {server, 2 * kS, kRequest, kS, false},  // the one before it is missing
                                         {client, kRequest, kS, 0, true},
                                         {server, 3 * kS, kRequest, kS, false},
                                         {client, kRequest, kS, 0, true},
                                         {server, kS, kRequest, kS, false},
                                         {client, kRequest, 4 * kS, 0, false},
                                         {server, 4 * kS, kRequest, 2 * kS, false}}};

struct Legs {
  LargeTable<LegHot> hot;
  LargeTable<LegCold> cold;
  LargeTable<TcpFlow> flow;

  explicit Legs(size_t count) : hot(count), cold(count), flow(count) {}

  // Forced inline: GCC deletes calls that only prefetch, as free of side effects.
  [[gnu::always_inline]] void prefetch(uint32_t leg) const {
    __builtin_prefetch(&hot[leg], 1);
    for (size_t line = 0; line < 4; ++line) __builtin_prefetch(reinterpret_cast<const char*>(&flow[leg]) + 64 * line, 1);
  }
  // As the analysis worker does it.
  void take(uint32_t leg, const Sighting& s, Side from) {
    if (from == client ? take_fast_path<client>(leg, s) : take_fast_path<server>(leg, s)) return;
    const uint32_t labels = tcp_step(hot[leg], cold[leg], flow[leg], s, from).labels;
    benchmark::DoNotOptimize(take_times(flow[leg].times, hot[leg], cold[leg], s, from, labels, 0));
  }

 private:
  template <Side from>
  bool take_fast_path(uint32_t leg, const Sighting& s) {
    if (!take_on_fast_path<from>(hot[leg], flow[leg], s)) return false;
    benchmark::DoNotOptimize(take_times_on_fast_path<from>(
        flow[leg].times, hot[leg], [&]() -> const LegCold& { return cold[leg]; }, s));
    return true;
  }
};

Sighting sighting_of(const Packet& packet, uint32_t cycle, int64_t time_ns) {
  Sighting s{};
  s.time_ns = s.order_ns = time_ns;
  s.protocol = ip_protocol::tcp;
  s.tcp_flags = tcp_flag::ack;
  s.window = 60000;
  const uint32_t asked = 1 + cycle * kRequest, answered = 1 + cycle * 6 * kS;
  s.seq = packet.seq + (packet.from == client ? asked : answered);
  s.ack = packet.ack + (packet.from == client ? answered : asked);
  s.payload_length = packet.length;
  if (packet.sack) {
    s.options = tcp_option::sack;
    s.sack = {s.ack + kS, s.ack + 2 * kS};
  }
  return s;
}

Sighting handshake(int step) {
  Sighting s{};
  s.time_ns = s.order_ns = 1'000'000'000 + step * kStepNs;
  s.protocol = ip_protocol::tcp;
  s.window = 60000;
  constexpr std::array<uint8_t, 3> kFlags{tcp_flag::syn, tcp_flag::syn | tcp_flag::ack, tcp_flag::ack};
  s.tcp_flags = kFlags[static_cast<size_t>(step)];
  s.seq = step == 2 ? 1 : 0;
  s.ack = step == 0 ? 0 : 1;
  return s;
}

void tcp_analysis(benchmark::State& state, const char* row, const std::array<Packet, 10>& cycle, uint32_t count) {
  constexpr size_t kBurst = 32;
  const uint32_t cycles = static_cast<uint32_t>(std::max<uint64_t>((tiny ? 2000 : kPackets) / count / cycle.size(), 1)) + 1;
  std::vector<uint32_t> order(count);
  for (uint32_t i = 0; i < count; ++i) order[i] = i;
  test::Random random(count);
  for (size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  for (auto _ : state) {
    Legs legs(count);
    for (LegCold& cold : legs.cold) cold.window_scale = {-1, -1};
    for (LegHot& hot : legs.hot) hot.flags = leg_flag::is_tcp;
    for (int step = 0; step < 3; ++step) {
      for (uint32_t leg = 0; leg < count; ++leg)
        tcp_step(legs.hot[leg], legs.cold[leg], legs.flow[leg], handshake(step), step == 1 ? server : client);
    }
    int64_t took_ns = 0, time_ns = 2'000'000'000;
    uint64_t packets = 0;
    for (uint32_t c = 0; c < cycles; ++c) {
      for (const Packet& packet : cycle) {
        const Sighting s = sighting_of(packet, c, time_ns += kStepNs);
        const int64_t begin_ns = thread_time_ns();
        // A burst ahead: in the pipeline the lines come while other stages work.
        const auto prefetch = [&](size_t from) __attribute__((always_inline)) {
          for (size_t k = from; k < std::min<size_t>(from + kBurst, count); ++k) legs.prefetch(order[k]);
        };
        prefetch(0);
        for (size_t i = 0; i < count; i += kBurst) {
          prefetch(i + kBurst);
          for (size_t k = i; k < std::min<size_t>(i + kBurst, count); ++k) legs.take(order[k], s, packet.from);
        }
        if (c == 0) continue;  // the first cycle settles histories and windows
        took_ns += thread_time_ns() - begin_ns;
        packets += count;
      }
    }
    state.SetIterationTime(static_cast<double>(took_ns) * 1e-9);
    const double ns = static_cast<double>(took_ns) / static_cast<double>(packets);
    state.counters["ns_per_packet"] = ns;
    record(row, count, ns);
  }
}

}  // namespace

void register_tcp() {
  for (const uint32_t n : tiny ? std::vector<uint32_t>{100, 1000} : std::vector<uint32_t>{1000, 100'000, 1'000'000}) {
    const auto add = [n](const char* name, const char* row, const std::array<Packet, 10>& cycle) {
      benchmark::RegisterBenchmark((std::string(name) + "/" + std::to_string(n)).c_str(),
                                   [=](benchmark::State& state) { tcp_analysis(state, row, cycle, n); })
          ->UseManualTime()
          ->Iterations(tiny ? 1 : 3)
          ->Unit(benchmark::kMillisecond);
    };
    add("TcpAnalysis", "TCP analysis alone", kSmooth);
    add("TcpAnalysisWithLoss", "TCP analysis, with loss", kLossy);
  }
}

}  // namespace parallax::bench
