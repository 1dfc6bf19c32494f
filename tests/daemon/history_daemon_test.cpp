// What outlives a restart of parallaxd, as people see it: findings of earlier runs with their ids, whatever ended these runs and
// whatever became of the database.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "tests/support/nat_daemon_fixture.h"

namespace parallax {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using test::ChildProcess;
using test::has;
using test::http_get;
using test::kStartTimeout;
using test::kStopTimeout;
using test::program;
using test::sample;

class HistoryDaemonTest : public test::NatDaemonTest {
 protected:
  std::string history() const { return directory_ / "history"; }
  std::string database() const { return history() + "/history.db"; }
  ChildProcess start_remembering(const std::string& more = "") const {
    return ChildProcess({program("parallaxd"), "--config",
                         write_config("nat", tap_ports(), "history: { directory: \"" + history() + "\" }\n" + more)});
  }
  std::optional<double> metric(const std::string& name) const { return sample(http_get(metrics_port_, "/metrics"), name); }
  bool wait_until_written() const {
    for (int i = 0; i < 200 && metric("parallax_history_written_findings_total").value_or(0) < 1; ++i)
      std::this_thread::sleep_for(50ms);
    return metric("parallax_history_written_findings_total").value_or(0) >= 1;
  }
  static void stop(ChildProcess& daemon) {
    daemon.signal(SIGTERM);
    EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
  }
  std::set<uint64_t> connections() const {
    std::string out;
    EXPECT_EQ(ask({"connections", "--format", "json"}, &out), 0);
    std::set<uint64_t> found;
    const std::string key = "{\"connection\":{\"id\":";
    for (size_t place = 0; (place = out.find(key, place)) != std::string::npos; ++place)
      found.insert(std::stoull(out.substr(place + key.size())));
    return found;
  }
  // Ids of the segment_loss findings that are listed.
  std::vector<uint64_t> ids(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{"findings", "--format", "json", "--kind", "segment_loss"};
    words.insert(words.end(), more.begin(), more.end());
    std::string out;
    EXPECT_EQ(ask(words, &out), 0);
    std::vector<uint64_t> found;
    const std::string key = "{\"finding\":{\"id\":";
    for (size_t place = 0; (place = out.find(key, place)) != std::string::npos; ++place)
      found.push_back(std::stoull(out.substr(place + key.size())));
    return found;
  }
};

TEST_F(HistoryDaemonTest, AfterARestartEarlierFindingsAreListedWithTheirIdsAndNewOnesHaveOthers) {
  std::string before, out;
  std::set<uint64_t> connections_before;
  {
    ChildProcess daemon = start_remembering();
    ASSERT_TRUE(daemon.wait_for_error_text("segment_loss", kStartTimeout)) << daemon.err();
    before = finding_id();
    connections_before = connections();
    ASSERT_FALSE(connections_before.empty());
    stop(daemon);
  }
  ChildProcess daemon = start_remembering();
  ASSERT_TRUE(daemon.wait_for_error_text("segment_loss", kStartTimeout)) << daemon.err();
  ASSERT_TRUE(wait_until_written());
  const std::vector<uint64_t> all = ids();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(std::to_string(all[0]), before);
  EXPECT_GT(all[1], all[0]);
  EXPECT_EQ(ids({"--this-run"}), std::vector<uint64_t>{all[1]});
  EXPECT_EQ(ids({"-n", "1"}), std::vector<uint64_t>{all[1]});
  EXPECT_EQ(ids({"--client", "198.51.100.7"}), all) << "filters find those of earlier runs, too";
  EXPECT_TRUE(ids({"--client", "198.51.100.8"}).empty());
  ASSERT_EQ(ask({"findings"}, &out), 0);
  EXPECT_TRUE(has(out, "[Of an earlier run of the sensor")) << out;
  ASSERT_EQ(ask({"findings", "--format", "json"}, &out), 0);
  EXPECT_TRUE(has(out, "\"earlier_run\":{\"started\":\"")) << out;
  EXPECT_TRUE(has(out, "\"was_killed\":false")) << out;
  for (const uint64_t id : connections()) EXPECT_FALSE(connections_before.contains(id)) << id << " names two connections";
  ASSERT_EQ(ask({"devices"}, &out), 0);
  EXPECT_TRUE(has(out, "learned by earlier runs, until ")) << out;
  EXPECT_TRUE(has(out, "203.0.113.1:80")) << out;
  ASSERT_EQ(ask({"status"}, &out), 0);
  EXPECT_TRUE(has(out, "History: " + database() + ", ")) << out;
  stop(daemon);
}

TEST_F(HistoryDaemonTest, AKilledDaemonLosesNoFindingThatWasWrittenAndGivesNoIdAgain) {
  std::set<uint64_t> given;
  for (int run = 0; run < 4; ++run) {
    ChildProcess daemon = start_remembering();
    ASSERT_TRUE(daemon.wait_for_error_text("segment_loss", kStartTimeout)) << daemon.err();
    ASSERT_TRUE(wait_until_written());
    const std::vector<uint64_t> all = ids();
    ASSERT_EQ(all.size(), static_cast<size_t>(run) + 1);
    EXPECT_TRUE(given.insert(all.back()).second) << all.back() << " names two findings";
    for (const uint64_t id : all) EXPECT_TRUE(given.contains(id)) << id;
    daemon.signal(SIGKILL);
    daemon.wait(kStopTimeout);
  }
  ChildProcess daemon = start_remembering();
  ASSERT_TRUE(daemon.wait_for_error_text("is ready", kStartTimeout)) << daemon.err();
  std::string out;
  ASSERT_EQ(ask({"findings", "--format", "json"}, &out), 0);
  EXPECT_TRUE(has(out, "\"was_killed\":true")) << out;
}

TEST_F(HistoryDaemonTest, DamagedAtRandomPlacesTheDaemonStartsAndCapturesAndTellsOfItOrOfNothingFalse) {
  std::string id;
  {
    ChildProcess daemon = start_remembering();
    ASSERT_TRUE(daemon.wait_for_error_text("segment_loss", kStartTimeout)) << daemon.err();
    id = finding_id();
    stop(daemon);
  }
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 6; ++round) {
    const auto bytes = static_cast<std::streamoff>(fs::file_size(database()));
    std::fstream file(database(), std::ios::in | std::ios::out | std::ios::binary);
    for (int place = 0; place < 20; ++place)
      file.seekp(static_cast<std::streamoff>(random()) % bytes).put(static_cast<char>(random()));
    file.close();
    if (round == 5) fs::resize_file(database(), 1000);
    ChildProcess daemon = start_remembering();
    ASSERT_TRUE(daemon.wait_for_error_text("segment_loss", kStartTimeout)) << daemon.err();
    ASSERT_TRUE(wait_until_written()) << daemon.err();
    EXPECT_GT(ids().back(), std::stoull(id));
    EXPECT_EQ(metric("parallax_history_error"), 0);
    EXPECT_TRUE(round < 5 || has(daemon.err(), "is set aside as ")) << daemon.err();
    stop(daemon);
  }
}

