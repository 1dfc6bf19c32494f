// Rules of the house that a machine can check: size of files, and who may include whom.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr int kLinesMax = 600;

struct SourceFile {
  std::string name;  // from the repository's root
  std::vector<std::string> lines;

  std::string folder() const { return name.substr(0, name.find('/')); }
  std::string base() const { return name.substr(name.rfind('/') + 1); }
};

std::vector<SourceFile> source_files() {
  const fs::path root = PARALLAX_SOURCE_DIR;
  std::vector<SourceFile> files;
  for (const char* folder : {"capture", "analysis", "config", "daemon", "tests", "benchmarks"}) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cpp") continue;
      SourceFile file{fs::relative(entry.path(), root), {}};
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) file.lines.push_back(line);
      files.push_back(std::move(file));
    }
  }
  return files;
}

struct Include {
  std::string target;
  bool system = false;
};

std::vector<Include> includes_of(const SourceFile& file) {
  static const std::regex include(R"(^\s*#\s*include\s*(["<])([^">]+)[">])");
  std::vector<Include> includes;
  for (const std::string& line : file.lines) {
    std::smatch match;
    if (std::regex_search(line, match, include)) includes.push_back({match[2], match[1] == "<"});
  }
  return includes;
}

bool starts_with_any(const std::string& text, std::initializer_list<const char*> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const char* prefix) { return text.rfind(prefix, 0) == 0; });
}

// The stages of each folder, in the order of the data's flow: each may include itself and what stands before it. Files of the
// folder itself (engine.h, the programs) wire the stages together and may include them all.
const std::map<std::string, std::vector<std::string>> kStages = {
    {"capture", {"core", "file", "source", "decode", "rx", "spool"}},
    {"analysis",
     {"model", "leg", "tcp", "protocol", "event", "recognise", "fate", "worker", "connection", "finding", "detect", "correlate",
      "report"}},
    {"daemon", {"background", "message", "history", "connection_log", "webhook", "run", "slice", "api", "doctor", "client"}},
};

// "analysis/tcp/turns.h" is of the stage "tcp"; "analysis/engine.h" is of none.
std::string stage_of(const std::string& path) {
  const size_t first = path.find('/'), second = path.find('/', first + 1);
  return second == std::string::npos ? "" : path.substr(first + 1, second - first - 1);
}

bool stages_allow(const SourceFile& file, const std::string& target) {
  const std::vector<std::string>& stages = kStages.at(file.folder());
  const std::string own = stage_of(file.name), other = stage_of(target);
  if (own.empty() || own == other) return true;
  const auto place = [&](const std::string& stage) { return std::find(stages.begin(), stages.end(), stage) - stages.begin(); };
  return !other.empty() && place(other) <= place(own);
}

// What each folder may include of the house (style.md, "The house").
bool may_include(const SourceFile& file, const std::string& target) {
  const std::string folder = file.folder();
  if (kStages.contains(folder) && target.starts_with(folder + '/')) return stages_allow(file, target);
  if (folder == "capture") return target.starts_with("config/");
  if (folder == "analysis") return target.starts_with("capture/core/");
  if (folder == "config") return starts_with_any(target, {"config/", "parallax/v1/"});
  return true;
}

// Whether a system header is one of the two packet libraries, which only the named files of capture/ may see.
bool is_packet_library(const std::string& target) { return starts_with_any(target, {"rte_", "pcap.h", "pcap/"}); }

TEST(Tidy, FilesAreShorterThanSixHundredLines) {
  for (const SourceFile& file : source_files()) {
    EXPECT_LT(file.lines.size(), kLinesMax) << file.name;
  }
}

TEST(Tidy, IncludesFollowTheLayers) {
  for (const SourceFile& file : source_files()) {
    for (const Include& include : includes_of(file)) {
      EXPECT_TRUE(include.system || may_include(file, include.target)) << file.name << " includes " << include.target;
    }
  }
}

