// Hundreds of seeds. PARALLAX_SEEDS says how many, PARALLAX_FIRST_SEED where to begin: a failure names its seed and world.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/simulator_check.h"

namespace parallax::test {
namespace {

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

TEST(SimulatorStress, HundredsOfSeedsAndNoFalseAccusation) {
  const uint64_t first = from_environment("PARALLAX_FIRST_SEED", 1000), seeds = from_environment("PARALLAX_SEEDS", 400);
  Verdict sum;
  uint64_t false_accusations = 0, wrong_pairings = 0;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    SimulatorOptions options;
    options.seed = seed;
    options.nat = seed % 2 == 0;
    options.sensor_loss = seed % 4 >= 2;
    options.poll_gap_ns = std::array<int64_t, 4>{5'000, 20'000, 100'000, 1'000'000}[seed / 4 % 4];
    const Simulation simulation = simulate(options);
    const PipelineOutput output = run(simulation.input, 1 + seed % 3);
    ASSERT_TRUE(output.finished) << "seed " << seed;
    const Verdict verdict = judge(simulation, output);
    false_accusations += verdict.false_accusations.size();
    wrong_pairings += verdict.wrong_pairings.size();
    for (const std::string& text : verdict.false_accusations) ADD_FAILURE() << "seed " << seed << ": false accusation: " << text;
    for (const std::string& text : verdict.wrong_pairings) ADD_FAILURE() << "seed " << seed << ": wrong pairing: " << text;
    if (options.sensor_loss) continue;
    sum.faults += verdict.faults;
    sum.faults_told += verdict.faults_told;
    sum.segments_dropped += verdict.segments_dropped;
    sum.segments_told += verdict.segments_told;
    sum.crossing += verdict.crossing;
    sum.paired += verdict.paired;
  }
  std::printf(
      "%lu seeds from %lu: %lu false accusations, %lu wrong pairings; without sensor loss %lu of %lu faults told, %lu of %lu "
      "dropped segments, %lu of %lu paired\n",
      seeds, first, false_accusations, wrong_pairings, sum.faults_told, sum.faults, sum.segments_told, sum.segments_dropped,
      sum.paired, sum.crossing);
  EXPECT_GE(sum.paired, sum.crossing * 99 / 100);
  EXPECT_GE(sum.faults_told, sum.faults * 95 / 100);
  EXPECT_GE(sum.segments_told, sum.segments_dropped * 95 / 100);
}

}  // namespace
}  // namespace parallax::test