TEST_F(HistoryDaemonTest, WithoutItsDirectoryTheDaemonRunsAndSaysWhatIsMissing) {
  std::ofstream(history()) << "in the way";
  ChildProcess daemon = start_remembering();
  ASSERT_TRUE(daemon.wait_for_error_text("history: nothing is written: cannot open ", kStartTimeout)) << daemon.err();
  ASSERT_TRUE(daemon.wait_for_error_text("segment_loss", kStartTimeout)) << daemon.err();
  EXPECT_EQ(metric("parallax_history_error"), 1);
  std::string out;
  ASSERT_EQ(ask({"status"}, &out), 0);
  EXPECT_TRUE(has(out, "  error: cannot open " + history() + "/lock: Not a directory\n")) << out;
  fs::remove(history());
  ASSERT_TRUE(daemon.wait_for_error_text("is written again", kStartTimeout)) << daemon.err();
  EXPECT_EQ(ids().size(), 1u);
  EXPECT_EQ(metric("parallax_history_error"), 0);
  EXPECT_EQ(metric("parallax_history_findings"), metric("parallax_history_written_findings_total"));
  stop(daemon);
}

TEST_F(HistoryDaemonTest, TwoDaemonsWithOneDirectoryBothRunAndTheSecondSaysThatItWritesNothing) {
  ChildProcess first = start_remembering();
  ASSERT_TRUE(first.wait_for_error_text("is ready", kStartTimeout)) << first.err();
  const std::string other = directory_ / "other.yaml";
  std::ofstream(other) << "path: [outside, inside]\n"
                       << tap_ports() << "api: { address: \"unix:" << directory_ / "other.sock"
                       << "\" }\nmetrics: { address: \"\" }\n"
                       << "service: { user: root }\nhistory: { directory: \"" << history() << "\" }\n";
  ChildProcess second({program("parallaxd"), "--config", other});
  ASSERT_TRUE(second.wait_for_error_text("another parallaxd has this directory", kStartTimeout)) << second.err();
  ASSERT_TRUE(second.wait_for_error_text("is ready", kStartTimeout)) << second.err();
  stop(second);
  stop(first);
}

TEST_F(HistoryDaemonTest, ASliceOfAnEarlierFindingIsThatOfItsPinnedFileOrNamesItsTime) {
  const std::string spool =
      "spool:\n  directory: \"" + (directory_ / "spool") +
      "\"\n  size: 4MiB\n  file_size: 1MiB\n  pinned: { size: 1MiB, rules: [{ kinds: [segment_loss], after_seconds: "
      "1s, size: 64KiB }] }\n";
  std::string pinned, out, err;
  {
    ChildProcess daemon = start_remembering(spool);
    ASSERT_TRUE(daemon.wait_for_error_text("21 packets pinned", kStartTimeout)) << daemon.err();
    pinned = finding_id();
    stop(daemon);
  }
  ChildProcess daemon = start_remembering(spool);
  ASSERT_TRUE(daemon.wait_for_error_text(" packets pinned", kStartTimeout)) << daemon.err();
  ASSERT_EQ(ask({"slice", "--finding", pinned, "-o", directory_ / "slice.pcapng"}, nullptr, &err), 0) << err;
  EXPECT_TRUE(has(err, "parallax: 21 packets (outside 11, inside 10), ")) << err;
  fs::remove(directory_ / ("spool/pinned/finding-" + pinned + ".pcapng"));
  for (int i = 0; i < 100 && metric("parallax_spool_pinned_files") != 1; ++i) std::this_thread::sleep_for(50ms);
  ASSERT_EQ(ask({"slice", "--finding", pinned, "-o", directory_ / "slice.pcapng"}, nullptr, &err), 1);
  EXPECT_TRUE(has(err, "(it is of an earlier run), and its packets were not pinned; pull its time, 2023-11-14T22:13:")) << err;
  stop(daemon);
}

}  // namespace
}  // namespace parallax
