// `parallax analyze` from the outside: arguments, exit codes, files good and bad, the same bytes for any number of workers.
#include "daemon/client/analyze.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "parallax/v1/types.pb.h"
#include "tests/support/analyze_outcome.h"
#include "tests/support/capture_bytes.h"
#include "tests/support/command.h"
#include "tests/support/packet_builder.h"

namespace parallax {
namespace {

using test::CaptureBytes;
using testing::HasSubstr;
using testing::Not;

constexpr uint32_t kStart = 1'709'210'096;  // 2024-02-29 12:34:56 UTC
constexpr uint32_t kMagicMicroseconds = 0xa1b2c3d4, kMagicNanoseconds = 0xa1b23c4d;

struct Packet {
  int64_t after_ns;  // since kStart
  test::Frame frame;
};

// A TCP connection through a NAT: opened, one request, one answer, closed. `inside` as the server sees it.
std::vector<Packet> conversation(bool inside, uint16_t port, bool server_answers = true) {
  const int64_t transit = inside ? 100'000 : 0;
  const Address client = test::address(inside ? "10.0.0.1" : "198.51.100.7");
  const Address server = test::address(inside ? "10.0.0.80" : "192.0.2.80");
  const uint16_t client_port = inside ? static_cast<uint16_t>(port + 20000) : port;
  const uint32_t isn = 1000u * port, server_isn = 7000u * port;
  std::vector<Packet> packets;
  const auto send = [&](bool from_client, int64_t ms, uint8_t flags, uint32_t seq, uint32_t ack, size_t length) {
    test::Ip ip;
    ip.source = from_client ? client : server;
    ip.destination = from_client ? server : client;
    ip.ttl = inside == from_client ? 63 : 64;
    ip.id = static_cast<uint16_t>(packets.size() + 1);
    test::Tcp tcp;
    tcp.source_port = from_client ? client_port : 80;
    tcp.destination_port = from_client ? 80 : client_port;
    tcp.seq = seq;
    tcp.ack = ack;
    tcp.flags = flags;
    if (flags & tcp_flag::syn) tcp.mss = 1460;
    const std::vector<uint8_t> payload(length, 'x');
    packets.push_back({ms * 1'000'000 + (from_client ? transit : 200'000 - transit), test::tcp_frame(ip, tcp, payload)});
  };
  using namespace tcp_flag;
  const int64_t at = port % 1000;
  send(true, at, syn, isn, 0, 0);
  if (!server_answers) return packets;
  send(false, at + 1, syn | ack, server_isn, isn + 1, 0);
  send(true, at + 2, ack, isn + 1, server_isn + 1, 0);
  send(true, at + 3, ack | psh, isn + 1, server_isn + 1, 100);
  send(false, at + 4, ack | psh, server_isn + 1, isn + 101, 500);
  send(true, at + 5, ack, isn + 101, server_isn + 501, 0);
  send(true, at + 6, ack | fin, isn + 101, server_isn + 501, 0);
  send(false, at + 7, ack | fin, server_isn + 501, isn + 102, 0);
  send(true, at + 8, ack, isn + 102, server_isn + 502, 0);
  return packets;
}

std::vector<Packet> many(bool inside, int connections) {
  std::vector<Packet> packets;
  for (int i = 0; i < connections; ++i) {
    const std::vector<Packet> one = conversation(inside, static_cast<uint16_t>(5000 + i));
    packets.insert(packets.end(), one.begin(), one.end());
  }
  std::stable_sort(packets.begin(), packets.end(), [](const Packet& a, const Packet& b) { return a.after_ns < b.after_ns; });
  return packets;
}

std::vector<Packet> later(std::vector<Packet> packets, int64_t ns) {
  for (Packet& packet : packets) packet.after_ns += ns;
  return packets;
}

CaptureBytes pcap(const std::vector<Packet>& packets, bool big_endian = false, bool nanoseconds = true) {
  CaptureBytes bytes(big_endian);
  bytes.pcap_header(nanoseconds ? kMagicNanoseconds : kMagicMicroseconds);
  for (const Packet& packet : packets) {
    const auto seconds = static_cast<uint32_t>(packet.after_ns / 1'000'000'000);
    const auto fraction = static_cast<uint32_t>(packet.after_ns % 1'000'000'000 / (nanoseconds ? 1 : 1000));
    bytes.pcap_packet(kStart + seconds, fraction, packet.frame, static_cast<uint32_t>(packet.frame.size()));
  }
  return bytes;
}

CaptureBytes pcapng(const std::vector<std::vector<Packet>>& interfaces, bool big_endian) {
  CaptureBytes bytes(big_endian);
  bytes.section();
  for (size_t i = 0; i < interfaces.size(); ++i) bytes.interface(1, 0, bytes.part().option(9, {9}).option(0, {}));
  for (size_t i = 0; i < interfaces.size(); ++i) {
    for (const Packet& packet : interfaces[i]) {
      bytes.enhanced(static_cast<uint32_t>(i), uint64_t{kStart} * 1'000'000'000 + static_cast<uint64_t>(packet.after_ns),
                     packet.frame, static_cast<uint32_t>(packet.frame.size()));
    }
  }
  return bytes;
}

using Outcome = test::AnalyzeOutcome;

class AnalyzeTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::vector<uint8_t>& bytes) {
    const std::string path = directory_.path() + '/' + name;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return path;
  }

  Outcome analyze(AnalyzeOptions options) { return test::analyze_outcome(options); }
  Outcome json(std::vector<std::string> points, size_t workers = 1) {
    AnalyzeOptions options;
    options.points = std::move(points);
    options.format = "json";
    options.packets = true;
    options.workers = workers;
    return analyze(options);
  }
  Outcome text(std::vector<std::string> points) {
    AnalyzeOptions options;
    options.points = std::move(points);
    return analyze(options);
  }

  // Without line breaks and indentation.
  static std::string unwrapped(const std::string& text) {
    std::string line;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text.compare(i, 2, "\n ") != 0) {
        line += text[i];
        continue;
      }
      i = std::min(text.find_first_not_of(' ', i + 1), text.size()) - 1;
      line += ' ';
    }
    return line;
  }

  static std::vector<v1::Record> records(const std::string& json_lines) {
    std::vector<v1::Record> result;
    std::istringstream in(json_lines);
    for (std::string line; std::getline(in, line);) {
      EXPECT_TRUE(line.starts_with('{') && line.ends_with('}')) << line;
      // Protobuf's own parser reads enumerators by their full names only: take them as unknown, the structure is what counts.
      google::protobuf::util::JsonParseOptions options;
      options.ignore_unknown_fields = true;
      options.case_insensitive_enum_parsing = true;
      v1::Record record;
      const auto status = google::protobuf::util::JsonStringToMessage(line, &record, options);
      EXPECT_TRUE(status.ok()) << status.ToString() << '\n' << line;
      result.push_back(record);
    }
    return result;
  }

  TemporaryDirectory directory_;
};

TEST_F(AnalyzeTest, RecordsComeInTheContractsOrder) {
  const std::string a = write("a.pcap", pcap(many(false, 3)).bytes()), b = write("b.pcap", pcap(many(true, 3)).bytes());
  const Outcome outcome = json({"outside=" + a, "inside=" + b});
  EXPECT_EQ(outcome.exit_code, kExitDone);
  EXPECT_EQ(outcome.err, "");
  const std::vector<v1::Record> all = records(outcome.out);
  ASSERT_GE(all.size(), 3u);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(),
                             [](const v1::Record& x, const v1::Record& y) { return x.record_case() < y.record_case(); }));
  EXPECT_EQ(all[0].point().name(), "outside");
  EXPECT_EQ(all[1].point().name(), "inside");
  EXPECT_EQ(all[0].point().packets(), 27u);
  EXPECT_EQ(all[0].point().link_type(), "ethernet");
  EXPECT_TRUE(all.back().has_summary());
  EXPECT_EQ(all.back().summary().packets(), 54u);
  EXPECT_EQ(all.back().summary().connections(), 3u);
  EXPECT_EQ(all.back().summary().paired_connections(), 3u);
}

TEST_F(AnalyzeTest, AnyNumberOfWorkersWritesTheSameBytes) {
  const std::string a = write("a.pcap", pcap(many(false, 40)).bytes()), b = write("b.pcap", pcap(many(true, 40)).bytes());
  const Outcome one = json({"outside=" + a, "inside=" + b}, 1);
  EXPECT_GT(one.out.size(), 10'000u);
  EXPECT_EQ(json({"outside=" + a, "inside=" + b}, 2).out, one.out);
  EXPECT_EQ(json({"outside=" + a, "inside=" + b}, 4).out, one.out);
}

TEST_F(AnalyzeTest, BothByteOrdersResolutionsAndFormatsSayTheSame) {
  const std::vector<Packet> packets = many(false, 2);
  const auto without_names = [&](const std::vector<uint8_t>& bytes) {
    const Outcome outcome = json({"here=" + write("same-name", bytes)});
    EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
    return outcome.out;
  };
  const std::string expected = without_names(pcap(packets).bytes());
  EXPECT_EQ(without_names(pcap(packets, true, true).bytes()), expected);
  EXPECT_EQ(without_names(pcap(packets, true, false).bytes()), expected) << "the stamps are whole microseconds";
  EXPECT_EQ(without_names(pcap(packets, false, false).bytes()), expected);
  EXPECT_EQ(without_names(pcapng({packets}, false).bytes()), expected);
  EXPECT_EQ(without_names(pcapng({packets}, true).bytes()), expected);
}

TEST_F(AnalyzeTest, SeveralFilesOfOnePointAreMergedByTime) {
  const std::vector<Packet> both = many(false, 5);
  std::vector<Packet> first, second;
  for (size_t i = 0; i < both.size(); ++i) (i % 2 == 0 ? first : second).push_back(both[i]);
  const Outcome outcome = json({"here=" + write("1.pcap", pcap(first).bytes()) + "," + write("2.pcap", pcap(second).bytes())});
  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  const std::vector<v1::Record> all = records(outcome.out);
  EXPECT_EQ(all.back().summary().connections(), 5u);
  for (const v1::Record& record : all) {
    if (!record.has_connection()) continue;
    EXPECT_EQ(record.connection().legs(0).conn_state(), "SF");
  }
}

TEST_F(AnalyzeTest, TwoInterfacesOfOneFileAreTwoPoints) {
  const std::string file = write("both.pcapng", pcapng({many(false, 3), many(true, 3)}, false).bytes());
  const Outcome outcome = json({"outside=" + file + "#0", "inside=" + file + "#1"});
  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  EXPECT_EQ(records(outcome.out).back().summary().paired_connections(), 3u);
}

TEST_F(AnalyzeTest, FileCutInTheMiddleIsAnalysedWithAWarning) {
  std::vector<uint8_t> bytes = pcap(many(false, 3)).bytes();
  bytes.resize(bytes.size() - 7);
  const std::string path = write("cut.pcap", bytes);
  const Outcome outcome = json({"here=" + path});
  EXPECT_EQ(outcome.exit_code, kExitDone) << "a cut file is no failure";
  EXPECT_THAT(outcome.err, HasSubstr("parallax: warning: " + path + ": cut in the middle of packet 27"));
  const v1::Point point = records(outcome.out).front().point();
  EXPECT_EQ(point.packets(), 26u);
  ASSERT_EQ(point.warnings_size(), 1);
  EXPECT_THAT(point.warnings(0), HasSubstr("cut in the middle of packet 27"));
}

TEST_F(AnalyzeTest, FileOfWhichNoPacketCouldBeReadIsAFailure) {
  std::vector<uint8_t> bytes = pcap(many(false, 1)).bytes();
  bytes.resize(24 + 16 + 7);  // header, and a part of the first packet
  const std::string path = write("cut.pcap", bytes);
  const Outcome outcome = json({"here=" + path});
  EXPECT_EQ(outcome.exit_code, kExitFailed);
  EXPECT_THAT(outcome.err, HasSubstr("parallax: " + path + ": no packet could be read\n"));
}

TEST_F(AnalyzeTest, OneBadFileAmongGoodOnesIsSaidAndTheRestReported) {
  const std::string good = write("good.pcap", pcap(many(false, 2)).bytes());
  const std::string bad =
      write("bad.pcap", {'n', 'o', ' ', 'p', 'c', 'a', 'p', '!', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  const Outcome outcome = json({"here=" + good + "," + bad});
  EXPECT_EQ(outcome.exit_code, kExitFailed);
  EXPECT_THAT(outcome.err, HasSubstr(bad));
  EXPECT_EQ(records(outcome.out).front().point().packets(), 18u);
}

TEST_F(AnalyzeTest, NoReadableInputIsUsage) {
  const Outcome outcome = json({"here=" + directory_.path() + "/missing.pcap"});
  EXPECT_EQ(outcome.exit_code, kExitUsage);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("missing.pcap: No such file or directory"));
  EXPECT_THAT(outcome.err, HasSubstr("no input could be read"));
}

TEST_F(AnalyzeTest, EmptyCaptureIsNoFailure) {
  const Outcome outcome = json({"here=" + write("empty.pcap", pcap({}).bytes())});
  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  EXPECT_EQ(records(outcome.out).back().summary().packets(), 0u);
  EXPECT_THAT(text({"here=" + write("empty.pcap", pcap({}).bytes())}).out, HasSubstr("No packet could be analysed."));
}

TEST_F(AnalyzeTest, SynDroppedInTheDeviceIsFound) {
  std::vector<Packet> outside = many(false, 5), inside = many(true, 5);
  for (int attempt = 0; attempt < 3; ++attempt) {
    Packet syn = conversation(false, 6000, false).front();
    syn.after_ns += 20'000'000 + attempt * 1'000'000'000LL;  // after the others, so that the inside file has begun
    outside.push_back(syn);
  }
  // Traffic goes on at both points, so that both cover the time of the loss.
  for (bool side : {false, true}) {
    for (Packet packet : conversation(side, 7000)) {
      packet.after_ns += 10'000'000'000;
      (side ? inside : outside).push_back(packet);
    }
  }
  const std::vector<std::string> points = {"outside=" + write("a.pcap", pcap(outside).bytes()),
                                           "inside=" + write("b.pcap", pcap(inside).bytes())};
  setenv("LC_ALL", "C", 1);
  const Outcome outcome = text(points);
  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("syn_unanswered  between outside and inside"));
  EXPECT_THAT(outcome.out, HasSubstr("    !   0.000000 |--------o===X    |        |  SYN seq 0 mss 1460 #")) << "an example";
  EXPECT_EQ(json(points).exit_code, kExitDone) << "a finding is no failure";
}

TEST_F(AnalyzeTest, LadderShowsWhereEachPacketWasSeen) {
  std::vector<Packet> inside = many(true, 2);
  AnalyzeOptions options;
  options.points = {"outside=" + write("a.pcap", pcap(many(false, 2)).bytes()),
                    "inside=" + write("b.pcap", pcap(inside).bytes())};
  options.ladder = 2;
  setenv("LC_ALL", "C", 1);
  const Outcome outcome = analyze(options);
  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("connection 2: tcp, established, fin by "));
  EXPECT_THAT(outcome.out, HasSubstr("client   outside  inside   server\n    0.000000 |--------o========o------->|  SYN seq 0"));
  options.ladder = 3;
  const Outcome unknown = analyze(options);
  EXPECT_EQ(unknown.exit_code, kExitFailed);
  EXPECT_EQ(unknown.out, "");
  EXPECT_THAT(unknown.err, HasSubstr("--ladder 3: there is no such connection; there are 2"));
}

// Connections that cross; and four SYNs of one more, of which the inside file holds no frame that the analysis can read as such.
struct Silent {
  std::vector<Packet> outside = many(false, 5), inside = many(true, 5);
};
Silent silent_connection(const std::function<test::Frame(test::Frame)>& seen_inside) {
  Silent silent;
  for (int attempt = 0; attempt < 4; ++attempt) {
    for (const bool inside : {false, true}) {
      Packet syn = conversation(inside, 6000, false).front();
      syn.after_ns += 20'000'000 + attempt * 1'000'000'000LL;
      if (inside) syn.frame = seen_inside(syn.frame);
      (inside ? silent.inside : silent.outside).push_back(syn);
    }
  }
  for (const bool inside : {false, true}) {
    for (Packet packet : conversation(inside, 7000)) {
      packet.after_ns += 10'000'000'000;
      (inside ? silent.inside : silent.outside).push_back(packet);
    }
  }
  return silent;
}

test::Frame tagged(test::Frame frame) {
  const std::vector<uint8_t> tag = {0x81, 0x00, 0x00, 0x05};
  frame.insert(frame.begin() + 12, tag.begin(), tag.end());
  return frame;
}

TEST_F(AnalyzeTest, WhatAFilterHidesIsNotAbsent) {
  const Silent silent = silent_connection(tagged);
  AnalyzeOptions options;
  options.points = {"outside=" + write("a.pcap", pcap(silent.outside).bytes()),
                    "inside=" + write("b.pcap", pcap(silent.inside).bytes())};
  options.filter = "tcp";
  EXPECT_THAT(analyze(options).out, Not(HasSubstr("between outside and inside; by: device")));
}

TEST_F(AnalyzeTest, WhatCannotBeDecodedIsNotAbsent) {
  const Silent silent = silent_connection([](test::Frame frame) {
    frame[12] = 0x88;  // MACsec
    frame[13] = 0xe5;
    return frame;
  });
  const Outcome outcome = text(
      {"outside=" + write("a.pcap", pcap(silent.outside).bytes()), "inside=" + write("b.pcap", pcap(silent.inside).bytes())});
  EXPECT_THAT(outcome.out, Not(HasSubstr("by: device")));
  EXPECT_THAT(outcome.out, HasSubstr("inside: 4 packets could not be decoded"));
}

TEST_F(AnalyzeTest, HousekeepingOfTheNetworkHidesNothing) {
  const Silent silent = silent_connection([](test::Frame frame) {
    frame[12] = 0x88;  // LLDP
    frame[13] = 0xcc;
    return frame;
  });
  const Outcome outcome = text(
      {"outside=" + write("a.pcap", pcap(silent.outside).bytes()), "inside=" + write("b.pcap", pcap(silent.inside).bytes())});
  EXPECT_THAT(outcome.out, HasSubstr("syn_unanswered  between outside and inside"));
}

TEST_F(AnalyzeTest, LinkTypeThatIsNotReadIsRefusedLoudly) {
  CaptureBytes unknown(false);
  unknown.pcap_header(kMagicNanoseconds, 147);
  for (const Packet& packet : many(true, 3))
    unknown.pcap_packet(kStart, 0, packet.frame, static_cast<uint32_t>(packet.frame.size()));
  const std::string file = write("b.pcap", unknown.bytes());
  const Outcome outcome = text({"outside=" + write("a.pcap", pcap(many(false, 3)).bytes()), "inside=" + file});
  EXPECT_EQ(outcome.exit_code, kExitFailed);
  EXPECT_THAT(outcome.err, HasSubstr(file + ": has 27 packets of link type 147, which Parallax does not read"));
  EXPECT_THAT(outcome.err, HasSubstr(file + ": no packet could be decoded"));
  EXPECT_THAT(outcome.out, HasSubstr("No packet could be decoded at inside (link type linktype_147)"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("Nothing wrong was found")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("is not the cause")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("The sensor itself lost nothing")));
}

TEST_F(AnalyzeTest, NanosecondsUnderTheMagicOfMicrosecondsAreReadAsSuch) {
  CaptureBytes wrong(false);
  wrong.pcap_header(kMagicMicroseconds);
  for (const Packet& packet : many(false, 3)) {
    wrong.pcap_packet(kStart, static_cast<uint32_t>(packet.after_ns % 1'000'000'000), packet.frame,
                      static_cast<uint32_t>(packet.frame.size()));
  }
  const std::string file = write("a.pcap", wrong.bytes());
  const Outcome outcome = json({"here=" + file});
  EXPECT_EQ(outcome.exit_code, kExitDone);
  EXPECT_THAT(outcome.err, HasSubstr(file + ": has more than 999,999 microseconds in the stamp of packet "));
  const v1::Point point = records(outcome.out).front().point();
  EXPECT_EQ(point.first_seen().seconds(), kStart);
  EXPECT_EQ(point.last_seen().seconds(), kStart);
}

TEST_F(AnalyzeTest, ClocksThatDifferAreAligned) {
  AnalyzeOptions options;
  options.points = {"outside=" + write("a.pcap", pcap(many(false, 20)).bytes()),
                    "inside=" + write("b.pcap", pcap(later(many(true, 20), 3'000'000'000)).bytes())};
  EXPECT_THAT(unwrapped(analyze(options).out), HasSubstr("inside: its clock is 3.000000 s ahead of that of outside, +- 100 us"));
  options.format = "json";
  const std::vector<v1::Record> all = records(analyze(options).out);
  EXPECT_EQ(all[0].point().clock_offset_seconds(), 0);
  EXPECT_FALSE(all[0].point().has_clock_uncertainty_seconds());
  EXPECT_NEAR(all[1].point().clock_offset_seconds(), 3, 0.000002);
  EXPECT_NEAR(all[1].point().clock_uncertainty_seconds(), 0.0001, 0.000002);  // the transit of the device, both ways
  EXPECT_EQ(all[1].point().first_seen().seconds(), kStart);
  for (const v1::Record& record : all) EXPECT_FALSE(record.has_finding()) << record.finding().summary();
  options.align_clocks = "off";
  EXPECT_EQ(records(analyze(options).out)[1].point().clock_offset_seconds(), 0);
}

// Connections that cross, a minute later more of them, and among these SYNs that do not. The clock inside steps between.
TEST_F(AnalyzeTest, BlameOnBothSidesOfAStepRestsOnAlignedClocks) {
  constexpr int64_t kMinute = 60'000'000'000, kStep = 5'000'000'000;
  std::vector<Packet> outside = many(false, 20), inside = many(true, 20);
  for (int i = 0; i < 20; ++i) {
    for (Packet packet : later(conversation(false, static_cast<uint16_t>(5100 + i)), kMinute)) outside.push_back(packet);
    for (Packet packet : later(conversation(true, static_cast<uint16_t>(5100 + i)), kMinute + kStep)) inside.push_back(packet);
  }
  for (int attempt = 0; attempt < 3; ++attempt)
    outside.push_back(later(conversation(false, 6000, false), kMinute + 2'000'000'000 + attempt * 1'000'000'000LL).front());
  for (Packet packet : later(conversation(false, 7000), kMinute + 20'000'000'000)) outside.push_back(packet);
  for (Packet packet : later(conversation(true, 7000), kMinute + 20'000'000'000 + kStep)) inside.push_back(packet);
  for (auto* side : {&outside, &inside}) {
    std::stable_sort(side->begin(), side->end(), [](const Packet& a, const Packet& b) { return a.after_ns < b.after_ns; });
  }
  const Outcome outcome =
      json({"outside=" + write("a.pcap", pcap(outside).bytes()), "inside=" + write("b.pcap", pcap(inside).bytes())});
  const std::vector<v1::Record> all = records(outcome.out);
  EXPECT_EQ(all[1].point().clock_offset_seconds(), 0);
  ASSERT_EQ(all[1].point().warnings_size(), 1);
  EXPECT_THAT(all[1].point().warnings(0), HasSubstr("its clock and that of outside moved apart by +5.0000"));
  bool is_blamed = false, is_uncertain = false;
  for (const v1::Record& record : all) {
    if (!record.has_finding()) continue;
    const v1::Finding& finding = record.finding();
    is_uncertain |= finding.summary().starts_with("Timestamps at outside and inside cannot be compared (system clock set)");
    if (finding.where().between_size() != 2 || finding.summary().find("SYN") == std::string::npos) continue;
    is_blamed = true;
    EXPECT_THAT(finding.evidence(finding.evidence_size() - 1).detail(), HasSubstr("its clock was aligned to that of outside"));
  }
  EXPECT_TRUE(is_blamed) << outcome.out;
  EXPECT_TRUE(is_uncertain) << outcome.out;
  EXPECT_EQ(outcome.out.find("\"kind\":\"segment_loss\""), std::string::npos);
}

TEST_F(AnalyzeTest, OffsetsThatCannotBeToldAreSaid) {
  std::vector<Packet> outside = many(false, 40), inside = many(true, 40);
  const auto is_answer = [](const Packet& packet) { return packet.frame[34] == 0 && packet.frame[35] == 80; };  // from port 80
  std::erase_if(outside, is_answer);
  std::erase_if(inside, is_answer);
  const Outcome outcome = json({"outside=" + write("a.pcap", pcap(later(outside, 2'000'000'000)).bytes()),
                                "inside=" + write("b.pcap", pcap(inside).bytes())});
  const std::vector<v1::Record> all = records(outcome.out);
  EXPECT_FALSE(all[1].point().has_clock_uncertainty_seconds());
  ASSERT_EQ(all[1].point().warnings_size(), 1);
  EXPECT_THAT(all[1].point().warnings(0),
              HasSubstr("the offset of its clock cannot be told: both show packets of one direction"));
  EXPECT_THAT(outcome.out,
              HasSubstr("Timestamps at outside and inside cannot be compared (packets left 2.0 s before they came; it stays"));
}

// No device takes 2 s for every packet.
TEST_F(AnalyzeTest, AnOffsetThatLooksLikeATransitIsSaid) {
  std::vector<Packet> outside = many(false, 40), inside = later(many(true, 40), 2'000'000'000);
  const auto is_answer = [](const Packet& packet) { return packet.frame[34] == 0 && packet.frame[35] == 80; };  // from port 80
  std::erase_if(outside, is_answer);
  std::erase_if(inside, is_answer);
  const Outcome outcome =
      json({"outside=" + write("a.pcap", pcap(outside).bytes()), "inside=" + write("b.pcap", pcap(inside).bytes())});
  const std::vector<v1::Record> all = records(outcome.out);
  ASSERT_EQ(all[1].point().warnings_size(), 1);
  EXPECT_TRUE(all[1].point().warnings(0).starts_with("the offset of its clock cannot be told"));
  const std::string is_uncertain =
      "Timestamps at outside and inside cannot be compared (no packet crossed in less than 2.0 s and none came back, so ";
  size_t uncertain = 0;
  for (const v1::Record& record : all) {
    uncertain += record.has_finding() && record.finding().summary().starts_with(is_uncertain);
    EXPECT_FALSE(record.has_finding() && record.finding().origin() == v1::ORIGIN_DEVICE) << record.finding().summary();
  }
  EXPECT_EQ(uncertain, 1u);
}

// The file inside is stamped by a clock that is 3 s ahead, as nothing tells, and shows nothing for 6 s: by the stamps outside the
// connections of its first 3 s came while it was listening.
TEST_F(AnalyzeTest, ASilenceByAClockOfItsOwnMayBeAtAnyTime) {
  constexpr int64_t kSecond = 1'000'000'000, kEvery = 20'000'000, kAhead = 3 * kSecond;
  std::vector<Packet> outside, inside;
  for (int i = 0; i < 1500; ++i) {
    const auto port = static_cast<uint16_t>(5000 + i);
    const auto syn_at = [port](bool is_inside, int64_t ns) {
      Packet syn = conversation(is_inside, port).front();
      syn.after_ns = ns;
      return syn;
    };
    outside.push_back(syn_at(false, i * kEvery));
    if (i * kEvery < 15 * kSecond || i * kEvery > 21 * kSecond) inside.push_back(syn_at(true, i * kEvery + kAhead));
  }
  const Outcome outcome =
      json({"outside=" + write("a.pcap", pcap(outside).bytes()), "inside=" + write("b.pcap", pcap(inside).bytes())});
  EXPECT_THAT(outcome.out, Not(HasSubstr("never at inside")));
  const std::vector<v1::Record> all = records(outcome.out);
  ASSERT_EQ(all[1].point().warnings_size(), 2);
  EXPECT_THAT(all[1].point().warnings(0),
              AllOf(HasSubstr("no packets of both directions tell how far its clock and that of outside are apart: as "),
                    HasSubstr("b.pcap was silent for a time, nothing is said of what it did not show")));
}

TEST_F(AnalyzeTest, FilterChoosesPackets) {
  AnalyzeOptions options;
  options.points = {"here=" + write("a.pcap", pcap(many(false, 3)).bytes())};
  options.format = "json";
  options.filter = "tcp port 5001";
  const Outcome outcome = analyze(options);
  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  EXPECT_EQ(records(outcome.out).back().summary().connections(), 1u);
  options.filter = "tcp.port == 5001";
  const Outcome wrong = analyze(options);
  EXPECT_EQ(wrong.exit_code, kExitUsage);
  EXPECT_THAT(wrong.err, HasSubstr("a BPF expression is needed"));
}

TEST_F(AnalyzeTest, ConfigurationIsChecked) {
  AnalyzeOptions options;
  options.points = {"here=" + write("a.pcap", pcap(many(false, 1)).bytes())};
  const std::string config = "limits: { leg: 3 }\n";
  options.config_file = write("c.yaml", {config.begin(), config.end()});
  const Outcome outcome = analyze(options);
  EXPECT_EQ(outcome.exit_code, kExitUsage);
  EXPECT_THAT(outcome.err, HasSubstr("c.yaml:1:11: unknown key \"leg\" in limits (did you mean \"legs\"?)"));
}

TEST_F(AnalyzeTest, WrongOptionsAreUsage) {
  const std::string point = "here=" + write("a.pcap", pcap(many(false, 1)).bytes());
  const auto error_of = [&](auto change) {
    AnalyzeOptions options;
    options.points = {point};
    change(options);
    const Outcome outcome = analyze(options);
    EXPECT_EQ(outcome.exit_code, kExitUsage);
    EXPECT_EQ(outcome.out, "");
    return outcome.err;
  };
  EXPECT_EQ(error_of([](AnalyzeOptions& o) { o.format = "xml"; }), "parallax: --format xml: must be text or json\n");
  EXPECT_EQ(error_of([](AnalyzeOptions& o) { o.workers = 0; }), "parallax: --workers 0: must be 1 to 64\n");
  EXPECT_EQ(error_of([](AnalyzeOptions& o) { o.align_clocks = "on"; }), "parallax: --align-clocks on: must be auto or off\n");
  EXPECT_THAT(error_of([](AnalyzeOptions& o) { o.packets = true; }), HasSubstr("needs --format json"));
  EXPECT_THAT(error_of([](AnalyzeOptions& o) {
                o.ladder = 1;
                o.format = "json";
              }),
              HasSubstr("--ladder is text"));
  EXPECT_THAT(error_of([&](AnalyzeOptions& o) { o.points.push_back(point); }), HasSubstr("point \"here\" is given twice"));
}

TEST_F(AnalyzeTest, FullDiskIsAFailure) {
  AnalyzeOptions options;
  options.points = {"here=" + write("a.pcap", pcap(many(false, 1)).bytes())};
  options.format = "json";
  FILE* full = std::fopen("/dev/full", "w");
  char* err = nullptr;
  size_t err_size = 0;
  FILE* err_file = open_memstream(&err, &err_size);
  EXPECT_EQ(parallax::analyze(options, full, err_file), kExitFailed);
  std::fclose(err_file);
  EXPECT_STREQ(err, "parallax: the output could not be written: No space left on device\n");
  std::free(err);
  std::fclose(full);
}

}  // namespace
}  // namespace parallax
