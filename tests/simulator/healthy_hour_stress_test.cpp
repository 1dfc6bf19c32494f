// An hour of healthy traffic: segments lost and overtaken on the way, resets, connections that stay open or are cut off, ports
// that are closed or filtered. Nobody is woken for anything that is not so.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/support/simulator.h"

namespace parallax::test {
namespace {

constexpr int kConnections = 3000;

SimulatorOptions an_hour(uint64_t seed) {
  SimulatorOptions options;
  options.seed = seed;
  options.nat = seed % 2 == 0;
  options.rewrites = seed % 4 == 1;
  options.connections = kConnections;
  options.duration_ns = 3'600'000'000'000;
  options.fault_share = 0.03;
  options.faults = {Fault::refused_by_server, Fault::filtered_by_server};
  return options;
}

// What the server's host did, beyond the last point on its side.
bool is_true(const FindingRecord& finding, const Simulation& simulation) {
  const std::map<FindingKind, Fault> kinds{{FindingKind::syn_refused, Fault::refused_by_server},
                                           {FindingKind::syn_unanswered, Fault::filtered_by_server}};
  const auto kind = kinds.find(finding.kind);
  if (kind == kinds.end() || finding.where.kind != Where::Kind::beyond || finding.origin == Origin::device) return false;
  const auto happened = std::count_if(simulation.truth.begin(), simulation.truth.end(), [&](const TruthOfConnection& truth) {
    return truth.fault == kind->second && finding.where.first == (truth.client_inside ? 0 : 1);
  });
  return finding.count <= static_cast<uint64_t>(happened);
}

class HealthyHour : public testing::TestWithParam<uint64_t> {};

TEST_P(HealthyHour, WarnsOfNothingThatIsNotSo) {
  const SimulatorOptions options = an_hour(GetParam());
  const Simulation simulation = simulate(options);
  const PipelineOutput output = run(simulation.input, 1);
  ASSERT_TRUE(output.finished);
  EXPECT_GE(output.connections.size(), static_cast<size_t>(kConnections) * 99 / 100);
  std::map<FindingKind, uint64_t> told;
  for (const FindingRecord& finding : output.findings) {
    told[finding.kind] += finding.count;
    const bool wakes_people = finding.severity >= Severity::warning;
    EXPECT_FALSE(wakes_people && !is_true(finding, simulation)) << describe(finding, simulation.input.options.path);
    const bool is_so = finding.kind == FindingKind::reordered_by_device;  // it holds some back, as devices with several queues do
    EXPECT_TRUE(is_so || finding.origin != Origin::device)
        << "it did no wrong: " << describe(finding, simulation.input.options.path);
  }
  for (const auto& [kind, count] : told) std::printf("%s %lu\n", std::string(name_of(kind)).c_str(), count);
}

INSTANTIATE_TEST_SUITE_P(Seeds, HealthyHour, testing::Range<uint64_t>(1, 5));

}  // namespace
}  // namespace parallax::test
