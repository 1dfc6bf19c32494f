// Two captures of a stress test, each of 2.7 million packets: 37,000 connections of two servers, of which one accepts a hundred a
// second and refuses what is more from 90 s on, amid the conversations of others. The report stays short, and a filter narrows
// it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <queue>
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

constexpr uint32_t kStart = 1'709'210'096;
constexpr int kSeconds = 270, kSteadySeconds = 90, kAccepted = 100;
constexpr int kRefusedMore = 37;  // a second, with each 90 s that have passed
constexpr int kStreams = 40;      // conversations of others
constexpr int kStreamPackets = 2'400'000 / kStreams;
constexpr int64_t kTransitNs = 7'000;

// Writes what both points see of a packet, in order of time, frames cut to their headers.
class Captures {
 public:
  Captures(const std::string& near, const std::string& far) : near_(near, std::ios::binary), far_(far, std::ios::binary) {
    test::CaptureBytes header(false);
    header.pcap_header(0xa1b23c4d);
    for (std::ofstream* file : {&near_, &far_}) write(*file, header);
  }
  void packet(int64_t ns, bool toward_server, const test::Frame& frame, uint32_t wire) {
    put(near_, ns + (toward_server ? 0 : kTransitNs), frame, wire);
    put(far_, ns + (toward_server ? kTransitNs : 0), frame, wire);
    ++packets_;
  }
  uint64_t packets() const { return packets_; }

 private:
  static void write(std::ofstream& file, const test::CaptureBytes& bytes) {
    file.write(reinterpret_cast<const char*>(bytes.bytes().data()), static_cast<std::streamsize>(bytes.bytes().size()));
  }
  static void put(std::ofstream& file, int64_t ns, const test::Frame& frame, uint32_t wire) {
    test::CaptureBytes bytes(false);
    bytes.pcap_packet(kStart + static_cast<uint32_t>(ns / 1'000'000'000), static_cast<uint32_t>(ns % 1'000'000'000), frame, wire);
    write(file, bytes);
  }

  std::ofstream near_, far_;
  uint64_t packets_ = 0;
};

struct Planned {
  int64_t ns;
  bool toward_server;
  uint8_t flags;
  uint16_t port;
  Address client, server;
  uint32_t seq, ack, length;
  bool operator<(const Planned& other) const { return ns > other.ns; }  // the earliest first
};

