// parallaxd's log of connections: a line of each, whole files after a kill, and a full or missing directory that is said and
// over.
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <set>

#include "tests/support/nat_daemon_fixture.h"

namespace parallax::test {
namespace {

using google::protobuf::Struct;

class ConnectionLogDaemonTest : public NatDaemonTest {
 protected:
  std::string log_config(const std::string& more = "") const {
    return "connection_log: { directory: \"" + log_ + "\"" + more + " }\n";
  }
  ChildProcess start_with(const std::string& more) const {
    return ChildProcess({program("parallaxd"), "--config", write_config("nat", tap_ports(), more)});
  }
  std::vector<std::string> files() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(log_)) {
      if (!entry.is_symlink()) found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  std::vector<Struct> lines() const {
    std::vector<Struct> all;
    for (const std::string& file : files()) {
      std::ifstream in(file);
      for (std::string line; std::getline(in, line);) {
        EXPECT_FALSE(in.eof()) << file << " ends in a cut line";
        EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(line, &all.emplace_back()).ok()) << line;
      }
    }
    return all;
  }
  bool wait_for_lines(size_t count) const {
    for (int i = 0; i < 300; ++i, usleep(100'000)) {
      if (sample(http_get(metrics_port_, "/metrics"), "parallax_connection_log_lines_total") >= static_cast<double>(count))
        return true;
    }
    return false;
  }
  static std::string text(const Struct& line, const std::string& field) {
    const auto found = line.fields().find(field);
    return found == line.fields().end() ? "" : found->second.string_value();
  }
  static double number(const Struct& line, const std::string& field) {
    const auto found = line.fields().find(field);
    return found == line.fields().end() ? -1 : found->second.number_value();
  }

  const std::string log_ = directory_ / "connections";
};

TEST_F(ConnectionLogDaemonTest, EachConnectionIsOneLineWithBothSides) {
  ChildProcess daemon = start_with(log_config());
  ASSERT_TRUE(wait_for_lines(3)) << daemon.err();
  std::string status;
  EXPECT_EQ(ask({"status"}, &status), 0);
  EXPECT_TRUE(has(status, "Connection log: " + log_ + ", 3 lines written")) << status;
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
  EXPECT_TRUE(has(daemon.err(), "connection log: 3 lines")) << daemon.err();
  const std::vector<Struct> all = lines();
  ASSERT_EQ(all.size(), 3u);
  std::set<std::string> uids;
  for (const Struct& line : all) {
    uids.insert(text(line, "uid"));
    EXPECT_EQ(text(line, "id.orig_h"), "198.51.100.7");
    EXPECT_EQ(text(line, "server_side.resp_h"), "10.0.0.80");
    EXPECT_EQ(text(line, "conn_state"), "SF");
    EXPECT_EQ(text(line, "service"), "http");
    EXPECT_EQ(text(line, "host"), "shop.example");
    EXPECT_EQ(number(line, "resp_bytes"), 43);
    EXPECT_EQ(number(line, "orig_bytes"), 44);
    const bool is_lossy = number(line, "id.orig_p") == kPortWithLoss;
    EXPECT_EQ(number(line, "orig_lost"), is_lossy ? 1 : 0);
    EXPECT_EQ(number(line, "orig_retransmissions"), is_lossy ? 1 : 0);
    EXPECT_EQ(line.fields().contains("finding_ids"), is_lossy);
  }
  EXPECT_EQ(uids.size(), 3u);
  struct stat found {};
  ::stat(files().front().c_str(), &found);
  EXPECT_EQ(found.st_mode & 0777, 0640u);
}

TEST_F(ConnectionLogDaemonTest, AKillLeavesWholeLinesOnceItIsStartedAgain) {
  {
    ChildProcess daemon = start_with(log_config());
    ASSERT_TRUE(wait_for_lines(3)) << daemon.err();
    daemon.signal(SIGKILL);
    daemon.wait(kStopTimeout);
  }
  ASSERT_EQ(files().size(), 1u);
  std::ofstream(files().front(), std::ios::app) << "{\"ts\":170000";  // as where it was killed while it wrote
  ChildProcess daemon = start_with(log_config());
  ASSERT_TRUE(wait_for_lines(3)) << daemon.err();
  EXPECT_TRUE(has(daemon.err(), "ended in the middle of a line, of which 12 bytes were cut off")) << daemon.err();
  EXPECT_EQ(files().size(), 2u);
  EXPECT_EQ(lines().size(), 6u);
}

TEST_F(ConnectionLogDaemonTest, WhatIsBeyondABoundIsRemovedCountedAndSaid) {
  std::filesystem::create_directory(log_);
  for (const char* const day : {"01", "02", "03"}) std::ofstream(log_ + "/conn-202601" + day + "T120000.123456Z.log") << "{}\n";
  ChildProcess daemon = start_with(log_config(", files: 2"));
  EXPECT_TRUE(daemon.wait_for_error_text("file was removed to keep to connection_log.files", kStartTimeout)) << daemon.err();
  ASSERT_TRUE(wait_for_lines(3)) << daemon.err();
  for (int i = 0; i < 50 && files().size() > 2; ++i) usleep(100'000);
  EXPECT_EQ(files().size(), 2u);
  EXPECT_EQ(sample(http_get(metrics_port_, "/metrics"), "parallax_connection_log_files_removed_total{reason=\"count\"}"), 2);
}

TEST_F(ConnectionLogDaemonTest, ADirectoryThatIsMissingIsSaidOnceAndWrittenWhenItIsThere) {
  const std::string parent = directory_ / "later";
  const std::string config = "connection_log: { directory: \"" + parent + "/log\" }\n";
  ChildProcess check({program("parallaxd"), "--check-config", "--config", write_config("check", tap_ports(), config)});
  EXPECT_EQ(check.wait(kStartTimeout), 0);
  EXPECT_TRUE(has(check.err(), "no connection will be logged")) << check.err();
  ChildProcess daemon = start_with(config);
  ASSERT_TRUE(daemon.wait_for_error_text("connection log: nothing is written: cannot make", kStartTimeout)) << daemon.err();
  ASSERT_TRUE(daemon.wait_for_error_text("segment_loss", kStartTimeout)) << daemon.err();
  EXPECT_EQ(sample(http_get(metrics_port_, "/metrics"), "parallax_connection_log_error"), 1);
  std::string status;
  EXPECT_EQ(ask({"status"}, &status), 0);
  EXPECT_TRUE(has(status, "  error: cannot make")) << status;
  std::filesystem::create_directory(parent);
  ASSERT_TRUE(wait_for_lines(3)) << daemon.err();
  EXPECT_TRUE(daemon.wait_for_error_text("is written again; 0 connections were dropped meanwhile", kStartTimeout))
      << daemon.err();
  const std::string page = http_get(metrics_port_, "/metrics");
  EXPECT_EQ(sample(page, "parallax_connection_log_error"), 0);
  EXPECT_EQ(sample(page, "parallax_connection_log_dropped_connections_total{reason=\"write_error\"}"), 0);
  const std::string said = daemon.err();
  EXPECT_EQ(said.find("nothing is written"), said.rfind("nothing is written"));
}

TEST_F(ConnectionLogDaemonTest, WhatCannotBeIsRefusedWithItsPlace) {
  EXPECT_TRUE(has(refusal(write_config("a", tap_ports(), log_config(", size: 64MiB")), 2),
                  "connection_log.size: 64MiB is less than two files of connection_log.file_size (64MiB)"));
  EXPECT_TRUE(has(refusal(write_config("b", tap_ports(), log_config(", file_age_seconds: 1ms")), 2),
                  "connection_log.file_age_seconds: 0.001s is too short; at least 1s"));
}

}  // namespace
}  // namespace parallax::test
