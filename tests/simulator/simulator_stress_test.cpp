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
  const uint64_t first = from_environment("PARALLAX_FIRST_SEED", 1000), seeds = from_environment("PARALLAX_SEEDS", 200);
  const bool names_missed = std::getenv("PARALLAX_MISSED") != nullptr;
  Verdict sum;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    const SimulatorOptions options = options_of(seed);
    const Simulation simulation = simulate(options);
    const PipelineOutput output = run(simulation.input, 1 + seed % 3);
    ASSERT_TRUE(output.finished) << describe(options);
    const Verdict verdict = judge(simulation, output);
    for (const std::string& text : verdict.false_accusations)
      ADD_FAILURE() << describe(options) << ": false accusation: " << text;
    for (const std::string& text : verdict.wrong_pairings) ADD_FAILURE() << describe(options) << ": wrong pairing: " << text;
    for (const std::string& text : verdict.missed) {
      if (names_missed) std::printf("missed: %s: %s\n", describe(options).c_str(), text.c_str());
    }
    sum += verdict;
  }
  std::printf("%lu seeds from %lu: %s", seeds, first, describe(sum).c_str());
  EXPECT_LE(sum.wrong_likely.size(), 1 + sum.likely * 2 / 100);
  EXPECT_GE(sum.paired, sum.pairable * 99 / 100);
  EXPECT_GE(sum.told(), sum.decidable() * 97 / 100);
  EXPECT_GE(sum.segments_told, sum.segments_decidable * 95 / 100);
}

}  // namespace
}  // namespace parallax::test
