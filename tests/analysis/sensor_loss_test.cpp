// The sensor drops packets of its own, for real: at the NIC, at the ring, and by eviction from the leg table. No device may be
// accused of what these made invisible.
#include <gtest/gtest.h>

#include "tests/support/simulator_check.h"

namespace parallax::test {
namespace {

uint64_t dropped_by_sensor(const PipelineOutput& output) { return output.summary.sensor_loss; }

void expect_no_false_accusation(const Simulation& simulation, const PipelineOutput& output) {
  ASSERT_TRUE(output.finished);
  const Verdict verdict = judge(simulation, output);
  for (const std::string& text : verdict.false_accusations) ADD_FAILURE() << "false accusation: " << text;
  for (const std::string& text : verdict.wrong_pairings) ADD_FAILURE() << "wrong pairing: " << text;
}

class SensorLoss : public testing::TestWithParam<const char*> {};

TEST_P(SensorLoss, DroppedPacketsAccuseNobody) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimulatorOptions options;
    options.seed = seed;
    options.nat = seed % 2 == 0;
    Simulation simulation = simulate(options);
    std::vector<std::string> names;
    for (const InputPort& port : simulation.input.ports) names.push_back(port.info.name);
    const auto hook = parse_drop_hook(std::string(GetParam()) + ",seed=" + std::to_string(seed), names);
    ASSERT_TRUE(hook.ok()) << hook.error();
    simulation.input.drop_hook = hook.value();
    const PipelineOutput output = run(simulation.input, 1);
    EXPECT_GT(dropped_by_sensor(output), 0u);
    expect_no_false_accusation(simulation, output);
    const auto& path = simulation.input.options.path;
    EXPECT_EQ(output.text(path), run(simulation.input, 2).text(path));
  }
}

INSTANTIATE_TEST_SUITE_P(Stages, SensorLoss,
                         testing::Values("stage=nic,one_in=50", "stage=ring,one_in=50", "stage=nic,port=inside-2,one_in=10",
                                         "stage=ring,port=outside-1,one_in=10"),
                         [](const auto& info) { return "Rule" + std::to_string(info.index); });

// With room for few legs, those of other connections are evicted all the time.
TEST(SensorLoss, EvictedLegsAccuseNobody) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimulatorOptions options;
    options.seed = seed;
    options.connections = 120;
    options.duration_ns = 200'000'000;
    Simulation simulation = simulate(options);
    simulation.input.options.bounded_offline = true;
    simulation.input.options.legs = 64;
    simulation.input.options.half_open_legs = 16;
    const PipelineOutput output = run(simulation.input, 1);
    EXPECT_FALSE(output.summary.bounds_hit.empty());
    expect_no_false_accusation(simulation, output);
  }
}

}  // namespace
}  // namespace parallax::test
