// docs/cases.md: what it names exists, and its filters choose what they are said to.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>

#include "analysis/model/vocabulary.h"

namespace parallax {
namespace {

const std::filesystem::path kRoot = PARALLAX_SOURCE_DIR;

// The rows of the table, split at their bars.
std::vector<std::vector<std::string>> rows() {
  std::ifstream in(kRoot / "docs/cases.md");
  std::vector<std::vector<std::string>> result;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("| 0")) continue;
    std::vector<std::string> cells;
    for (size_t begin = 1, end; (end = line.find('|', begin)) != std::string::npos; begin = end + 1)
      cells.push_back(line.substr(begin, end - begin));
    result.push_back(cells);
  }
  return result;
}

// What stands in backticks.
std::set<std::string> code_in(const std::string& text) {
  static const std::regex kCode("`([^`]+)`");
  std::set<std::string> result;
  for (std::sregex_iterator at(text.begin(), text.end(), kCode), end; at != end; ++at) result.insert((*at)[1]);
  return result;
}

TEST(CasesPage, NamesWhatExists) {
  ASSERT_FALSE(rows().empty());
  for (const auto& row : rows()) {
    SCOPED_TRACE(row[0]);
    ASSERT_EQ(row.size(), 5u);
    EXPECT_FALSE(code_in(row[2]).empty()) << "no file";
    for (const std::string& file : code_in(row[2])) {
      const bool is_scenario = file.ends_with(".scenario");
      EXPECT_TRUE(std::filesystem::exists(kRoot / (is_scenario ? "tests/scenarios" : "") / file)) << file;
      std::string chosen = file.substr(0, file.rfind('.'));
      if (is_scenario) {
        std::replace(chosen.begin(), chosen.end(), '/', '_');
        chosen = "*/" + chosen + "_*";
      } else {
        chosen = chosen.substr(chosen.rfind('/') + 1) + " --gtest_filter=";
      }
      EXPECT_NE(row[4].find(chosen), std::string::npos) << "no filter for " << file;
    }
    for (const std::string& name : code_in(row[3])) {
      bool is_kind = false;
      for (int i = 0; i < kFindingKindCount; ++i) is_kind |= name_of(static_cast<FindingKind>(i)) == name;
      EXPECT_TRUE(is_kind) << name;
    }
  }
}

}  // namespace
}  // namespace parallax
