// A kind that is off: of every scenario that raises it nothing is told of it, and everything else is told as before.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include "analysis/detect/detector.h"
#include "tests/support/scenario.h"

namespace parallax::test {
namespace {

std::string contents_of(const std::string& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<Scenario> all_scenarios() {
  std::vector<Scenario> scenarios;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(PARALLAX_SOURCE_DIR "/tests/scenarios")) {
    if (entry.path().extension() != ".scenario") continue;
    ParsedScenario parsed = parse_scenario(entry.path(), contents_of(entry.path()), Variant::fault);
    if (parsed.scenario) scenarios.push_back(std::move(*parsed.scenario));
  }
  return scenarios;
}

PipelineOutput run_without(const Scenario& scenario, FindingKinds off) {
  PipelineInput input = scenario.input;
  DetectorSettings settings = *input.options.detectors;
  settings.off |= off;
  input.options.detectors = std::make_shared<const DetectorSettings>(std::move(settings));
  return run(input, 1);
}

// All but the ids, which count on.
std::vector<std::string> told(const PipelineOutput& output, const std::vector<std::string>& path, FindingKinds except) {
  std::vector<std::string> texts;
  for (FindingRecord finding : output.findings) {
    if (except.contains(finding.kind)) continue;
    finding.id = 0;
    texts.push_back(describe(finding, path));
  }
  std::sort(texts.begin(), texts.end());
  return texts;
}

std::set<FindingKind> kinds_of(const PipelineOutput& output) {
  std::set<FindingKind> kinds;
  for (const FindingRecord& finding : output.findings) kinds.insert(finding.kind);
  return kinds;
}

FindingKinds only(FindingKind kind) {
  FindingKinds kinds;
  kinds.insert(kind);
  return kinds;
}

class DetectorsOffTest : public testing::Test {
 protected:
  static void expect_unmoved(const Scenario& scenario, const PipelineOutput& all, FindingKinds off) {
    const PipelineOutput output = run_without(scenario, off);
    EXPECT_TRUE(output.finished);
    EXPECT_EQ(told(output, scenario.input.options.path, {}), told(all, scenario.input.options.path, off));
    EXPECT_EQ(output.connections.size(), all.connections.size());
    for (const ConnectionRecord& connection : output.connections) {
      for (const uint64_t id : connection.finding_ids)
        EXPECT_TRUE(std::any_of(output.findings.begin(), output.findings.end(), [id](const auto& f) { return f.id == id; }));
    }
  }
};

TEST_F(DetectorsOffTest, EachKindIsSilencedAloneWhereItIsTold) {
  std::set<FindingKind> tried;
  for (const Scenario& scenario : all_scenarios()) {
    const PipelineOutput all = run(scenario.input, 1);
    FindingKinds unheard;
    for (int i = 0; i < kFindingKindCount; ++i) unheard.insert(static_cast<FindingKind>(i));
    for (const FindingKind kind : kinds_of(all)) {
      SCOPED_TRACE(scenario.name + " without " + std::string(name_of(kind)));
      expect_unmoved(scenario, all, only(kind));
      unheard.erase(kind);
      tried.insert(kind);
    }
    SCOPED_TRACE(scenario.name + " without what it does not tell");
    expect_unmoved(scenario, all, unheard);
  }
  for (int i = 0; i < kFindingKindCount; ++i) {
    const auto kind = static_cast<FindingKind>(i);
    EXPECT_TRUE(tried.contains(kind)) << "no scenario tells " << name_of(kind);
  }
}

TEST_F(DetectorsOffTest, SummaryNamesThem) {
  const std::vector<Scenario> scenarios = all_scenarios();
  ASSERT_FALSE(scenarios.empty());
  EXPECT_TRUE(run_without(scenarios.front(), {}).summary.not_looked_for.empty());
  EXPECT_EQ(run_without(scenarios.front(), only(FindingKind::arp_burst)).summary.not_looked_for,
            std::vector<FindingKind>{FindingKind::arp_burst});
}

// What a row says of severities is what its findings have, unless the configuration has a word in it.
TEST_F(DetectorsOffTest, SeveritiesAreThoseOfTheTable) {
  for (const Scenario& scenario : all_scenarios()) {
    for (const FindingRecord& finding : run(scenario.input, 1).findings) {
      const Detector& row = *detector_of(finding.kind);
      const bool is_other =
          std::any_of(std::begin(row.other_severities), std::end(row.other_severities),
                      [&](const SeverityRule& rule) { return !rule.when.empty() && rule.severity == finding.severity; });
      EXPECT_TRUE(finding.severity == row.severity || is_other)
          << scenario.name << ": " << name_of(finding.kind) << " is " << name_of(finding.severity);
    }
  }
}

TEST_F(DetectorsOffTest, ConfiguredSeveritiesHoldForAllOfAKind) {
  std::map<FindingKind, size_t> seen;
  for (const Scenario& scenario : all_scenarios()) {
    PipelineInput input = scenario.input;
    DetectorSettings settings = *input.options.detectors;
    settings.severities = {{FindingKind::zero_window_stall, Severity::critical}, {FindingKind::segment_loss, Severity::info}};
    input.options.detectors = std::make_shared<const DetectorSettings>(settings);
    for (const FindingRecord& finding : run(input, 1).findings) {
      const auto configured = settings.severities.find(finding.kind);
      if (configured == settings.severities.end()) continue;
      EXPECT_EQ(finding.severity, configured->second) << scenario.name;
      ++seen[finding.kind];
    }
  }
  EXPECT_EQ(seen.size(), 2u);
}

}  // namespace
}  // namespace parallax::test