TEST(Tidy, EveryFolderOfAStagedFolderIsAStage) {
  for (const SourceFile& file : source_files()) {
    const auto stages = kStages.find(file.folder());
    if (stages == kStages.end() || stage_of(file.name).empty()) continue;
    EXPECT_NE(std::find(stages->second.begin(), stages->second.end(), stage_of(file.name)), stages->second.end()) << file.name;
  }
}

TEST(Tidy, HeadersOfTheHouseAreIncludedFromTheRoot) {
  for (const SourceFile& file : source_files()) {
    for (const Include& include : includes_of(file)) {
      EXPECT_TRUE(include.system || include.target.ends_with(".def") || include.target.find('/') != std::string::npos)
          << file.name << " includes \"" << include.target << '"';
    }
  }
}

TEST(Tidy, OnlyCaptureSeesThePacketLibraries) {
  for (const SourceFile& file : source_files()) {
    const std::string folder = file.folder();
    if (folder == "tests" || folder == "benchmarks") continue;
    for (const Include& include : includes_of(file)) {
      if (!is_packet_library(include.target)) continue;
      EXPECT_TRUE(folder == "capture" && starts_with_any(file.base(), {"dpdk_", "eal", "libpcap_", "bpf_"}))
          << file.name << " includes " << include.target;
    }
  }
}

TEST(Tidy, AnalysisHasNoClockAndNoThreads) {
  for (const SourceFile& file : source_files()) {
    if (file.folder() != "analysis") continue;
    for (const Include& include : includes_of(file)) {
      EXPECT_FALSE(include.target == "thread" || include.target == "chrono" || include.target == "fstream" ||
                   include.target == "iostream" || include.target == "filesystem" || include.target == "time.h" ||
                   include.target == "ctime")
          << file.name << " includes <" << include.target << '>';
    }
  }
}

TEST(Tidy, OnlyAbsenceProofClaimsThatSomethingWasNotSeen) {
  for (const SourceFile& file : source_files()) {
    if (file.folder() != "analysis" || file.base().starts_with("absence_proof.") || file.base() == "sensor_view.h") continue;
    for (const std::string& line : file.lines) {
      EXPECT_EQ(line.find("covers("), std::string::npos) << file.name << " asks for coverage without a proof: " << line;
      EXPECT_EQ(line.find("\"absent_at\""), std::string::npos) << file.name << " makes evidence of an absence: " << line;
    }
  }
}

// Two of everything: which of two is meant, its index says (analysis/model/sides.h).
TEST(Tidy, NoBareIndexMeansASideOrADirection) {
  const std::regex two(R"(std::array<.*,\s*2>|\w[>*&]?\s+\w+\[2\]\s*[;={]|\b\w+ = 0; \w+ < 2;)");
  for (const SourceFile& file : source_files()) {
    const bool is_no_direction = file.base() == "sides.h" || file.base() == "keyed_hash.h";  // its own; halves of a hash
    if (file.folder() != "analysis" || is_no_direction) continue;
    for (size_t i = 0; i < file.lines.size(); ++i)
      EXPECT_FALSE(std::regex_search(file.lines[i], two)) << file.name << ':' << i + 1 << ": " << file.lines[i];
  }
}

TEST(Tidy, HeadersOpenWithACommentAndGuardThemselves) {
  for (const SourceFile& file : source_files()) {
    if (!file.name.ends_with(".h")) continue;
    ASSERT_FALSE(file.lines.empty()) << file.name;
    EXPECT_EQ(file.lines.front().rfind("//", 0), 0u) << file.name << " does not say what it is";
    EXPECT_NE(std::find(file.lines.begin(), file.lines.end(), "#pragma once"), file.lines.end()) << file.name;
  }
}

TEST(Tidy, NoTabsAndNoTrailingSpace) {
  for (const SourceFile& file : source_files()) {
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      EXPECT_EQ(line.find('\t'), std::string::npos) << file.name << ':' << i + 1;
      EXPECT_FALSE(line.ends_with(' ') || line.ends_with('\r')) << file.name << ':' << i + 1;
    }
  }
}

}  // namespace
