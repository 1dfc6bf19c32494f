// The report for people: what it says, and that it stays short and narrow.
#include "daemon/client/text_report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/message/to_proto.h"

namespace parallax {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kStart = 1'709'210'096'000'000'000;  // 2024-02-29 12:34:56 UTC

// The records of a run between outside and inside, as the tests want them.
class Results {
 public:
  Results() {
    point("outside", 1000);
    point("inside", 990);
    summary_.set_packets(1990);
  }

  v1::Point& point(const std::string& name, uint64_t packets) {
    v1::Record& record = points_.emplace_back();
    v1::Point& point = *record.mutable_point();
    point.set_name(name);
    point.set_packets(packets);
    point.set_bytes(packets * 600);
    point.set_link_type("ethernet");
    *point.mutable_first_seen() = to_timestamp(kStart);
    *point.mutable_last_seen() = to_timestamp(kStart + 2'500'000'000);
    return point;
  }
  v1::Point& point(size_t index) { return *points_[index].mutable_point(); }
  void one_point() { points_.resize(1); }

  v1::Connection& connection(v1::Outcome outcome) {
    v1::Record& record = records_.emplace_back();
    v1::Connection& connection = *record.mutable_connection();
    connection.set_id(records_.size());
    connection.set_protocol(v1::PROTOCOL_TCP);
    connection.set_outcome(outcome);
    connection.set_close(v1::CLOSE_FIN);
    connection.set_closed_by(v1::CLOSED_BY_CLIENT);
    v1::Crossing& crossing = *connection.add_crossings();
    crossing.add_between("outside");
    crossing.add_between("inside");
    crossing.mutable_pairing()->set_method(v1::PAIRING_METHOD_SEQUENCE);
    summary_.set_connections(summary_.connections() + 1);
    summary_.set_paired_connections(summary_.paired_connections() + 1);
    return connection;
  }

  v1::Finding& finding(v1::FindingKind kind, v1::Severity severity, uint64_t count = 1) {
    v1::Record& record = records_.emplace_back();
    v1::Finding& finding = *record.mutable_finding();
    finding.set_id(++findings_);
    finding.set_kind(kind);
    finding.set_severity(severity);
    finding.set_confidence(0.95);
    finding.set_count(count);
    finding.set_origin(v1::ORIGIN_DEVICE);
    finding.mutable_where()->add_between("outside");
    finding.mutable_where()->add_between("inside");
    finding.set_summary(fmt::format("summary of finding {}", findings_));
    return finding;
  }

  v1::Device& device() {
    v1::Record& record = records_.emplace_back();
    v1::Device& device = *record.mutable_device();
    device.add_between("outside");
    device.add_between("inside");
    device.set_kind(v1::DEVICE_KIND_NAT);
    device.set_connections(2);
    device.add_changes(v1::DEVICE_CHANGE_TTL);
    device.mutable_toward_inside()->set_entered(490);
    device.mutable_toward_inside()->set_forwarded(490);
    device.mutable_toward_outside()->set_entered(500);
    device.mutable_toward_outside()->set_forwarded(500);
    device.mutable_transit_toward_inside_seconds()->set_median(35e-6);
    device.mutable_transit_toward_outside_seconds()->set_median(41e-6);
    return device;
  }

  v1::Summary& summary() { return summary_; }
  void compare_clocks() { clocks_compared_ = true; }
  Ladders& ladders() { return ladders_; }
  TextStyle& style() { return style_; }

  std::string text() const {
    Report report;
    if (clocks_compared_) report.set_clocks_compared();
    for (const v1::Record& record : points_) report.add(record);
    for (const v1::Record& record : records_) report.add(record);
    v1::Record last;
    *last.mutable_summary() = summary_;
    report.add(last);
    return text_report(report, ladders_, style_);
  }

 private:
  std::vector<v1::Record> points_;
  std::deque<v1::Record> records_;
  v1::Summary summary_;
  Ladders ladders_;
  TextStyle style_;
  bool clocks_compared_ = false;
  uint64_t findings_ = 0;
};

size_t widest(const std::string& text) {
  size_t most = 0;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) most = std::max(most, line.size());
  return most;
}

// In one line, so that a sentence can be looked for.
std::string unwrapped(const std::string& text) {
  std::string line;
  for (const char c : text) {
    const char next = c == '\n' ? ' ' : c;
    if (next != ' ' || line.empty() || line.back() != ' ') line += next;
  }
  return line;
}

TEST(TextReport, NothingWrongIsSaidWithTheNumbers) {
  Results run;
  run.connection(v1::OUTCOME_ESTABLISHED);
  run.connection(v1::OUTCOME_ESTABLISHED);
  run.device();
  const std::string text = run.text();
  EXPECT_THAT(text, HasSubstr("Nothing wrong was found.\nThe device between outside and inside is not the cause: 990 of 990"));
  EXPECT_THAT(text, HasSubstr("packets crossed, median\n  transit 35 us toward inside and 41 us toward outside."));
  EXPECT_THAT(text, HasSubstr("Findings: none"));
  EXPECT_THAT(text, HasSubstr("paired: 2 of 2"));
  EXPECT_THAT(text, HasSubstr("the sensor itself lost nothing, and no bound was hit"));
}

TEST(TextReport, WhatAProxyTakesIsSaidToBeOfMessagesByTurns) {
  Results run;
  run.connection(v1::OUTCOME_ESTABLISHED);
  v1::Device& device = run.device();
  device.set_kind(v1::DEVICE_KIND_PROXY);
  device.mutable_toward_inside()->set_forwarded(0);
  device.mutable_toward_outside()->set_forwarded(0);
  device.set_transit_is_by_turns(true);
  const std::string text = run.text();
  EXPECT_THAT(unwrapped(text),
              HasSubstr("by turns, a message passed it in a median of 35 us toward inside and 41 us toward outside."));
  EXPECT_THAT(unwrapped(text), HasSubstr("transit of messages, by turns: median 35 us"));
}

TEST(TextReport, ADeviceThatIsSlowerUnderLoadIsSaidToBe) {
  Results run;
  run.connection(v1::OUTCOME_ESTABLISHED);
  v1::Device& device = run.device();
  const auto at = [&device](uint64_t from, uint64_t seconds, double inward, double outward) {
    v1::TransitAtLoad& load = *device.add_transit_by_load();
    load.set_packets_per_second_from(from);
    load.set_packets_per_second_below(2 * from);
    load.set_seconds(seconds);
    load.set_toward_inside_seconds(inward);
    load.set_toward_outside_seconds(outward);
  };
  at(100, 40, 35e-6, 41e-6);
  at(1000, 2, 35e-6, 9e-3);
  EXPECT_THAT(run.text(), Not(HasSubstr("slower under load"))) << "two seconds may be chance";
  at(5000, 3, 60e-6, 1.2e-3);
  EXPECT_THAT(unwrapped(run.text()),
              HasSubstr("slower under load: 1.2 ms on average toward outside from 5,000 packets a second on, "
                        "41 us below 200"));
}

TEST(TextReport, FindingsComeWorstFirstWithSentenceAndEvidence) {
  Results run;
  run.device();
  run.finding(v1::FINDING_KIND_SYN_RETRIED, v1::SEVERITY_NOTICE);
  v1::Finding& worst = run.finding(v1::FINDING_KIND_SYN_UNANSWERED, v1::SEVERITY_WARNING, 10);
  v1::Evidence& evidence = *worst.add_evidence();
  evidence.set_kind("absent_at");
  evidence.set_point("inside");
  evidence.set_file("b.pcap");
  evidence.set_frame(12);
  *evidence.mutable_time() = to_timestamp(kStart + 1'000'000);
  evidence.set_detail("never seen within 1 s");
  const std::string text = run.text();
  const size_t unanswered = text.find("warning  syn_unanswered  between outside and inside; by: device; 10 times");
  const size_t retried = text.find("notice  syn_retried  between outside and inside; by: device; 1 time\n");
  EXPECT_NE(unanswered, std::string::npos) << text;
  EXPECT_NE(retried, std::string::npos) << text;
  EXPECT_LT(unanswered, retried);
  EXPECT_THAT(text, HasSubstr("[2] summary of finding 2 (confidence 0.95)"));
  EXPECT_THAT(text, HasSubstr("- 12:34:56.001 inside b.pcap frame 12, absent_at: never seen within 1 s"));
  EXPECT_THAT(text, HasSubstr("Something is wrong: 10 syn_unanswered between outside and inside."));
  EXPECT_THAT(text, Not(HasSubstr("is not the cause"))) << "the device is accused";
  EXPECT_THAT(unwrapped(text), HasSubstr("What next: Look at the device's rules and logs"));
  EXPECT_THAT(text, Not(HasSubstr("server's host firewall"))) << "that is for what lies beyond a point";
}

TEST(TextReport, WhatIsInformationAsksForNothing) {
  Results run;
  run.finding(v1::FINDING_KIND_PERIODIC_CONNECTIONS, v1::SEVERITY_INFO);
  EXPECT_THAT(run.text(), Not(HasSubstr("What next")));
}

TEST(TextReport, UncertainFindingsComeAfterCertainOnes) {
  Results run;
  run.finding(v1::FINDING_KIND_SYN_UNANSWERED, v1::SEVERITY_WARNING, 10).set_confidence(0.4);
  run.finding(v1::FINDING_KIND_SYN_REFUSED, v1::SEVERITY_WARNING, 2);
  const std::string text = run.text();
  EXPECT_THAT(text, HasSubstr("Something is wrong: 2 syn_refused between outside and inside."));
  EXPECT_THAT(text, HasSubstr("Something may be wrong, but is not certain: 10 syn_unanswered between outside and inside."));
  EXPECT_LT(text.find("[2] summary"), text.find("[1] summary"));
}

TEST(TextReport, DeviceIsClearedWhereAnotherIsAccused) {
  Results run;
  run.device();
  v1::Finding& finding = run.finding(v1::FINDING_KIND_SYN_REFUSED, v1::SEVERITY_WARNING);
  finding.set_origin(v1::ORIGIN_SERVER);
  finding.mutable_where()->clear_between();
  finding.mutable_where()->set_beyond("inside");
  const std::string text = run.text();
  EXPECT_THAT(text, HasSubstr("1 syn_refused beyond inside."));
  EXPECT_THAT(text, HasSubstr("The device between outside and inside is not the cause"));
  EXPECT_THAT(text, Not(HasSubstr("Nothing wrong")));
}

TEST(TextReport, DeviceThatLostOrResetIsNotCleared) {
  Results run;
  run.device().mutable_toward_inside()->set_lost(3);
  EXPECT_THAT(run.text(), Not(HasSubstr("is not the cause")));
  EXPECT_THAT(run.text(), HasSubstr("toward inside: 490 entered, 490 crossed, 3 lost"));
}

TEST(TextReport, DeviceThatMayBeTheCauseIsNotCleared) {
  Results run;
  run.device();
  run.finding(v1::FINDING_KIND_SLOW_PATH, v1::SEVERITY_NOTICE, 20).set_origin(v1::ORIGIN_PATH);
  EXPECT_THAT(run.text(), Not(HasSubstr("is not the cause")));
  EXPECT_THAT(unwrapped(run.text()), HasSubstr("The device between outside and inside may be the cause of what slow_path tells: "
                                               "990 of 990 packets crossed, median transit 35 us toward inside"));
}

TEST(TextReport, DeviceThatHeldPacketsIsNotCleared) {
  Results run;
  run.device().mutable_transit_toward_inside_seconds()->set_median(0.25);
  EXPECT_THAT(run.text(), Not(HasSubstr("is not the cause")));
  EXPECT_THAT(unwrapped(run.text()), HasSubstr("The device between outside and inside held packets: 990 of 990 packets crossed, "
                                               "median transit 250 ms toward inside and 41 us toward outside."));
}

TEST(TextReport, WhereTheClocksAreInDoubtNoDeviceIsSaidToHoldPackets) {
  Results run;
  run.device().mutable_transit_toward_inside_seconds()->set_median(0.25);
  run.finding(v1::FINDING_KIND_CLOCK_UNCERTAIN, v1::SEVERITY_WARNING, 1).set_origin(v1::ORIGIN_SENSOR);
  EXPECT_THAT(unwrapped(run.text()), HasSubstr("The device between outside and inside held packets, or the clocks differ: 990 "));
}

TEST(TextReport, AnAllClearIsOfAllPacketsOfBothPoints) {
  Results run;
  run.device();
  run.connection(v1::OUTCOME_ESTABLISHED).mutable_crossings(0)->set_undecided_packets(48);
  EXPECT_THAT(unwrapped(run.text()), HasSubstr("Nothing points to the device between outside and inside: 990 of 990 packets "
                                               "crossed, median transit 35 us toward inside and 41 us toward outside, but 48 "
                                               "are not accounted for: seen at one point alone"));
  Results unpaired;
  unpaired.device();
  unpaired.summary().set_unpaired_legs(2);
  EXPECT_THAT(unwrapped(unpaired.text()), HasSubstr("toward outside, but 2 legs were seen at one point alone."));
}

TEST(TextReport, WhatIsNotFollowedIsSaidAndIsNoAllClear) {
  Results run;
  run.device();
  (*run.point(0).mutable_not_followed())["icmp_echo"] = 1000;
  (*run.point(1).mutable_not_followed())["icmp_echo"] = 5;
  (*run.point(1).mutable_not_followed())["other_protocols"] = 1;
  const std::string text = unwrapped(run.text());
  EXPECT_THAT(text, Not(HasSubstr("is not the cause")));
  const std::string what =
      "ICMP echo (1,000 packets at outside, 5 at inside) and protocols other than TCP and UDP (1 packet at inside)";
  EXPECT_THAT(text, HasSubstr("Nothing points to the device between outside and inside: 990 of 990 packets crossed, median "
                              "transit 35 us toward inside and 41 us toward outside, but not followed: " +
                              what + "."));
  EXPECT_THAT(text, HasSubstr("What could not be judged: " + what + ": not followed, and none that was lost is told"));
}

TEST(TextReport, WhereOnlySuchPacketsPassedNothingIsSaidOfThem) {
  Results run;
  run.one_point();
  (*run.point(0).mutable_not_followed())["icmp_echo"] = 8;
  EXPECT_THAT(run.text(), HasSubstr("Nothing is said of what is not followed: ICMP echo (8 packets at outside)."));
}

TEST(TextReport, OneCaptureGivenForBothPointsClearsNoDevice) {
  Results run;
  v1::Device& device = run.device();
  device.clear_changes();
  device.mutable_transit_toward_inside_seconds()->set_median(0);
  device.mutable_transit_toward_outside_seconds()->set_median(0);
  EXPECT_THAT(unwrapped(run.text()), HasSubstr("is not the cause")) << "a packet was not seen at inside";
  run.point(1).set_packets(1000);
  run.point(1).set_bytes(600'000);
  const std::string text = unwrapped(run.text());
  EXPECT_THAT(text, Not(HasSubstr("is not the cause")));
  EXPECT_THAT(text, Not(HasSubstr("the device between outside and inside passed")));
  EXPECT_THAT(text, HasSubstr("outside and inside show the very same packets at the same times: is it one capture, given for "
                              "both? Nothing can be said about a device between them."));
  device.mutable_transit_toward_outside_seconds()->set_max(1e-6);
  EXPECT_THAT(unwrapped(run.text()), HasSubstr("is not the cause"));
}

TEST(TextReport, WithOnePointNothingIsClaimedAboutADevice) {
  Results run;
  run.one_point();
  const std::string text = run.text();
  EXPECT_THAT(text, HasSubstr("Packets were seen at one point only"));
  EXPECT_THAT(text, Not(HasSubstr("not the cause")));
}

TEST(TextReport, WithoutAPairNothingIsClaimedAboutTheDevice) {
  Results run;
  EXPECT_THAT(run.text(), HasSubstr("no connection was paired across the points"));
}

TEST(TextReport, FailuresThatNobodyIsAccusedOfAreSaid) {
  Results run;
  run.one_point();
  run.connection(v1::OUTCOME_UNANSWERED);
  EXPECT_THAT(run.text(), HasSubstr("Nothing wrong was found in 1 connection, but of the TCP connections 1 unanswered."));
}

// That its source port was used before is no reason why it was not answered.
TEST(TextReport, UnansweredOnesOfWhichNoFindingSaysWhyAreCounted) {
  Results run;
  run.connection(v1::OUTCOME_UNANSWERED).add_finding_ids(1);
  run.connection(v1::OUTCOME_UNANSWERED).add_finding_ids(2);
  v1::Connection& both = run.connection(v1::OUTCOME_UNANSWERED);
  both.add_finding_ids(1);
  both.add_finding_ids(2);
  run.connection(v1::OUTCOME_UNANSWERED);
  run.finding(v1::FINDING_KIND_PORT_REUSED, v1::SEVERITY_INFO);
  run.finding(v1::FINDING_KIND_SYN_UNANSWERED, v1::SEVERITY_WARNING);
  EXPECT_THAT(unwrapped(run.text()), HasSubstr("What could not be judged: why 2 TCP connections were unanswered: the answer may "
                                               "be due after the end of the capture, or have been missed by it"));
}

TEST(TextReport, WhatIsWorthALookIsNoAllClear) {
  Results run;
  run.device();
  run.finding(v1::FINDING_KIND_SYN_RETRIED, v1::SEVERITY_NOTICE, 3).set_origin(v1::ORIGIN_UNKNOWN);
  run.finding(v1::FINDING_KIND_PERIODIC_CONNECTIONS, v1::SEVERITY_INFO);
  EXPECT_THAT(run.text(), HasSubstr("\n\nWorth a look: 3 syn_retried between outside and inside.\n"));
  EXPECT_THAT(run.text(), Not(HasSubstr("Nothing wrong")));
}

TEST(TextReport, TransitThatTheClocksCannotTellIsNotPrinted) {
  Results run;
  v1::Device& device = run.device();
  device.mutable_transit_toward_outside_seconds()->set_median(0);
  EXPECT_THAT(run.text(), HasSubstr("packets crossed, median\n  transit 35 us toward inside."));
  EXPECT_THAT(
      run.text(),
      HasSubstr("toward outside: 500 entered, 500 crossed, 0 lost; transit cannot be told with the clocks of\n    these files"));
}

TEST(TextReport, OnlyTranslatedAddressesAreListed) {
  Results run;
  v1::Device& device = run.device();
  v1::AddressMapEntry& same = *device.add_address_map();
  same.mutable_outside()->set_address("192.0.2.1");
  same.mutable_inside()->set_address("192.0.2.1");
  v1::AddressMapEntry& other = *device.add_address_map();
  other.mutable_outside()->set_address("192.0.2.2");
  other.mutable_inside()->set_address("10.0.0.2");
  other.set_connections(7);
  EXPECT_THAT(run.text(), HasSubstr("192.0.2.2:0 is 10.0.0.2:0 inside: 7 connections"));
  EXPECT_THAT(run.text(), Not(HasSubstr("192.0.2.1")));
}

TEST(TextReport, NoPackets) {
  Results run;
  run.point(0).set_packets(0);
  run.point(1).set_packets(0);
  run.summary().set_packets(0);
  EXPECT_THAT(run.text(), HasSubstr("No packet could be analysed."));
}

TEST(TextReport, LossesAndBoundsOfTheSensorAreSaid) {
  Results run;
  run.point(1).set_capture_loss_segments(4);
  run.point(1).add_warnings("b.pcap: cut in the middle of packet 17");
  run.summary().add_bounds_hit("legs: 12 evicted");
  run.summary().set_sensor_loss(5);
  const std::string text = run.text();
  EXPECT_THAT(text, HasSubstr("b.pcap: cut in the middle of packet 17"));
  EXPECT_THAT(text, HasSubstr("inside: 4 segments were acknowledged and never seen"));
  EXPECT_THAT(text, HasSubstr("bound hit: legs: 12 evicted"));
  EXPECT_THAT(text, HasSubstr("5 packets lost by the sensor itself"));
  EXPECT_THAT(text, Not(HasSubstr("lost nothing")));
}

TEST(TextReport, StaysShortForThousandsOfConnectionsAndFindings) {
  Results run;
  for (int i = 0; i < 5000; ++i) run.connection(i % 10 == 0 ? v1::OUTCOME_REFUSED : v1::OUTCOME_ESTABLISHED);
  for (int i = 0; i < 3000; ++i) {
    v1::Finding& finding = run.finding(static_cast<v1::FindingKind>(1 + i % 8), v1::SEVERITY_WARNING);
    for (int j = 0; j < 16; ++j) finding.add_evidence()->set_kind("ttl");
    finding.set_summary(
        std::string(20, 'x') +
        " with a sentence that goes on and on, as sentences do, with numbers in it such as 12,345 and 192.0.2.1:80");
  }
  v1::Device& device = run.device();
  for (int i = 0; i < 1000; ++i) {
    v1::AddressMapEntry& entry = *device.add_address_map();
    entry.mutable_outside()->set_address("2001:db8:1234:5678:9abc:def0:1234:5678");
    entry.mutable_inside()->set_address("10.0.0.1");
    entry.set_connections(i);
  }
  const std::string text = run.text();
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 270) << text;
  EXPECT_LE(widest(text), 100u) << text;
  EXPECT_THAT(text, HasSubstr("tcp: 4,500 established, 500 refused"));
  EXPECT_THAT(text, HasSubstr("and 372 more of this kind"));
  EXPECT_THAT(text, HasSubstr("and 994 more addresses"));
}

Ladder ladder_of_a_lost_segment(uint64_t connection) {
  LadderSighting seen{.time_ns = kStart, .frame = 12, .labels = 1u << static_cast<int>(PacketLabel::lost_in_device)};
  seen.packet.protocol = ip_protocol::tcp;
  seen.packet.tcp_flags = tcp_flag::ack;
  seen.packet.payload_length = 100;
  seen.packet.window = 500;
  return {.title = {fmt::format("connection {}: tcp", connection)},
          .lanes = {"outside", "inside"},
          .steps = {{.from = Side::client, .sightings = {seen, std::nullopt}, .decisive = true}}};
}

TEST(TextReport, UnderEachKindOfFindingStandsAnExampleAsALadder) {
  Results run;
  run.finding(v1::FINDING_KIND_SEGMENT_LOSS, v1::SEVERITY_WARNING).add_connection_ids(7);
  run.finding(v1::FINDING_KIND_SYN_RETRIED, v1::SEVERITY_NOTICE).add_connection_ids(8);
  run.ladders()[7] = ladder_of_a_lost_segment(7);
  const std::string text = run.text();
  EXPECT_THAT(text, HasSubstr("    connection 7: tcp\n"
                              "                           device\n"
                              "                 client   outside  inside   server\n"
                              "    !   0.000000 |--------o===X    |        |  seq 0 len 100 #12/-\n"));
  EXPECT_THAT(text, Not(HasSubstr("--ladder 7")));
  EXPECT_THAT(text, HasSubstr("; --ladder 8 shows its packets)")) << "of what has no ladder here";
}

TEST(TextReport, TheLadderOfAConnectionIsDrawnOnce) {
  Results run;
  run.finding(v1::FINDING_KIND_SEGMENT_LOSS, v1::SEVERITY_WARNING).add_connection_ids(7);
  run.finding(v1::FINDING_KIND_STALLED_CONNECTION, v1::SEVERITY_NOTICE).add_connection_ids(7);
  run.ladders()[7] = ladder_of_a_lost_segment(7);
  const std::string text = run.text();
  EXPECT_EQ(text.find("seq 0 len 100"), text.rfind("seq 0 len 100"));
  EXPECT_THAT(text, HasSubstr("    connection 7: its packets stand above\n"));
}

TEST(TextReport, ColoursAreForTerminals) {
  Results run;
  run.finding(v1::FINDING_KIND_SEGMENT_LOSS, v1::SEVERITY_WARNING).add_connection_ids(7);
  run.ladders()[7] = ladder_of_a_lost_segment(7);
  EXPECT_THAT(run.text(), Not(HasSubstr("\x1b")));
  run.style().colour = true;
  EXPECT_THAT(run.text(), HasSubstr("  \x1b[1;31mwarning\x1b[0m  segment_loss"));
  EXPECT_THAT(run.text(), HasSubstr("o===\x1b[1;31mX\x1b[0m"));
}

TEST(TextReport, TimeLostIsAddedUp) {
  Results run;
  run.finding(v1::FINDING_KIND_SYN_RETRIED, v1::SEVERITY_NOTICE).set_time_lost_seconds(1.5);
  run.finding(v1::FINDING_KIND_SYN_RETRIED, v1::SEVERITY_NOTICE).set_time_lost_seconds(2.5);
  EXPECT_THAT(run.text(), HasSubstr("by: device; 2 times in 2 findings; 4.0 s lost\n"));
}

TEST(TextReport, AStallIsCountedOnceWithItsCause) {
  Results run;
  run.finding(v1::FINDING_KIND_SEGMENT_LOSS, v1::SEVERITY_WARNING).set_time_lost_seconds(40);
  run.finding(v1::FINDING_KIND_STALLED_CONNECTION, v1::SEVERITY_INFO).set_time_lost_seconds(40);
  EXPECT_THAT(run.text(), HasSubstr("Waiting cost 40.0 s in all"));
  run.finding(v1::FINDING_KIND_STALLED_CONNECTION, v1::SEVERITY_WARNING).set_time_lost_seconds(10);
  EXPECT_THAT(run.text(), HasSubstr("Waiting cost 50.0 s in all")) << "of this one nobody else tells";
}

TEST(TextReport, ItEndsWithWhatWasFineAndWhatCouldNotBeJudged) {
  Results run;
  run.connection(v1::OUTCOME_ESTABLISHED);
  run.connection(v1::OUTCOME_MIDSTREAM);
  run.device().mutable_toward_inside()->set_undecided(3);
  run.finding(v1::FINDING_KIND_SEGMENT_LOSS, v1::SEVERITY_NOTICE).set_confidence(0.4);
  run.point(1).set_clock_uncertainty_seconds(25e-6);
  run.compare_clocks();
  const std::string text = unwrapped(run.text());
  EXPECT_THAT(text, HasSubstr("What was fine: 1 of 2 TCP connections established; 1 of them closed with FIN "
                              "the device between outside and inside passed 990 of 990 packets "
                              "the sensor itself lost nothing, and no bound was hit "
                              "What could not be judged: what the device between outside and inside did with 3 packets: seen at "
                              "one point alone, not followed, or at an edge of the "
                              "capture how 1 TCP connection was opened: open before the capture began "
                              "who is to blame for 1 finding of confidence below 0.5: its own evidence says what was missing "
                              "Clocks: inside: its clock is 0.000000 s ahead of that of outside, +- 25 us"));
}

TEST(TextReport, ClocksThatWereNotComparedAreNotSaidToAgree) {
  Results run;
  EXPECT_THAT(run.text(), HasSubstr("stamps are taken as they stand"));
  run.compare_clocks();
  EXPECT_THAT(run.text(), HasSubstr("inside: nothing says that its clock differs from that of outside"));
  run.finding(v1::FINDING_KIND_CLOCK_UNCERTAIN, v1::SEVERITY_WARNING);
  EXPECT_THAT(run.text(), HasSubstr("see clock_uncertain"));
  EXPECT_THAT(run.text(), Not(HasSubstr("nothing says that its clock differs")));
}

TEST(TextReport, WhatCameFromTheWireSteersNoTerminal) {
  Results run;
  v1::Finding& finding = run.finding(v1::FINDING_KIND_SYN_REFUSED, v1::SEVERITY_WARNING);
  finding.set_summary("\x1b[2J gone");
  run.point(0).add_warnings("\x1b]0;title\x07.pcap: cut");
  v1::Evidence& evidence = *finding.add_evidence();
  evidence.set_point("outside\xe2\x80\xae");
  evidence.set_detail("GET /\xe2\x81\xa6txt.exe\xc2\x9b");
  for (const char* steering : {"\x1b", "\xe2\x80\xae", "\xe2\x81\xa6", "\xc2\x9b"})
    EXPECT_THAT(run.text(), Not(HasSubstr(steering)));
}

}  // namespace
}  // namespace parallax