// What is still to be sent, by time.
class Plan {
 public:
  explicit Plan(Captures& captures) : captures_(captures) {}
  void connection(int64_t ns, uint16_t port, bool is_accepted) {
    const auto send = [&](int64_t after_us, bool from_client, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t length) {
      planned_.push({ns + after_us * 1000, from_client, flags, port, kClient, kServer, seq, ack, length});
    };
    using namespace tcp_flag;
    const auto isn = static_cast<uint32_t>(ns / 1000), other = isn * 7 + 1;
    if (!is_accepted) {
      // Windows tries three times, half a second apart.
      for (const int64_t at : {int64_t{0}, int64_t{500'000}, int64_t{1'000'000}}) {
        send(at, true, syn, isn, 0, 0);
        send(at + 300, false, rst | tcp_flag::ack, 0, isn + 1, 0);
      }
      return;
    }
    send(0, true, syn, isn, 0, 0);
    send(300, false, syn | tcp_flag::ack, other, isn + 1, 0);
    send(400, true, tcp_flag::ack, isn + 1, other + 1, 0);
    send(600, true, tcp_flag::ack | psh, isn + 1, other + 1, 700);
    send(5000, false, tcp_flag::ack | psh, other + 1, isn + 701, 1200);
    send(5200, true, tcp_flag::ack, isn + 701, other + 1201, 0);
    send(9000, true, tcp_flag::ack | fin, isn + 701, other + 1201, 0);
    send(9300, false, tcp_flag::ack | rst, other + 1201, isn + 702, 0);
  }
  // A request of 100 bytes and its answer of 1,400, again and again.
  void exchange(int64_t ns, int stream, int n) {
    const Address client = test::address(fmt::format("10.1.0.{}", 1 + stream)), server = test::address("10.2.0.9");
    const auto asked = static_cast<uint32_t>(n * 100), answered = static_cast<uint32_t>(n * 1400);
    const auto port = static_cast<uint16_t>(30000 + stream);
    planned_.push({ns, true, tcp_flag::ack | tcp_flag::psh, port, client, server, 1 + asked, 1 + answered, 100});
    planned_.push({ns + 400'000, false, tcp_flag::ack | tcp_flag::psh, port, client, server, 1 + answered, 101 + asked, 1400});
  }
  void send_until(int64_t ns) {
    for (; !planned_.empty() && planned_.top().ns < ns; planned_.pop()) send(planned_.top());
  }

 private:
  void send(const Planned& p) {
    test::Ip ip{
        .source = p.toward_server ? p.client : p.server, .destination = p.toward_server ? p.server : p.client, .ttl = 128};
    ip.id = static_cast<uint16_t>(++ids_[p.toward_server]);
    test::Tcp tcp{.source_port = p.toward_server ? p.port : uint16_t{8080},
                  .destination_port = p.toward_server ? uint16_t{8080} : p.port,
                  .seq = p.seq,
                  .ack = p.ack,
                  .flags = p.flags};
    payload_.resize(p.length, 'x');
    test::Frame frame = test::tcp_frame(ip, tcp, payload_);
    const auto wire = static_cast<uint32_t>(frame.size());
    frame.resize(wire - p.length);
    captures_.packet(p.ns, p.toward_server, frame, wire);
  }

  const Address kClient = test::address("10.0.0.1"), kServer = test::address("10.0.0.2");
  Captures& captures_;
  std::priority_queue<Planned> planned_;
  std::vector<uint8_t> payload_;
  uint32_t ids_[2]{};
};

std::string run(AnalyzeOptions& options) {
  test::AnalyzeOutcome outcome = test::analyze_outcome(options);
  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  std::string& text = outcome.out;
  std::replace(text.begin(), text.end(), '\n', ' ');
  for (size_t at; (at = text.find("  ")) != text.npos;) text.erase(at, 1);
  return text;
}

TEST(LargeCaptures, ASaturatedServerAmongOthers) {
  const TemporaryDirectory directory;
  AnalyzeOptions options;
  options.points = {"web=" + directory.path() + "/web.pcap", "content=" + directory.path() + "/content.pcap"};
  {
    Captures captures(directory.path() + "/web.pcap", directory.path() + "/content.pcap");
    Plan plan(captures);
    uint16_t port = 1024;
    for (int second = 0; second < kSeconds; ++second) {
      const int refused = kRefusedMore * (second / kSteadySeconds);
      const int attempts = kAccepted + refused;
      for (int i = 0; i < attempts; ++i) {
        const int64_t ns = second * 1'000'000'000LL + i * (1'000'000'000LL / attempts);
        plan.connection(ns, port, i * kAccepted / attempts != (i + 1) * kAccepted / attempts);
        port = port == 65535 ? uint16_t{1024} : static_cast<uint16_t>(port + 1);
      }
      for (int stream = 0; stream < kStreams; ++stream) {
        const int each = kStreamPackets / 2 / kSeconds;
        for (int i = 0; i < each; ++i)
          plan.exchange(second * 1'000'000'000LL + stream * 20'000 + i * (990'000'000LL / each), stream, second * each + i);
      }
      plan.send_until((second + 1) * 1'000'000'000LL - 100'000'000);
    }
    plan.send_until(int64_t{kSeconds + 10} * 1'000'000'000);
    EXPECT_GE(captures.packets(), 2'650'000u);
    std::printf("%lu packets at each point\n", static_cast<unsigned long>(captures.packets()));
  }
  const auto before = std::chrono::steady_clock::now();
  const std::string text = run(options);
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
  std::printf("analysed in %.1f s\n", took);
  EXPECT_LT(took, 60) << "it is to take seconds";
  EXPECT_LT(text.size(), 12'000u) << "a report that one reads";
  EXPECT_THAT(text, HasSubstr("The server 10.0.0.2:8080 beyond content accepts no more than about 100 connections a second:"));
  EXPECT_THAT(text, HasSubstr("It began 90.0 s after the first connection."));
  options.filter = "host 10.2.0.9 and host 10.1.0.7";
  const std::string narrowed = run(options);
  EXPECT_THAT(narrowed, Not(HasSubstr("10.0.0.2")));
  EXPECT_THAT(narrowed, HasSubstr("1 connection"));
}

}  // namespace
}  // namespace parallax
