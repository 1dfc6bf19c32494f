// docs/findings.md is what the table of detectors says, with a sentence of each kind out of tests/scenarios. `./dev docs` writes
// it anew (PARALLAX_UPDATE_DOCS=1).
#include "analysis/detect/findings_page.h"

#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "analysis/detect/detector.h"
#include "tests/support/scenario.h"

namespace parallax {
namespace {

constexpr const char* kPage = PARALLAX_SOURCE_DIR "/docs/findings.md";
constexpr size_t kTwoLines = 2 * 100;

// Where the first file of the kind's folder is not the one that shows best what it mostly says.
const std::map<std::string, std::string, std::less<>> kBest = {
    {"capture_loss", "capture_misses_what_was_acknowledged"},
    {"closed_by_device", "serverhello_kept_by_the_firewall"},
    {"duplicate_capture", "span_shows_every_packet_twice"},
    {"idle_timeout_drop", "data_after_the_silence_ends_in_the_device"},
    {"message_not_forwarded", "serverhello_kept_by_the_firewall"},
    {"reset_by_device", "reset_by_device"},
    {"reset_by_server", "server_aborts"},
    {"reset_not_forwarded", "reset_not_forwarded"},
    {"segment_loss", "segment_lost_toward_server"},
    {"stalled_connection", "posts_in_vain_until_another_connection"},
    {"syn_refused", "syn_refused_by_device"},
    {"syn_retried", "syn_retried_after_silence"},
    {"syn_unanswered", "syn_dropped_by_device"},
};

// Kinds whose scenarios lie with those of another, beside which they are raised.
constexpr std::pair<std::string_view, std::string_view> kWithAnother[] = {{"fragment_flood", "datagram_flood"},
                                                                          {"message_not_forwarded", "closed_by_device"}};

std::string contents_of(const std::string& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// What the first scenario of the kind's folder that raises one says, or the best one.
FindingExample example_of(FindingKind kind) {
  const std::string root = PARALLAX_SOURCE_DIR "/", name(name_of(kind));
  std::string folder = "tests/scenarios/" + name;
  for (const auto& [kind_of_another, other] : kWithAnother) {
    if (kind_of_another == name) folder = "tests/scenarios/" + std::string(other);
  }
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(root + folder)) files.insert(entry.path().filename());
  if (const auto best = kBest.find(name); best != kBest.end()) files = {best->second + ".scenario"};
  for (const std::string& file : files) {
    const std::string path = folder + "/" + file;
    const auto parsed = test::parse_scenario(path, contents_of(root + path), test::Variant::fault);
    if (!parsed.scenario) continue;
    for (const FindingRecord& finding : test::run(parsed.scenario->input, 1).findings) {
      if (finding.kind == kind) return {finding.summary, path};
    }
  }
  ADD_FAILURE() << "no scenario in " << folder << " raises " << name;
  return {};
}

TEST(FindingsPage, IsMadeFromTheTable) {
  const std::string made = findings_page(example_of);
  if (std::getenv("PARALLAX_UPDATE_DOCS") != nullptr) std::ofstream(kPage) << made;
  EXPECT_EQ(contents_of(kPage), made) << "run ./dev docs";
}

TEST(FindingsPage, SentencesFitOnTwoLines) {
  for (const Detector* detector : detectors()) {
    const std::string sentence = example_of(detector->kind).sentence;
    EXPECT_LE(sentence.size(), kTwoLines) << sentence;
    EXPECT_TRUE(std::isdigit(static_cast<unsigned char>(sentence[0])) || std::isupper(static_cast<unsigned char>(sentence[0])))
        << sentence;
    EXPECT_TRUE(sentence.ends_with('.')) << sentence;
  }
}

TEST(Detectors, EveryKindHasOne) {
  for (int i = 0; i < kFindingKindCount; ++i) {
    const auto kind = static_cast<FindingKind>(i);
    EXPECT_NE(detector_of(kind), nullptr) << name_of(kind);
  }
}

// No `{name}` is left over, and every threshold is listed with its kind.
TEST(FindingsPage, NamesEveryThreshold) {
  const std::string page = findings_page([](FindingKind) { return FindingExample{}; });
  EXPECT_EQ(page.find_first_of("{}"), std::string::npos);
#define SECONDS(name, ns) EXPECT_NE(page.find("`" #name "_seconds` ("), std::string::npos) << #name;
#define NUMBER(name, number) EXPECT_NE(page.find("`" #name "` ("), std::string::npos) << #name;
#include "analysis/model/thresholds.def"
#undef NUMBER
#undef SECONDS
}

TEST(Detectors, EveryRowIsComplete) {
  for (const Detector* detector : detectors()) {
    SCOPED_TRACE(name_of(detector->kind));
    EXPECT_EQ(detector_of(detector->kind), detector) << "two rows for one kind";
    EXPECT_TRUE(detector->look || detector->fate || detector->sum_up || detector->is_of_memory) << "nothing triggers it";
    EXPECT_EQ(detector->look != nullptr, detector->due_ns != nullptr);
    EXPECT_EQ(detector->fate != nullptr, detector->fate_type.has_value());
    EXPECT_NE(detector->sentence, nullptr);
    const DetectorPage& page = detector->page;
    for (const std::string_view text : {page.means, page.needs, page.errs, page.next_at(Where::Kind::between),
                                        page.next_at(Where::Kind::beyond), page.next_at(Where::Kind::unknown)})
      EXPECT_TRUE(text.ends_with('.')) << text;
  }
}

}  // namespace
}  // namespace parallax
