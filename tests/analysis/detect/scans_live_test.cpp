// Live a scan is known only when it has gone on for a while: what was told of its tries before is taken back then, and what comes
// after it is not told.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "tests/support/scenario.h"

namespace parallax::test {
namespace {

PipelineOutput run_live(const std::string& name, Variant variant) {
  const std::string file = PARALLAX_SOURCE_DIR "/tests/scenarios/" + name + ".scenario";
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  ParsedScenario parsed = parse_scenario(file, text.str(), variant);
  EXPECT_TRUE(parsed.scenario) << parsed.error;
  if (!parsed.scenario) return {};
  parsed.scenario->input.options.offline = false;
  return run(parsed.scenario->input, 1);
}

uint64_t told(const PipelineOutput& output, FindingKind kind) {
  uint64_t count = 0;
  for (const FindingRecord& finding : output.findings) count += finding.kind == kind ? finding.count : 0;
  return count;
}

TEST(ScansLive, WarningsOfWhatTurnsOutToBeBackgroundAreTakenBack) {
  const PipelineOutput output = run_live("fan_out/closed_ports_tried_by_many_sources", Variant::fault);
  EXPECT_EQ(told(output, FindingKind::fan_out), 10u);
  EXPECT_EQ(told(output, FindingKind::syn_refused), 0u);
  EXPECT_EQ(told(output, FindingKind::syn_unanswered), 0u);
}

TEST(ScansLive, ThreeSourcesAreNoBackground) {
  const PipelineOutput output = run_live("fan_out/closed_ports_tried_by_many_sources", Variant::twin);
  EXPECT_EQ(told(output, FindingKind::syn_refused), 3u);
}

TEST(ScansLive, AScanOfOnePortAfterTheOtherIsOneFinding) {
  const PipelineOutput output = run_live("syn_refused/scan_is_one_finding", Variant::fault);
  EXPECT_EQ(told(output, FindingKind::fan_out), 20u);
  EXPECT_EQ(told(output, FindingKind::syn_refused), 0u);
}

TEST(ScansLive, WhoGoesOnTryingIsToldFromThenOn) {
  const PipelineOutput output = run_live("syn_refused/client_goes_on_trying_amid_scans", Variant::fault);
  EXPECT_EQ(told(output, FindingKind::syn_refused), 3u);
  EXPECT_EQ(told(output, FindingKind::fan_out), 8u);
}

}  // namespace
}  // namespace parallax::test
