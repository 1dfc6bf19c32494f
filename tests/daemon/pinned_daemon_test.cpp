// Findings whose packets are pinned, as people see it: parallaxd pins them, the ring turns, the daemon forgets, and
// `parallax slice --finding` still gives both sides of every packet.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
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

class PinnedDaemonTest : public test::NatDaemonTest {
 protected:
  std::string spool_path() const { return directory_ / "spool"; }
  std::string pinned_file(const std::string& id) const { return spool_path() + "/pinned/finding-" + id + ".pcapng"; }
  std::string slice_file() const { return directory_ / "slice.pcapng"; }
  // The spool's section, as small as it may be, with a rule.
  std::string pinning(const std::string& rule = "kinds: [segment_loss], after_seconds: 1s") const {
    return "spool:\n  directory: \"" + spool_path() + "\"\n  size: 4MiB\n  file_size: 1MiB\n  pinned: { size: 1MiB, rules: [{ " +
           rule + ", size: 64KiB }] }\n";
  }
  ChildProcess start_pinning(const std::string& name, const std::string& ports, const std::string& spool) const {
    return ChildProcess({program("parallaxd"), "--config", write_config(name, ports, spool)});
  }
  std::optional<double> metric(const std::string& name) const { return sample(http_get(metrics_port_, "/metrics"), name); }
  static void stop(ChildProcess& daemon) {
    daemon.signal(SIGTERM);
    EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
  }
  // More than the ring holds, of other packets, at both points, an hour later.
  std::string ports_with_flood() const {
    for (const char* name : {"flood0", "flood1"}) {
      std::vector<test::Timed> packets;
      for (uint32_t i = 0; i < 40'000; ++i) packets.push_back({test::kStartSeconds + 3600 + i / 1000, test::syn()});
      write_pcap(directory_ / (std::string(name) + ".pcap"), packets);
    }
    return "ports:\n  - { name: tap0, point: outside, source: \"file:" + (directory_ / "flood0.pcap") +
           "\", direction: toward_inside }\n  - { name: tap2, point: inside, source: \"file:" + (directory_ / "flood1.pcap") +
           "\", direction: toward_inside }\n";
  }
  // What tshark reads: "outside 198.51.100.7 40001" and so on, a line a packet.
  std::vector<std::string> ladder(const std::string& file) const {
    const CommandResult shown = run("tshark -n -r '" + file +
                                    "' -T fields -E separator=' ' -e frame.interface_description -e ip.src -e tcp.srcport "
                                    "-e frame.packet_id -e frame.time_epoch -e frame.comment");
    EXPECT_EQ(shown.errors, "");
    std::vector<std::string> lines;
    std::istringstream in(shown.output);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }
};

TEST_F(PinnedDaemonTest, HoursLaterTheSliceOfAFindingStillHasAllPacketsOfBothLegs) {
  std::string id, err, out;
  std::vector<std::string> before;
  {
    ChildProcess daemon = start_pinning("nat", tap_ports(), pinning());
    ASSERT_TRUE(daemon.wait_for_error_text("21 packets pinned", kStartTimeout)) << daemon.err();
    id = finding_id();
    ASSERT_TRUE(fs::exists(pinned_file(id)));
    EXPECT_EQ(metric("parallax_spool_pins_total"), 1);
    EXPECT_EQ(metric("parallax_spool_pinned_files"), 1);
    EXPECT_EQ(metric("parallax_spool_pinned_limit_bytes"), 1 << 20);
    ASSERT_EQ(ask({"status"}, &out), 0);
    EXPECT_TRUE(has(out, "Pinned: 1 file, 8.0 KiB of 1.0 MiB")) << out;
    // Of this run it is listed as any other, once.
    EXPECT_TRUE(has(out, "8.0 KiB of 1.0 MiB, ")) << out;
    ASSERT_EQ(ask({"findings", "--pinned"}, &out, &err), 0);
    EXPECT_FALSE(has(out, "earlier run")) << out;
    EXPECT_EQ(err, "");
    const std::string dialog =
        run_parallax("--extcap-config --extcap-interface parallax-edge_1 --extcap-reload-option finding").output;
    const size_t listed = dialog.find("{value=" + id + "}");
    EXPECT_NE(listed, std::string::npos);
    EXPECT_EQ(dialog.find("{value=" + id + "}", listed + 1), std::string::npos) << dialog;
    // While the ring has them they come from there.
    ASSERT_EQ(ask({"slice", "--finding", id, "-o", slice_file()}, nullptr, &err), 0) << err;
    EXPECT_TRUE(
        err.starts_with("parallax: the packets are from the spool, which still has all that was pinned of finding " + id + "\n"))
        << err;
    before = ladder(slice_file());
    ASSERT_EQ(before.size(), 21u);
    stop(daemon);
  }
  ChildProcess daemon = start_pinning("later", ports_with_flood(), pinning());
  ASSERT_TRUE(daemon.wait_for_error_text("all files have been worked off", kStartTimeout)) << daemon.err();
  for (int i = 0; i < 100 && metric("parallax_spool_files_removed_total{reason=\"size\"}").value_or(0) < 1; ++i)
    std::this_thread::sleep_for(100ms);
  ASSERT_GE(metric("parallax_spool_oldest_packet_timestamp_seconds"), test::kStartSeconds + 3600) << "the ring has turned";

  ASSERT_EQ(ask({"slice", "--finding", id, "-o", slice_file()}, nullptr, &err), 0) << err;
  EXPECT_TRUE(has(err, "parallax: the packets are from the file that was pinned of finding " + id + " at ")) << err;
  EXPECT_TRUE(has(err, "parallax: 21 packets (outside 11, inside 10), ")) << err;
  EXPECT_EQ(ladder(slice_file()), before) << "with their ids and comments";
  expect_opens_without_warning(slice_file(), 21);
  expect_opens_without_warning(pinned_file(id), 21);

  ASSERT_EQ(ask({"slice", "--finding", id, "--filter", "host 10.0.0.80", "-o", slice_file()}, nullptr, &err), 0) << err;
  EXPECT_TRUE(has(err, "parallax: 10 packets (outside 0, inside 10), ")) << err;
  expect_opens_without_warning(slice_file(), 10);
  // That an earlier run has found it is said wherever it is listed.
  EXPECT_TRUE(has(err, ": an earlier run of the daemon found it\n")) << err;
  ASSERT_EQ(ask({"findings", "--pinned"}, &out), 0);
  EXPECT_TRUE(has(out, "segment_loss")) << out;
  EXPECT_TRUE(has(out, "[earlier run] The device between outside and inside lost 1 data segment")) << out;
  ASSERT_EQ(ask({"findings", "--pinned", "--format", "json"}, &out), 0);
  EXPECT_TRUE(has(out, "\"earlier_run\":{")) << out;
  ASSERT_EQ(ask({"findings"}, &out, &err), 0);
  EXPECT_FALSE(has(out, "earlier run")) << out;
  EXPECT_EQ(err, "parallax: 1 finding of earlier runs of the daemon is pinned: `parallax findings --pinned` lists it\n");
  ASSERT_EQ(ask({"status"}, &out), 0);
  EXPECT_TRUE(has(out, "Pinned: 1 file, 8.0 KiB of 1.0 MiB (1 of earlier runs of the daemon)")) << out;
  const std::string dialog =
      run_parallax("--extcap-config --extcap-interface parallax-edge_1 --extcap-reload-option finding").output;
  EXPECT_TRUE(
      has(dialog, "value {arg=0}{value=" + id + "}{display=" + id + "  2023-11-14T22:13:20Z  [earlier run]  segment_loss: "))
      << dialog;
  ASSERT_EQ(ask({"slice", "--finding", "424242", "-o", slice_file()}, nullptr, &err), 1);
  EXPECT_TRUE(has(err, "there is no finding 424242")) << err;
  stop(daemon);
}

TEST_F(PinnedDaemonTest, AnIdIsNotGivenAgainToAnotherFindingWhileOneIsPinned) {
  std::string id, out;
  {
    ChildProcess daemon = start_pinning("nat", tap_ports(), pinning());
    ASSERT_TRUE(daemon.wait_for_error_text("packets pinned", kStartTimeout)) << daemon.err();
    id = finding_id();
    stop(daemon);
  }
  ChildProcess daemon = start_pinning("nat", tap_ports(), pinning());
  ASSERT_TRUE(daemon.wait_for_error_text("packets pinned", kStartTimeout)) << daemon.err();
  EXPECT_GT(std::stoull(finding_id()), std::stoull(id));
  EXPECT_EQ(metric("parallax_spool_pinned_files"), 2);
  stop(daemon);
}

TEST_F(PinnedDaemonTest, ADaemonThatIsToldToStopPinsWhatWaitsAtOnce) {
  ChildProcess daemon = start_pinning("nat", tap_ports(), pinning("kinds: [segment_loss], after_seconds: 1h"));
  ASSERT_TRUE(daemon.wait_for_error_text("segment_loss", kStartTimeout)) << daemon.err();
  std::this_thread::sleep_for(1s);
  EXPECT_EQ(metric("parallax_spool_pins_waiting"), 1);
  stop(daemon);
  EXPECT_TRUE(has(daemon.err(), "21 packets pinned")) << daemon.err();
}

TEST_F(PinnedDaemonTest, WhatCannotBePinnedIsALogLineAMetricAndAWordInStatusAndNothingElse) {
  fs::create_directories(spool_path());
  std::ofstream(spool_path() + "/pinned") << "in the way";
  ChildProcess daemon = start_pinning("nat", tap_ports(), pinning());
  ASSERT_TRUE(daemon.wait_for_error_text(
      "its packets are not pinned (write_error): " + spool_path() + "/pinned is there and no directory", kStartTimeout))
      << daemon.err();
  EXPECT_EQ(metric("parallax_spool_pins_failed_total{reason=\"write_error\"}"), 1);
  EXPECT_EQ(metric("parallax_spool_error"), 0);
  std::string out, err;
  ASSERT_EQ(ask({"status"}, &out), 0);
  EXPECT_TRUE(has(out, "  not pinned: write_error 1\n")) << out;
  ASSERT_EQ(ask({"slice", "--finding", finding_id(), "-o", slice_file()}, nullptr, &err), 0) << err;
  stop(daemon);
}

TEST_F(PinnedDaemonTest, ABoundOfTheRuleIsSaidInTheFileAndByTheSlice) {
  std::string small = pinning();
  small.replace(small.find("size: 64KiB"), 11, "size: 64KiB, before_seconds: 2h");
  std::string all = small;
  all.replace(all.find("kinds: [segment_loss]"), 21, "kinds: [syn_unanswered]");
  std::string id, err, out;
  ChildProcess daemon = start_pinning("flood", ports_with_flood(), all);
  ASSERT_TRUE(daemon.wait_for_error_text("packets pinned", kStartTimeout)) << daemon.err();
  ASSERT_EQ(ask({"findings", "--pinned", "--format", "json"}, &out), 0);
  id = std::to_string(std::stoull(out.substr(out.find("\"id\":") + 5)));
  EXPECT_LE(fs::file_size(pinned_file(id)), 80u << 10);
  // The ring has it still, and more of it; without the ring the bound is told.
  for (const auto& entry : fs::directory_iterator(spool_path())) {
    if (entry.path().extension() == ".pcapng") fs::remove(entry.path());
  }
  ASSERT_EQ(ask({"slice", "--finding", id, "-o", slice_file()}, nullptr, &err), 0) << err;
  EXPECT_TRUE(has(err, "parallax: missing: packets from ") && has(err, "it may have 65536 bytes, and they would be more")) << err;
  EXPECT_LE(fs::file_size(slice_file()), 64u << 10);
  stop(daemon);
}

}  // namespace
}  // namespace parallax
