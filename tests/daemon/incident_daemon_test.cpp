// Slices of an incident, as people pull them: the packets of all connections of the findings that tell of the same connections,
// whichever of them is asked for; and what is said where it cannot be had.
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <map>
#include <sstream>

#include "tests/support/nat_daemon_fixture.h"

namespace parallax {
namespace {

namespace fs = std::filesystem;
using test::ChildProcess;
using test::kStartTimeout;
using test::kStopTimeout;
using test::program;
using testing::HasSubstr;
using testing::Not;

// One connection loses its request and is then reset on both sides, another one is reset alone, a third one is well.
class IncidentDaemonTest : public test::NatDaemonTest {
 protected:
  static constexpr uint16_t kPortReset = 40'002, kPortWell = 40'003;

  void connections() override {
    connection(kPortWithLoss, true, End::reset_by_device);
    now_ns_ += 2'000'000'000;
    connection(kPortReset, false, End::reset_by_device);
    connection(kPortWell, false);
    now_ns_ += 10'000'000'000;
    connection(kPortWell + 1, false);
  }

  ChildProcess start_with_spool(const std::string& spool) const {
    return ChildProcess({program("parallaxd"), "--config", write_config("nat", tap_ports(), spool)});
  }
  static bool is_ready(ChildProcess& daemon) {
    return daemon.wait_for_error_text("reset_by_server", kStartTimeout) && NatDaemonTest::is_ready(daemon);
  }
  // By the client's port and the interface's point: "40001 outside", "60001 inside".
  using Counts = std::map<std::string, size_t>;
  Counts packets_of(const std::string& file) const {
    const CommandResult shown = run("tshark -n -r '" + file +
                                    "' -T fields -E separator=' ' -e tcp.srcport -e tcp.dstport -e frame.interface_description");
    EXPECT_EQ(shown.errors, "");
    Counts counts;
    std::istringstream lines(shown.output);
    int source = 0, destination = 0;
    for (std::string point, direction; lines >> source >> destination >> point && std::getline(lines, direction);)
      ++counts[std::to_string(std::max(source, destination)) + ' ' + point.substr(0, point.find(','))];
    return counts;
  }
  std::string slice_file() const { return directory_ / "slice.pcapng"; }
};

TEST_F(IncidentDaemonTest, HasThePacketsOfAllConnectionsOfAllItsFindingsWhicheverIsAskedFor) {
  NEEDS_COMMAND("tshark");
  ChildProcess daemon = start();
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  const std::string loss = finding_id("segment_loss"), reset = finding_id("reset_by_server");
  ASSERT_NE(loss, "");
  ASSERT_NE(reset, "");
  const std::string lowest = std::stoull(loss) < std::stoull(reset) ? loss : reset;
  std::string first_slice;
  for (const std::string& id : {loss, reset}) {
    std::string err;
    ASSERT_EQ(ask({"slice", "--incident", id, "-o", slice_file()}, nullptr, &err), 0) << err;
    EXPECT_EQ(packets_of(slice_file()),
              (Counts{{"40001 outside", 7}, {"60001 inside", 6}, {"40002 outside", 6}, {"60002 inside", 6}}));
    const std::string comments = run("capinfos -k '" + slice_file() + "'").output;
    EXPECT_THAT(comments, HasSubstr("incident " + lowest + ": findings "));
    EXPECT_THAT(comments, HasSubstr("finding " + loss + ": segment_loss: "));
    EXPECT_THAT(comments, HasSubstr("finding " + reset + ": reset_by_server: "));
    const std::string marked = run("tshark -n -r '" + slice_file() + "' -T fields -e frame.comment").output;
    EXPECT_THAT(marked, HasSubstr("parallax: lost in device: seen at outside, never at inside"));
    EXPECT_THAT(marked, HasSubstr("parallax: reset_by_server: 2 connections"));
    if (first_slice.empty()) first_slice = test::text_of_file(slice_file());
    EXPECT_EQ(test::text_of_file(slice_file()), first_slice) << "the same incident is the same slice";
  }
  // Of one finding alone it has fewer.
  ASSERT_EQ(ask({"slice", "--finding", loss, "-o", slice_file()}), 0);
  EXPECT_EQ(packets_of(slice_file()).size(), 2u);
  // A filter on top.
  ASSERT_EQ(ask({"slice", "--incident", loss, "--filter", "tcp[13] & 4 != 0", "-o", slice_file()}), 0);
  EXPECT_EQ(packets_of(slice_file()),
            (Counts{{"40001 outside", 1}, {"60001 inside", 1}, {"40002 outside", 1}, {"60002 inside", 1}}));
  EXPECT_TRUE(daemon.wait_for_error_text("slice of incident " + loss + " with filter", kStartTimeout)) << daemon.err();
}

TEST_F(IncidentDaemonTest, IsPulledByWiresharksDialogueToo) {
  NEEDS_COMMAND("tshark");
  ASSERT_EQ(run_parallax("wireshark install").status, 0);
  ChildProcess daemon = start();
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  const std::string option = " -o extcap.parallax_edge_1.", capture = directory_ / "capture.pcapng";
  const CommandResult tshark = run_at_home("tshark -i parallax-edge_1" + option + "finding:" + finding_id() + option +
                                           "incident:true -w '" + capture + "'");
  EXPECT_EQ(tshark.status, 0) << tshark.errors;
  EXPECT_EQ(packets_of(capture).size(), 4u);
}

TEST_F(IncidentDaemonTest, WrongIdsAreToldApart) {
  ChildProcess daemon = start();
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  std::string err;
  EXPECT_EQ(ask({"slice", "--incident", "999", "-o", slice_file()}, nullptr, &err), 1);
  EXPECT_EQ(
      err,
      "parallax: there is no incident 999: any of its findings names it, and `parallax findings` lists those that there are\n");
  EXPECT_FALSE(fs::exists(slice_file()));
  EXPECT_EQ(ask({"slice", "--incident", "seven", "-o", slice_file()}, nullptr, &err), 2);
  EXPECT_THAT(err, HasSubstr("\"seven\" is no id"));
  EXPECT_EQ(ask({"slice", "--incident", "1", "--finding", "1", "-o", slice_file()}, nullptr, &err), 2);
}

TEST_F(IncidentDaemonTest, WhereThePacketsAreGoneThePinnedOnesAreNamed) {
  const std::string pinning =
      "spool: { directory: \"" + (directory_ / "spool") +
      "\", size: 256MiB, pinned: { size: 1MiB, rules: [{ kinds: [segment_loss], after_seconds: 1s, size: 64KiB }] } }\n";
  std::string loss, reset, err;
  {
    ChildProcess daemon = start_with_spool(pinning);
    ASSERT_TRUE(is_ready(daemon)) << daemon.err();
    ASSERT_TRUE(daemon.wait_for_error_text("packets pinned", kStartTimeout)) << daemon.err();
    loss = finding_id("segment_loss"), reset = finding_id("reset_by_server");
    for (const auto& entry : fs::directory_iterator(directory_ / "spool")) {
      if (entry.path().extension() == ".pcapng") fs::remove(entry.path());
    }
    EXPECT_EQ(ask({"slice", "--incident", reset, "-o", slice_file()}, nullptr, &err), 1);
    EXPECT_THAT(err, HasSubstr("were removed by others than parallaxd"));
    EXPECT_THAT(err, HasSubstr("; but the packets of finding " + loss + " are pinned: pull them by `parallax slice --finding " +
                               loss + "`"));
    daemon.signal(SIGTERM);
    EXPECT_EQ(daemon.wait(kStopTimeout), 0);
  }
  ChildProcess daemon = start_with_spool("spool: { directory: \"" + (directory_ / "spool") + "\", size: 256MiB }\n");
  ASSERT_TRUE(daemon.wait_for_error_text("reset_by_server", kStartTimeout)) << daemon.err();
  EXPECT_EQ(ask({"slice", "--incident", loss, "-o", slice_file()}, nullptr, &err), 1);
  EXPECT_THAT(err, HasSubstr("an earlier run of the daemon knew what was one incident with finding " + loss +
                             "; the packets of finding"));
}

}  // namespace
}  // namespace parallax
