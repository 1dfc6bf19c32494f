// Connections that are handed over before the input ends say what they would have said at its end, and nothing else changes.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tests/support/simulator.h"

namespace parallax::test {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// Half an hour in which a good part of the connections is healthy.
PipelineInput half_an_hour(uint64_t seed, int64_t hand_over_after_ns) {
  SimulatorOptions options = options_of(seed);
  options.connections = 300;
  options.duration_ns = 1800 * kSecond;
  options.fault_share = 0.2;
  PipelineInput input = simulate(options).input;
  input.options.record_packets = false;
  input.options.hand_over_after_ns = hand_over_after_ns;
  return input;
}

std::vector<uint64_t> ids_of(const std::vector<ConnectionRecord>& connections) {
  std::vector<uint64_t> ids;
  for (const ConnectionRecord& connection : connections) ids.push_back(connection.id);
  return ids;
}

// All as if none had been handed over.
PipelineOutput whole(PipelineOutput output) {
  auto& all = output.connections;
  all.insert(all.end(), output.handed_over.begin(), output.handed_over.end());
  std::sort(all.begin(), all.end(), [](const ConnectionRecord& a, const ConnectionRecord& b) { return a.id < b.id; });
  output.handed_over.clear();
  return output;
}

TEST(HandOver, ChangesNothingButWhenARecordComes) {
  size_t handed_over = 0, connections = 0;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const PipelineInput keeps = half_an_hour(seed, 0), hands_over = half_an_hour(seed, 10 * kSecond);
    const PipelineOutput all = run(keeps, 1), early = run(hands_over, 1);
    ASSERT_TRUE(all.finished && early.finished);
    EXPECT_TRUE(all.handed_over.empty());
    connections += all.connections.size();
    handed_over += early.handed_over.size();
    EXPECT_EQ(whole(early).text(keeps.options.path), all.text(keeps.options.path));
  }
  std::printf("handed over %zu of %zu\n", handed_over, connections);
  EXPECT_GT(handed_over, connections / 10);
}

TEST(HandOver, IsInOneOrderForAnyNumberOfWorkers) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const PipelineInput input = half_an_hour(seed, 10 * kSecond);
    const std::vector<uint64_t> ids = ids_of(run(input, 1).handed_over);
    EXPECT_EQ(ids_of(run(input, 4).handed_over), ids);
    EXPECT_EQ(ids_of(run_threaded(input, 2).handed_over), ids);
  }
}

}  // namespace
}  // namespace parallax::test
