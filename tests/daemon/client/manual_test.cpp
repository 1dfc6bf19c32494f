// Man pages and completion say what the programs' own command lines say. `./dev docs` writes those of `parallax` anew
// (PARALLAX_UPDATE_DOCS=1).
#include "daemon/client/manual.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include "daemon/client/command_line.h"
#include "tests/support/child_process.h"

namespace parallax {
namespace {

using namespace std::chrono_literals;
using test::ChildProcess;

constexpr const char* kManPage = PARALLAX_SOURCE_DIR "/systemd/man/parallax.1";
constexpr const char* kDaemonsManPage = PARALLAX_SOURCE_DIR "/systemd/man/parallaxd.8";
constexpr const char* kCompletion = PARALLAX_SOURCE_DIR "/systemd/completion/parallax";
constexpr const char* kDaemonsCompletion = PARALLAX_SOURCE_DIR "/systemd/completion/parallaxd";

std::string contents_of(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

void expect_file_says(const char* path, const std::string& text) {
  if (std::getenv("PARALLAX_UPDATE_DOCS") != nullptr) std::ofstream(path) << text;
  EXPECT_EQ(contents_of(path), text) << path << ": run ./dev docs";
}

std::set<std::string> long_options_in(const std::string& text) {
  static const std::regex option("--[a-z][a-z-]*");
  return {std::sregex_token_iterator(text.begin(), text.end(), option), {}};
}

// What bash offers for the last of the words.
std::string completed(const char* file, const std::string& function, const std::string& words) {
  const std::string script = std::string("source ") + file + "; COMP_WORDS=(" + words +
                             "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); " + function + "; echo \"${COMPREPLY[*]}\"";
  ChildProcess bash({"bash", "-c", script});
  EXPECT_EQ(bash.wait(10s), 0) << bash.err();
  const std::string out = bash.out();
  return out.substr(0, out.find('\n'));
}

class Manual : public ::testing::Test {
 protected:
  int exit_code_ = 0;
  const std::unique_ptr<CLI::App> app_ = command_line(exit_code_);
};

TEST_F(Manual, ManPageIsWhatTheCommandLineSays) { expect_file_says(kManPage, man_page(*app_)); }
TEST_F(Manual, CompletionIsWhatTheCommandLineSays) { expect_file_says(kCompletion, bash_completion(*app_)); }

TEST(DaemonsManual, NamesTheOptionsThatTheDaemonHas) {
  ChildProcess daemon({test::program("parallaxd"), "--help"});
  ASSERT_EQ(daemon.wait(30s), 0) << daemon.err();
  const std::set<std::string> options = long_options_in(daemon.out());
  EXPECT_TRUE(options.contains("--check-config"));
  EXPECT_EQ(long_options_in(std::regex_replace(contents_of(kDaemonsManPage), std::regex("\\\\-"), "-")), options);
  EXPECT_EQ(long_options_in(contents_of(kDaemonsCompletion)), options);
}

TEST(Completion, OffersCommandsOptionsValuesAndFiles) {
  const auto offered = [](const std::string& words) { return completed(kCompletion, "_parallax", words); };
  EXPECT_EQ(offered("parallax s"), "status slice");
  EXPECT_EQ(offered("parallax wireshark ''"), "install --help");
  EXPECT_EQ(offered("parallax wireshark install --po"), "--points");
  EXPECT_EQ(offered("parallax findings --severity n"), "notice");
  EXPECT_EQ(offered("parallax findings --kind syn_un"), "syn_unanswered");
  EXPECT_EQ(offered("parallax --target unix:/x status --format ''"), "text json");
  EXPECT_EQ(offered("parallax analyze --f"), "--format --filter");
  const std::string file = std::string(PARALLAX_SOURCE_DIR) + "/LICE", whole = file + "NSE";
  EXPECT_EQ(offered("parallax slice -o " + file), whole);
  EXPECT_EQ(offered("parallax slice --output " + file), whole);
  EXPECT_EQ(offered("parallax analyze outside = " + file), whole);
  EXPECT_EQ(offered("parallax analyze outside=" + file), "outside=" + whole);
  EXPECT_EQ(offered("parallax analyze outside=a.pcap," + file), "outside=a.pcap," + whole);
  EXPECT_EQ(completed(kDaemonsCompletion, "_parallaxd", "parallaxd --ch"), "--check-config");
  EXPECT_EQ(completed(kDaemonsCompletion, "_parallaxd", "parallaxd --config " + file), whole);
}

// groff complains of what it does not understand.
TEST(DaemonsManual, PagesAreGoodRoff) {
  if (std::system("command -v groff >/dev/null 2>&1") != 0) GTEST_SKIP() << "needs groff: apt-get install groff-base";
  for (const char* page : {kManPage, kDaemonsManPage}) {
    ChildProcess groff({"groff", "-man", "-ww", "-z", page});
    EXPECT_EQ(groff.wait(20s), 0);
    EXPECT_EQ(groff.err(), "") << page;
  }
}

}  // namespace
}  // namespace parallax
