// What happens to the spool, as the people around parallaxd hear of it: log, metrics, status, the status of a slice and what
// `parallax slice` says of it.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/daemon_fixture.h"

namespace parallax {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using test::ChildProcess;
using test::DaemonTest;
using test::has;
using test::http_get;
using test::kStartTimeout;
using test::kStopTimeout;
using test::program;
using test::sample;

class SpoolDaemonTest : public DaemonTest {
 protected:
  std::string spool_path() const { return directory_ / "spool"; }
  std::string spool_with(const std::string& more) const {
    return "spool: { directory: \"" + spool_path() + "\", size: 256MiB, " + more + " }\n";
  }
  std::optional<double> metric(const std::string& name) const { return sample(http_get(metrics_port_, "/metrics"), name); }
  std::string status() const {
    std::string out;
    EXPECT_EQ(ask({"status"}, &out), 0);
    return out;
  }
  bool metric_becomes(const std::string& name, double value, std::chrono::seconds limit) const {
    for (const auto end = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < end;) {
      if (metric(name) == value) return true;
      std::this_thread::sleep_for(100ms);
    }
    return false;
  }
  // All the time of the fixture's packets.
  int slice(std::vector<std::string> more, std::string* err) const {
    std::vector<std::string> all{"slice", "--from", "2023-11-14T22:13:00Z", "--to", "2023-11-14T22:14:00Z"};
    all.insert(all.end(), more.begin(), more.end());
    return ask(all, nullptr, err);
  }
  std::string file() const { return directory_ / "slice.pcapng"; }
};

TEST_F(SpoolDaemonTest, ARemovedDirectoryIsALogLineAMetricAWordInStatusAndInTheSlicesStatus) {
  ChildProcess daemon({program("parallaxd"), "--config", write_config("a", file_ports(), spool())});
  ASSERT_TRUE(daemon.wait_for_error_text("all files have been worked off", kStartTimeout)) << daemon.err();
  EXPECT_TRUE(has(daemon.err(), "spool opened: made directory " + spool_path() + ", which did not exist")) << daemon.err();
  ASSERT_TRUE(metric_becomes("parallax_spool_newest_packet_timestamp_seconds", 1'700'000'020, 5s));
  EXPECT_EQ(metric("parallax_spool_oldest_packet_timestamp_seconds"), 1'699'999'999);
  EXPECT_EQ(metric("parallax_spool_limit_bytes"), 256 << 20);
  EXPECT_EQ(metric("parallax_spool_error"), 0);
  std::string err;
  ASSERT_EQ(slice({"-o", file()}, &err), 0) << err;

  fs::remove_all(spool_path());
  ASSERT_TRUE(daemon.wait_for_error_text("spool directory " + spool_path() + " was lost", 5s)) << daemon.err();
  EXPECT_TRUE(
      daemon.wait_for_error_text("1 file with 6 packets from 2023-11-14T22:13:19Z to 2023-11-14T22:13:40Z was removed by "
                                 "others than parallaxd",
                                 5s))
      << daemon.err();
  const std::string page = http_get(metrics_port_, "/metrics");
  EXPECT_EQ(sample(page, "parallax_spool_error"), 1);
  EXPECT_EQ(sample(page, "parallax_spool_files_removed_total{reason=\"others\"}"), 1);
  EXPECT_EQ(sample(page, "parallax_spool_size_bytes"), 0);
  EXPECT_EQ(sample(page, "parallax_spool_newest_packet_timestamp_seconds"), 0);
  const std::string said = status();
  EXPECT_TRUE(has(said, "Spool: " + spool_path() + ", 0 files")) << said;
  EXPECT_TRUE(has(said, "  removed by others: 1 file")) << said;
  EXPECT_TRUE(has(said, "  error: spool directory " + spool_path() + " was lost")) << said;
  EXPECT_EQ(slice({"-o", file()}, &err), 1);
  EXPECT_EQ(
      err,
      "parallax: files of the spool from 2023-11-14T22:13:19Z to 2023-11-14T22:13:40Z were removed by others than parallaxd; "
      "the spool holds no packets\n");

  EXPECT_TRUE(metric_becomes("parallax_spool_error", 0, 15s)) << "and it is over";
  EXPECT_TRUE(daemon.wait_for_error_text("in order again; 0 packets were dropped meanwhile", 5s)) << daemon.err();
  EXPECT_FALSE(has(status(), "error:"));
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
}

TEST_F(SpoolDaemonTest, TooLittleFreeSpaceIsALogLineAMetricAWordInStatusAndInTheSlicesStatus) {
  fs::create_directory(spool_path());
  if (geteuid() != 0 || mount("none", spool_path().c_str(), "tmpfs", 0, "size=8m") != 0)
    GTEST_SKIP() << "needs a small disk, a tmpfs: run as root, with CAP_SYS_ADMIN";
  ChildProcess daemon(
      {program("parallaxd"), "--config", write_config("a", file_ports(), spool_with("min_free: 9MiB, require_mount: true"))});
  EXPECT_TRUE(daemon.wait_for_error_text("less than spool.min_free (9437184 bytes) is free on its disk", kStartTimeout))
      << daemon.err();
  EXPECT_TRUE(daemon.wait_for_error_text("all files have been worked off", kStartTimeout)) << daemon.err();
  EXPECT_TRUE(metric_becomes("parallax_spool_dropped_packets_total", 6, 5s));
  EXPECT_EQ(metric("parallax_spool_error"), 1);
  EXPECT_NEAR(*metric("parallax_spool_disk_free_bytes"), 8 << 20, 64 << 10);
  const std::string said = status();
  EXPECT_TRUE(has(said, "8.0 MiB of its disk are free, 9.0 MiB are to be")) << said;
  EXPECT_TRUE(has(said, "error: spool " + spool_path() + ": less than spool.min_free")) << said;
  std::string err;
  EXPECT_EQ(ask({"slice", "--from", "1m", "-o", file()}, nullptr, &err), 1);
  EXPECT_TRUE(has(err, "less than spool.min_free") && has(err, "the spool holds no packets")) << err;
  EXPECT_TRUE(daemon.wait_for_error_text("dropped 6 packets", 15s)) << daemon.err();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
  umount2(spool_path().c_str(), MNT_DETACH);
}

TEST_F(SpoolDaemonTest, WhatIsOlderThanTheLimitIsRemovedAndTold) {
  ChildProcess daemon({program("parallaxd"), "--config", write_config("a", file_ports(), spool_with("max_age_seconds: 1h"))});
  ASSERT_TRUE(metric_becomes("parallax_spool_files_removed_total{reason=\"age\"}", 1, 10s)) << daemon.err();
  EXPECT_TRUE(
      daemon.wait_for_error_text("1 file with 6 packets from 2023-11-14T22:13:19Z to 2023-11-14T22:13:40Z was removed to "
                                 "keep to spool.max_age_seconds",
                                 15s))
      << daemon.err();
  const std::string said = status();
  EXPECT_TRUE(has(said, "removed by age: 1 file") && has(said, "no packet is kept for more than 1 h")) << said;
  std::string out;
  EXPECT_EQ(ask({"status", "--format", "json"}, &out), 0);
  EXPECT_TRUE(has(out, "\"removed\":[{\"reason\":\"age\",\"files\":1,")) << out;
}

TEST_F(SpoolDaemonTest, AMistypedDirectoryIsRefusedWithWhatIsMissing) {
  const std::string mistyped = directory_ / "spol/parallax";
  const std::string said =
      refusal(write_config("a", file_ports(), "spool: { directory: \"" + mistyped + "\", size: 256MiB }\n"), 1);
  EXPECT_TRUE(has(said, "cannot make spool directory " + mistyped + ": " + (directory_ / "spol") + " does not exist")) << said;
  EXPECT_FALSE(fs::exists(directory_ / "spol"));
  fs::create_directory(spool_path());
  const std::string unmounted = refusal(write_config("b", file_ports(), spool_with("require_mount: true")), 1);
  EXPECT_TRUE(has(unmounted, spool_path() + " is not a mount point")) << unmounted;
}

TEST_F(SpoolDaemonTest, ASliceSaysWhatItHoldsAndWhatIsMissing) {
  ChildProcess daemon({program("parallaxd"), "--config", write_config("a", file_ports(), spool())});
  ASSERT_TRUE(metric_becomes("parallax_spool_newest_packet_timestamp_seconds", 1'700'000'020, kStartTimeout)) << daemon.err();
  std::string out, err;
  EXPECT_EQ(slice({"-o", file()}, &err), 0);
  EXPECT_EQ(err,
            "parallax: 6 packets (outside 4, inside 2), 2023-11-14T22:13:19Z to 2023-11-14T22:13:40Z, 21.0 s\n"
            "parallax: missing: asked for packets from 2023-11-14T22:13:00Z; the spool holds none before 2023-11-14T22:13:19Z\n");

  // Nothing that matches, and nothing since: no error, and a pcapng all the same.
  EXPECT_EQ(slice({"--filter", "host 203.0.113.99", "-o", file()}, &err), 0);
  EXPECT_TRUE(err.starts_with(
      "parallax: no packets: none that was asked for, and that \"host 203.0.113.99\" lets through, is in the spool\n"))
      << err;
  EXPECT_GT(fs::file_size(file()), 100u);
  EXPECT_EQ(ask({"slice", "--from", "1s", "-o", file()}, nullptr, &err), 0);
  EXPECT_EQ(err, "parallax: no packets: none that was asked for is in the spool\n");
  std::ifstream pcapng(file(), std::ios::binary);
  uint32_t magic = 0;
  pcapng.read(reinterpret_cast<char*>(&magic), 4);
  EXPECT_EQ(magic, 0x0a0d0d0au);

  EXPECT_EQ(ask({"slice", "--connection", "424242"}, nullptr, &err), 1);
  EXPECT_EQ(err,
            "parallax: there is no connection 424242, or it is no longer kept; `parallax connections` lists those that are\n");
  for (const char* wrong : {"abc", "0", "-7", "1.5", "7x"}) {
    EXPECT_EQ(ask({"slice", std::string("--finding=") + wrong}, nullptr, &err), 2) << wrong;
    EXPECT_TRUE(has(err, std::string("\"") + wrong + "\" is no id: a whole number from 1, as `parallax findings` lists them"))
        << err;
  }
  EXPECT_EQ(slice({"--filter", "tcp and host no-such-host.example", "-o", file()}, &err), 2);
  EXPECT_TRUE(has(err, "'no-such-host.example'") && has(err, "at position 13")) << err;
}

TEST(SpoolPackaging, TheUnitMakesTheDirectoryOfTheShippedConfiguration) {
  const auto read = [](const std::string& name) {
    std::ifstream in(std::string(PARALLAX_SOURCE_DIR) + name);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string config = read("/config/parallax.yaml"), unit = read("/systemd/parallaxd.service"), key = "  directory: ";
  const size_t at = config.find(key) + key.size();
  const std::string directory = config.substr(at, config.find('\n', at) - at);
  ASSERT_TRUE(directory.starts_with("/var/")) << directory;
  EXPECT_TRUE(has(unit, "ExecStartPre=+/usr/bin/install -d -o parallax -g parallax -m 0750 " + directory + "\n")) << unit;
  EXPECT_TRUE(has(unit, "ReadWritePaths=-" + directory + "\n")) << unit;
  EXPECT_TRUE(has(read("/systemd/tmpfiles.conf"), "d " + directory + " 0750 parallax parallax -\n"));
  EXPECT_TRUE(has(read("/config/starting.yaml"), "#   directory: " + directory + "\n"));
}

}  // namespace
}  // namespace parallax
