// Every file in tests/scenarios, in each of its variants, through the whole pipeline: what it expects comes out, and the same
// to the byte for any number of workers and on one thread or many.
#include "tests/support/scenario.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "analysis/detect/detector.h"
#include "analysis/detect/icmp_errors.h"

namespace parallax::test {
namespace {

struct Case {
  std::string file;
  Variant variant;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.file << " (" << name_of(c.variant) << ')'; }

std::string contents_of(const std::string& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(PARALLAX_SOURCE_DIR "/tests/scenarios")) {
    if (entry.path().extension() != ".scenario") continue;
    cases.push_back({entry.path(), Variant::fault});
    const ParsedScenario twin = parse_scenario(entry.path(), contents_of(entry.path()), Variant::twin);
    if (twin.scenario || !twin.error.empty()) cases.push_back({entry.path(), Variant::twin});
  }
  std::sort(cases.begin(), cases.end(),
            [](const Case& a, const Case& b) { return std::tie(a.file, a.variant) < std::tie(b.file, b.variant); });
  return cases;
}

// What metrics and devices count of resets is what the findings tell: by themselves, or with what explains them.
void expect_resets_agree(const PipelineOutput& output) {
  std::array<uint64_t, kOriginCount> told{};
  uint64_t may_be_explained = 0, refused = 0;
  for (const FindingRecord& finding : output.findings) {
    if (finding.kind == FindingKind::reset_by_client || finding.kind == FindingKind::reset_by_server ||
        finding.kind == FindingKind::reset_by_device)
      told[static_cast<size_t>(finding.origin)] += finding.count;
    // Of a refusal the count is of connections: there may be more RSTs.
    if (finding.kind == FindingKind::syn_refused && finding.origin == Origin::device && !has_icmp_evidence(finding.evidence))
      refused += finding.count;
    if (detector_of(finding.kind)->explains != nullptr) may_be_explained += finding.connection_ids.size();
  }
  told[static_cast<size_t>(Origin::device)] += refused;
  uint64_t explained = 0;
  for (size_t origin = 0; origin < told.size(); ++origin) {
    ASSERT_GE(output.counters.resets[origin], told[origin]);
    explained += output.counters.resets[origin] - told[origin];
  }
  EXPECT_LE(explained, may_be_explained);
  uint64_t own = 0;
  for (const DeviceRecord& device : output.devices) own += device.resets_originated;
  EXPECT_GE(own, told[static_cast<size_t>(Origin::device)]);
  EXPECT_TRUE(refused > 0 || own == told[static_cast<size_t>(Origin::device)]);
}

class ScenarioTest : public testing::TestWithParam<Case> {};

TEST_P(ScenarioTest, ComesOutAsWritten) {
  const ParsedScenario parsed = parse_scenario(GetParam().file, contents_of(GetParam().file), GetParam().variant);
  ASSERT_TRUE(parsed.scenario) << parsed.error;
  const Scenario& scenario = *parsed.scenario;
  const auto& path = scenario.input.options.path;
  const PipelineOutput output = run(scenario.input, 1);
  for (const std::string& complaint : check(scenario, output)) ADD_FAILURE() << complaint;
  expect_resets_agree(output);
  if (HasFailure()) std::printf("%s", output.text(path).c_str());
  EXPECT_EQ(output.text(path), run(scenario.input, 2).text(path)) << "two workers say something else";
  EXPECT_EQ(output.text(path), run(scenario.input, 4).text(path)) << "four workers say something else";
  EXPECT_EQ(output.text(path), run_threaded(scenario.input, 2).text(path)) << "on threads of their own they say something else";
}

std::string case_name(const testing::TestParamInfo<Case>& info) {
  const std::filesystem::path file = info.param.file;
  std::string name =
      file.parent_path().stem().string() + '_' + file.stem().string() + '_' + std::string(name_of(info.param.variant));
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Files, ScenarioTest, testing::ValuesIn(all_cases()), case_name);

TEST(ScenarioLanguage, MistakesAreToldWithTheirLine) {
  const auto error = [](const std::string& text) { return parse_scenario("x.scenario", text, Variant::fault).error; };
  EXPECT_EQ(error("nonsense\n"), "x.scenario:1: a scenario begins with `path POINT...`");
  EXPECT_EQ(error("path a b\nnonsense\n"), "x.scenario:2: no such word: 'nonsense'");
  EXPECT_EQ(error("path a b\n+0 a x > y S 0\n"), "x.scenario:2: no endpoint of that name: 'x'");
  EXPECT_EQ(error("path a b\nendpoint x 192.0.2.1:1 beyond a ttl many\n"), "x.scenario:2: not a number: 'many'");
  EXPECT_EQ(error("path a\n"), "x.scenario:1: it expects nothing; say `expect nothing` where that is meant");
}

}  // namespace
}  // namespace parallax::test
