// `parallax analyze --access-log`: TLS outside, HTTP inside, and a log that says which belongs to which.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "daemon/client/analyze.h"
#include "tests/support/analyze_outcome.h"
#include "tests/support/capture_bytes.h"
#include "tests/support/command.h"
#include "tests/support/packet_builder.h"

namespace parallax {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr uint32_t kStart = 1'709'210'096;  // 2024-02-29 12:34:56 UTC

struct Packet {
  double ms;
  test::Frame frame;
};

// A connection with one exchange: from `ms` on, the request 3 ms later, the answer 10 ms after that.
void converse(std::vector<Packet>& packets, double ms, const char* client, uint16_t port, const char* server,
              uint16_t server_port, const std::string& request, const std::string& answer) {
  const auto send = [&](bool from_client, double at, uint8_t flags, uint32_t seq, uint32_t ack, const std::string& text) {
    test::Ip ip;
    ip.source = test::address(from_client ? client : server);
    ip.destination = test::address(from_client ? server : client);
    test::Tcp tcp;
    tcp.source_port = from_client ? port : server_port;
    tcp.destination_port = from_client ? server_port : port;
    tcp.seq = seq;
    tcp.ack = ack;
    tcp.flags = flags;
    packets.push_back({at, test::tcp_frame(ip, tcp, std::vector<uint8_t>(text.begin(), text.end()))});
  };
  using namespace tcp_flag;
  const uint32_t isn = 1000u * port + server_port, server_isn = 7000u * port + server_port;
  const auto asked = isn + 1 + static_cast<uint32_t>(request.size()),
             answered = server_isn + 1 + static_cast<uint32_t>(answer.size());
  send(true, ms, syn, isn, 0, "");
  send(false, ms + 1, syn | ack, server_isn, isn + 1, "");
  send(true, ms + 2, ack, isn + 1, server_isn + 1, "");
  send(true, ms + 3, ack | psh, isn + 1, server_isn + 1, request);
  send(false, ms + 13, ack | psh, server_isn + 1, asked, answer);
  send(true, ms + 14, ack | fin, asked, answered, "");
  send(false, ms + 15, ack | fin, answered, asked + 1, "");
  send(true, ms + 16, ack, asked + 1, answered + 1, "");
}

std::string http(const std::string& target) { return "GET " + target + " HTTP/1.1\r\nHost: lab.example\r\n\r\n"; }
const std::string kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const std::string kCipher(80, '\x17');

class AccessLogAnalyzeTest : public testing::Test {
 protected:
  // Two clients ask for the same page over TLS, 2 ms apart; so does the proxy of the server, in the other order.
  void SetUp() override {
    converse(outside_, 100, "198.51.100.7", 5001, "192.0.2.1", 443, kCipher, kCipher);
    converse(outside_, 102, "198.51.100.8", 5002, "192.0.2.1", 443, kCipher, kCipher);
    converse(inside_, 104, "10.0.0.1", 6002, "10.0.0.80", 80, http("/b"), kAnswer);
    converse(inside_, 104.5, "10.0.0.1", 6001, "10.0.0.80", 80, http("/a"), kAnswer);
  }
  std::string write(const std::string& name, const std::string& text) {
    const std::string path = directory_.path() + '/' + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::string write(const std::string& name, std::vector<Packet> packets) {
    std::stable_sort(packets.begin(), packets.end(), [](const Packet& a, const Packet& b) { return a.ms < b.ms; });
    test::CaptureBytes bytes(false);
    bytes.pcap_header(0xa1b23c4d);
    for (const Packet& packet : packets)
      bytes.pcap_packet(kStart, static_cast<uint32_t>(packet.ms * 1e6), packet.frame, static_cast<uint32_t>(packet.frame.size()));
    return write(name, std::string(bytes.bytes().begin(), bytes.bytes().end()));
  }
  std::string run(const std::string& log, const std::string& format, size_t workers = 1, int expected = kExitDone) {
    AnalyzeOptions options;
    options.points = {"outside=" + write("outside.pcap", outside_), "inside=" + write("inside.pcap", inside_)};
    options.format = format;
    options.workers = workers;
    options.access_log = log;
    const test::AnalyzeOutcome outcome = test::analyze_outcome(options);
    EXPECT_EQ(outcome.exit_code, expected);
    errors_ = outcome.err;
    return outcome.out;
  }
  // The line of the connection from there.
  static std::string connection_from(const std::string& json, const std::string& client) {
    for (size_t begin = 0; begin < json.size();) {
      const size_t end = std::min(json.find('\n', begin), json.size());
      const std::string line = json.substr(begin, end - begin);
      if (line.starts_with("{\"connection\"") && line.find(client) != line.npos) return line;
      begin = end + 1;
    }
    return "";
  }

  std::vector<Packet> outside_, inside_;
  TemporaryDirectory directory_;
  std::string errors_;
};

constexpr const char* kHaproxyLog =
    R"(198.51.100.7:5001 [29/Feb/2024:12:34:56.103] front~ back/s1 0/0/1/10/12 200 80 - - ---- 2/2/0/0/0 0/0 "GET /a HTTP/1.1")"
    "\n"
    R"(198.51.100.8:5002 [29/Feb/2024:12:34:56.105] front~ back/s1 0/0/1/10/12 200 80 - - ---- 2/2/0/0/0 0/0 "GET /b HTTP/1.1")"
    "\n";

TEST_F(AccessLogAnalyzeTest, AProxysLogPairsWhatNothingElseTellsApart) {
  const std::string json = run(write("haproxy.log", kHaproxyLog), "json");
  const std::string first = connection_from(json, "198.51.100.7"), second = connection_from(json, "198.51.100.8");
  EXPECT_THAT(first, HasSubstr("\"method\":\"forwarded_header\""));
  EXPECT_THAT(first, HasSubstr("\"target\":\"/a\""));
  EXPECT_THAT(first, HasSubstr("\"forwarded_for\":\"198.51.100.7\""));
  EXPECT_THAT(first, HasSubstr("\"access_log_line\":1"));
  EXPECT_THAT(first, HasSubstr("\"forwarded_for_is_logged\":true"));
  EXPECT_THAT(second, HasSubstr("\"target\":\"/b\""));
  EXPECT_THAT(second, HasSubstr("\"access_log_line\":2"));
  EXPECT_THAT(json, HasSubstr("\"joined\":2"));
  EXPECT_THAT(json, HasSubstr("\"pairings\":2"));
}

TEST_F(AccessLogAnalyzeTest, AServersLogNamesTheClientInAFieldOfItsOwn) {
  const std::string log =
      write("access.log", R"(10.0.0.1 - - [29/Feb/2024:13:34:56 +0100] "GET /b HTTP/1.1" 200 2 "-" "lab" "198.51.100.8")"
                          "\n"
                          R"(10.0.0.1 - - [29/Feb/2024:13:34:56 +0100] "GET /a HTTP/1.1" 200 2 "-" "lab" "198.51.100.7")"
                          "\n"
                          R"(10.0.0.1 - - [29/Feb/2024:13:34:56 +0100] "GET /c HTTP/1.1" 200 2 "-" "lab" "198.51.100.7")"
                          "\nrubbish\n");
  EXPECT_THAT(connection_from(run(log, "json"), "198.51.100.7"), HasSubstr("\"access_log_line\":2"));
  const std::string report = run(log, "text");
  EXPECT_THAT(report, HasSubstr("access log: 3 requests, 2 joined to connections, 0 ambiguous, 1 not captured"));
  EXPECT_THAT(report, HasSubstr("combined format; clients by the address that connected and quoted field 3"));
  EXPECT_THAT(report, HasSubstr("1 line of it could not be read"));
  EXPECT_THAT(report, HasSubstr("between outside and inside: 2 forwarded_header"));
  EXPECT_THAT(errors_, HasSubstr("access.log:4: 1 of 4 lines could not be read"));
}

TEST_F(AccessLogAnalyzeTest, TheOutputIsTheSameForEveryNumberOfWorkers) {
  for (int i = 0; i < 40; ++i) {
    const auto port = static_cast<uint16_t>(5100 + i);
    converse(outside_, 200 + 3 * i, "198.51.100.9", port, "192.0.2.1", 443, kCipher, kCipher);
    converse(inside_, 205 + 3 * i, "10.0.0.1", port, "10.0.0.80", 80, http("/p/" + std::to_string(i % 30)), kAnswer);
  }
  std::string lines = kHaproxyLog;
  for (int i = 0; i < 40; ++i) {
    lines += "198.51.100.9:" + std::to_string(5100 + i) + " [29/Feb/2024:12:34:56." + std::to_string(203 + 3 * i) +
             "] front~ back/s1 0/0/1/10/12 200 80 - - ---- 2/2/0/0/0 0/0 \"GET /p/" + std::to_string(i % 30) + " HTTP/1.1\"\n";
  }
  const std::string log = write("haproxy.log", lines);
  const std::string one = run(log, "json");
  EXPECT_THAT(one, HasSubstr("\"access_log\":"));
  EXPECT_EQ(run(log, "json", 2), one);
  EXPECT_EQ(run(log, "json", 4), one);
}

TEST_F(AccessLogAnalyzeTest, WithoutALogNothingIsSaidOfOne) {
  EXPECT_THAT(run("", "json"), Not(HasSubstr("access_log")));
  EXPECT_THAT(run("", "text"), Not(HasSubstr("access log")));
}

TEST_F(AccessLogAnalyzeTest, WhatIsNoAccessLogIsUsage) {
  EXPECT_EQ(run(write("no.log", "hello\nworld\n"), "json", 1, kExitUsage), "");
  EXPECT_THAT(errors_, HasSubstr("no.log:1: no access log, or of a format that is not known"));
  run(directory_.path() + "/missing", "json", 1, kExitUsage);
  EXPECT_THAT(errors_, HasSubstr("--access-log cannot open"));
}

TEST_F(AccessLogAnalyzeTest, AnEmptyLogJoinsNothing) {
  EXPECT_THAT(run(write("empty.log", ""), "text"), HasSubstr("access log: 0 requests, 0 joined"));
}

TEST_F(AccessLogAnalyzeTest, LinesWithoutEndAreCountedAndPassedOver) {
  const std::string log =
      write("long.log", kHaproxyLog + std::string(300'000, 'x') + "\n" + kHaproxyLog + std::string(100'000, 'y'));
  EXPECT_THAT(run(log, "text"), HasSubstr("2 lines of it could not be read"));
}

}  // namespace
}  // namespace parallax
