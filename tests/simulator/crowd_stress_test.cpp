// A crowd through each kind of device: names that come again 20 s later, initial sequence numbers that collide, packets lost and
// overtaken, faults, clocks that are apart and drift. PARALLAX_CONNECTIONS says how many of each kind (a million: ten minutes).
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/support/simulator_check.h"

namespace parallax::test {
namespace {

constexpr int kWorld = 20'000;          // connections at a time: all frames of a world are in memory
constexpr int kConnections = 12'000;    // enough for names to come again
constexpr int64_t kEachNs = 2'000'000;  // 500 a second
constexpr int64_t kClockErrorMaxNs = 50'000;
constexpr double kDriftErrorMaxPpm = 0.5;

struct Kind {
  std::string name;
  bool nat, rewrites;
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

SimulatorOptions crowd(const Kind& kind, int connections, uint64_t seed) {
  SimulatorOptions options;
  options.seed = seed;
  options.nat = kind.nat;
  options.rewrites = kind.rewrites;
  options.connections = connections;
  options.names = kWorld / 2;
  options.duration_ns = connections * kEachNs;
  options.isn_mask = 0xFFFFFFF;
  options.answer_bytes_max = 4000;
  options.fault_share = 0.1;
  // Clocks are compared by packets that are the same at both points, and none is where sequence numbers are rewritten.
  if (!kind.rewrites) {
    options.disturbances = {Disturbance::clock_offset};
    options.drift_ppm = seed % 2 == 0 ? 20 : -35;
  }
  return options;
}

class Crowd : public testing::TestWithParam<Kind> {};

TEST_P(Crowd, EveryLossIsOnItsSideAndNoneIsInvented) {
  const char* wanted = std::getenv("PARALLAX_CONNECTIONS");
  const int connections = wanted == nullptr ? kConnections : std::atoi(wanted);
  Verdict sum;
  int64_t clock_error_ns = 0;
  double drift_error_ppm = 0;
  uint64_t seed = 0;
  for (int left = connections; left > 0; left -= kWorld) {
    const SimulatorOptions options = crowd(GetParam(), std::min(left, kWorld), ++seed);
    const Simulation simulation = simulate(options);
    const PipelineOutput output = run(simulation.input, 1);
    ASSERT_TRUE(output.finished) << describe(options);
    EXPECT_TRUE(output.summary.bounds_hit.empty()) << output.summary.bounds_hit.front();
    const Verdict verdict = judge(simulation, output);
    for (const std::string& text : verdict.false_accusations) ADD_FAILURE() << "seed " << seed << ": false accusation: " << text;
    for (const std::string& text : verdict.wrong_pairings) ADD_FAILURE() << "seed " << seed << ": wrong pairing: " << text;
    clock_error_ns = std::max(clock_error_ns, simulation.clock_error_ns);
    drift_error_ppm = std::max(drift_error_ppm, simulation.drift_error_ppm);
    sum += verdict;
  }
  std::printf("%d connections: clocks off by %.1f us, drifting by %.3f ppm; %s", connections,
              static_cast<double>(clock_error_ns) / 1000, drift_error_ppm, describe(sum).c_str());
  EXPECT_LE(clock_error_ns, kClockErrorMaxNs);
  EXPECT_LE(drift_error_ppm, kDriftErrorMaxPpm);
  EXPECT_GE(sum.paired, sum.pairable * 999 / 1000);
  EXPECT_GE(sum.told(), sum.decidable() * 98 / 100);
  EXPECT_GE(sum.segments_told, sum.segments_decidable * 99 / 100);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Crowd,
                         testing::Values(Kind{"router", false, false}, Kind{"nat", true, false}, Kind{"rewriter", false, true},
                                         Kind{"nat_and_rewriter", true, true}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace parallax::test
