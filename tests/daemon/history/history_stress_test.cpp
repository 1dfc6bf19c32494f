// A burst of 100,000 findings, and a history that is full: what a finding costs, and how long a start takes with all of them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "daemon/history/history.h"
#include "tests/support/child_process.h"

namespace parallax {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kFindings = 100'000;
constexpr int64_t kNs = 1'000'000'000;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// As a detector's, of ten connections.
v1::RememberedFinding finding(uint64_t id) {
  v1::RememberedFinding message;
  v1::Finding& its = *message.mutable_finding();
  its.set_id(id);
  its.set_kind(v1::FINDING_KIND_SEGMENT_LOSS);
  its.set_severity(static_cast<v1::Severity>(1 + id % 4));
  its.set_summary(
      "The firewall between outside and inside dropped 21 segments of 10 connections to 203.0.113.80:443; none was seen inside.");
  for (uint64_t i = 0; i < 10; ++i) {
    its.add_connection_ids(id * 10 + i);
    its.add_community_ids("1:wCb3OG7yAFWelaUydu0D+125CLM=");
    v1::Evidence& evidence = *its.add_evidence();
    evidence.set_kind("sequence");
    evidence.set_point("outside");
    evidence.set_port("tap0");
    evidence.set_detail("sequence number 305419896, 1460 bytes, sent again 0.31 s later");
    v1::RememberedLeg& leg = *message.add_legs();
    leg.mutable_client()->set_address("198.51.100.7");
    leg.mutable_server()->set_address("203.0.113.80");
  }
  return message;
}

TEST(HistoryStress, AHundredThousandFindingsAreWrittenInSecondsAndAFullHistoryOpensInLessThanOne) {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "history.db";
  ::close(::open(path.c_str(), O_RDWR | O_CREAT, 0640));
  {
    HistoryFile file(path, {}, {1 * kNs, "1"});
    std::vector<v1::RememberedFinding> all;
    for (uint64_t id = 1; id <= kFindings; ++id) all.push_back(finding(id));
    const auto start = Clock::now();
    for (size_t i = 0; i < all.size();) {
      Transaction change = file.begin();
      for (int n = 0; n < 256 && i < all.size(); ++n) file.put(all[i++], kNs);
      change.commit();
      file.keep_bounds(kNs);
    }
    const double seconds = seconds_since(start);
    std::printf("%.1f us a finding of %zu bytes; %.0f MiB\n", seconds * 1e6 / kFindings, all[0].ByteSizeLong(),
                static_cast<double>(std::filesystem::file_size(path)) / (1 << 20));
    EXPECT_LT(seconds, 20);
    EXPECT_LE(std::filesystem::file_size(path), HistoryBounds{}.bytes);
    const auto check = Clock::now();
    while (file.check_some(4096)) {
    }
    std::printf("check of all findings: %.2f s\n", seconds_since(check));
  }
  const auto start = Clock::now();
  History history({directory.path(), {}, {2 * kNs, "1"}}, [](News, std::string_view text) { ADD_FAILURE() << text; });
  const double opening = seconds_since(start);
  std::printf("opened in %.0f ms with %lu findings of an earlier run\n", opening * 1e3, history.state().earlier_findings);
  EXPECT_GT(history.state().earlier_findings, kFindings * 9 / 10);
  EXPECT_LT(opening, 1);
  const auto listing = Clock::now();
  uint64_t after = 0, listed = 0;
  for (auto page = history.recall(0, 1000, History::Runs::all); !page.empty();
       page = history.recall(after, 1000, History::Runs::all)) {
    listed += page.size();
    after = page.back().id;
  }
  std::printf("listed %lu in %.2f s\n", listed, seconds_since(listing));
  EXPECT_EQ(listed, history.state().earlier_findings);
}

TEST(HistoryStress, AFullHistoryThatIsDamagedIsSetAsideAtOnceAndSalvagedInSteps) {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "history.db";
  ::close(::open(path.c_str(), O_RDWR | O_CREAT, 0640));
  {
    HistoryFile file(path, {}, {1 * kNs, "1"});
    for (uint64_t id = 1; id <= kFindings;) {
      Transaction change = file.begin();
      for (int n = 0; n < 256 && id <= kFindings; ++n) file.put(finding(id++), kNs);
      change.commit();
      file.keep_bounds(kNs);
    }
    Database(path, Database::Use::write).execute("DROP INDEX finding_by_worth; DROP TABLE device");  // as a damaged schema
  }
  std::string told;
  const auto start = Clock::now();
  {
    const History history({directory.path(), {}, {2 * kNs, "1"}}, [&](News, std::string_view text) { told += text; });
  }
  const double opening = seconds_since(start);
  std::printf("%s: opened in %.0f ms\n", told.c_str(), opening * 1e3);
  EXPECT_NE(told.find("is set aside as "), std::string::npos);
  EXPECT_LT(opening, 1);

  HistoryFile fresh(path, {}, {2 * kNs, "1"});
  HistorySalvage salvage(told.substr(told.find("set aside as ") + 13, path.size() + 27), fresh, kFindings + 1);
  double longest = 0;
  const auto begun = Clock::now();
  for (bool is_more = true; is_more;) {
    const auto step = Clock::now();
    is_more = salvage.step(fresh, 256, kNs);
    fresh.keep_bounds(kNs);
    longest = std::max(longest, seconds_since(step));
  }
  std::printf("salvaged %lu in %.1f s, at most %.0f ms a step\n", salvage.taken(), seconds_since(begun), longest * 1e3);
  EXPECT_GT(salvage.taken(), kFindings * 9 / 10);
}

}  // namespace
}  // namespace parallax
