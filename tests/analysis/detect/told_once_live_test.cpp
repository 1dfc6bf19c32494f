// Live what explains a finding may be known later than that: what was told before is taken back then, and what comes after it is
// not told. A scan explains its tries, for one, and a RST that the device keeps its end's reset.
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

TEST(ToldOnceLive, WarningsOfWhatTurnsOutToBeBackgroundAreTakenBack) {
  const PipelineOutput output = run_live("fan_out/closed_ports_tried_by_many_sources", Variant::fault);
  EXPECT_EQ(told(output, FindingKind::fan_out), 10u);
  EXPECT_EQ(told(output, FindingKind::syn_refused), 0u);
  EXPECT_EQ(told(output, FindingKind::syn_unanswered), 0u);
}

TEST(ToldOnceLive, ThreeSourcesAreNoBackground) {
  const PipelineOutput output = run_live("fan_out/closed_ports_tried_by_many_sources", Variant::twin);
  EXPECT_EQ(told(output, FindingKind::syn_refused), 3u);
}

TEST(ToldOnceLive, AScanOfOnePortAfterTheOtherIsOneFinding) {
  const PipelineOutput output = run_live("syn_refused/scan_is_one_finding", Variant::fault);
  EXPECT_EQ(told(output, FindingKind::fan_out), 20u);
  EXPECT_EQ(told(output, FindingKind::syn_refused), 0u);
}

TEST(ToldOnceLive, WhoGoesOnTryingIsToldFromThenOn) {
  const PipelineOutput output = run_live("syn_refused/client_goes_on_trying_amid_scans", Variant::fault);
  EXPECT_EQ(told(output, FindingKind::syn_refused), 3u);
  EXPECT_EQ(told(output, FindingKind::fan_out), 8u);
}

TEST(ToldOnceLive, AResetThatTheDeviceKeptIsNoOtherFinding) {
  const PipelineOutput output = run_live("reset_not_forwarded/reset_not_forwarded", Variant::fault);
  EXPECT_EQ(told(output, FindingKind::reset_not_forwarded), 1u);
  EXPECT_EQ(told(output, FindingKind::reset_by_server), 0u);
  EXPECT_EQ(output.counters.resets[static_cast<size_t>(Origin::server)], 1u) << "it is one all the same";
}

TEST(ToldOnceLive, AResetThatArrivesIsToldByItself) {
  const PipelineOutput output = run_live("reset_not_forwarded/reset_not_forwarded", Variant::twin);
  EXPECT_EQ(told(output, FindingKind::reset_by_server), 1u);
}

}  // namespace
}  // namespace parallax::test
