// PCAP-over-IP: `parallax slice --listen` serves a slice to whoever connects, the real tshark among them, ends with a status that
// is true, and says of each reader what it was given.
#include <gmock/gmock.h>
#include <signal.h>

#include <thread>

#include "daemon/client/slice_readers.h"
#include "tests/support/nat_daemon_fixture.h"

namespace parallax {
namespace {

using namespace std::chrono_literals;
using test::ChildProcess;
using test::free_port;
using test::kStartTimeout;
using test::program;
using test::text_of_file;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// One that connects to 127.0.0.1, and reads as slowly as the test likes.
class Reader {
 public:
  explicit Reader(int port, int buffer_bytes = 0) : handle_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (buffer_bytes > 0) ::setsockopt(handle_, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(handle_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Reader() { ::close(handle_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  bool connected() const { return connected_; }
  // Until the end, or so many.
  std::string read(size_t bytes = SIZE_MAX) {
    std::string all;
    char buffer[4096];
    ssize_t count = 0;
    while (all.size() < bytes && (count = ::recv(handle_, buffer, sizeof buffer, 0)) > 0)
      all.append(buffer, static_cast<size_t>(count));
    was_reset_ = count < 0;
    return all;
  }
  bool was_reset() const { return was_reset_; }

 private:
  int handle_;
  bool connected_ = false, was_reset_ = false;
};

class SliceReadersTest : public test::NatDaemonTest {
 protected:
  static constexpr const char* kFlood = "2023-11-14T23:13:20Z";
  // Some megabytes of one time.
  std::string ports_with_flood() const {
    std::vector<test::Timed> packets(80'000, {test::kStartSeconds + 3600, test::syn()});
    for (const char* name : {"flood0", "flood1"}) write_pcap(directory_ / (std::string(name) + ".pcap"), packets);
    return "ports:\n  - { name: tap0, point: outside, source: \"file:" + (directory_ / "flood0.pcap") +
           "\", direction: toward_inside }\n  - { name: tap2, point: inside, source: \"file:" + (directory_ / "flood1.pcap") +
           "\", direction: toward_inside }\n";
  }
  // `more`: further keys of the API's section, each with a comma.
  std::string flood_config(const std::string& more = "") const {
    const std::string config = write_config("flood", ports_with_flood(), spool());
    std::string text = text_of_file(config);
    const std::string api = "api: { ";
    std::ofstream(config) << text.replace(text.find(api), api.size(), api + more);
    return config;
  }
  static bool has_flood(ChildProcess& daemon) {
    const bool ready = daemon.wait_for_error_text("all files have been worked off", kStartTimeout);
    usleep(600'000);
    return ready;
  }
  std::vector<std::string> slice(std::vector<std::string> more, int port) const {
    std::vector<std::string> all{program("parallax"), "slice", "--target", "unix:" + socket_, "--listen", std::to_string(port)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::vector<std::string> slice_of_flood(int port, std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--from", "2023-11-14T23:13:10Z", "--to", "2023-11-14T23:13:30Z"});
    return slice(more, port);
  }
  std::string packets_of(const std::string& file) const {
    return run("tshark -n -r '" + file +
               "' -T fields -e frame.time_epoch -e frame.interface_name -e frame.packet_id -e frame.comment "
               "-e frame.len -e ip.src -e tcp.seq_raw")
        .output;
  }
  static std::string at(int port) { return "127.0.0.1:" + std::to_string(port); }
  static bool listens(ChildProcess& client) { return client.wait_for_error_text("listening on", kStartTimeout); }

  const int port_ = free_port();
};

TEST_F(SliceReadersTest, TsharkReadsTheSliceFromTheConnection) {
  NEEDS_COMMAND("tshark");
  ChildProcess daemon = start();
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  const std::string id = finding_id(), file = directory_ / "slice.pcapng", capture = directory_ / "capture.pcapng";
  ASSERT_EQ(ask({"slice", "--finding", id, "-o", file}), 0);
  ChildProcess client(slice({"--finding", id}, port_));
  ASSERT_TRUE(listens(client)) << client.err();
  const CommandResult tshark = run_at_home("timeout 30 tshark -i TCP@" + at(port_) + " -w '" + capture + "'");
  EXPECT_EQ(tshark.status, 0) << tshark.errors;
  EXPECT_EQ(client.wait(20s), 0) << client.err();
  EXPECT_EQ(packets_of(capture), packets_of(file));
  EXPECT_THAT(packets_of(capture), HasSubstr("parallax: lost in device"));
  EXPECT_THAT(client.err(),
              StartsWith("parallax: listening on " + at(port_) + ": for example `wireshark -k -i TCP@" + at(port_) + "`\n"));
  EXPECT_THAT(client.err(), HasSubstr("parallax: 21 packets (outside 11, inside 10)"));
  EXPECT_THAT(client.err(), HasSubstr(" reads the slice\n"));
  EXPECT_THAT(client.err(), HasSubstr(" has the whole slice: "));
  EXPECT_THAT(client.err(), HasSubstr("parallax: 1 of 1 readers had the whole slice\n"));
  EXPECT_EQ(client.out(), "");
}

TEST_F(SliceReadersTest, EveryReaderHasTheSliceFromItsBeginningToTheByte) {
  ChildProcess daemon({program("parallaxd"), "--config", flood_config()});
  ASSERT_TRUE(has_flood(daemon)) << daemon.err();
  const std::string file = directory_ / "slice.pcapng";
  ASSERT_EQ(ask({"slice", "--from", "2023-11-14T23:13:10Z", "--to", "2023-11-14T23:13:30Z", "-o", file}), 0);
  const std::string whole = text_of_file(file);
  ASSERT_GT(whole.size(), 8u << 20);
  ChildProcess client(slice_of_flood(port_, {"--readers", "3"}));
  ASSERT_TRUE(listens(client)) << client.err();
  std::string first, second;
  std::thread one([&] { first = Reader(port_).read(); }), other([&] { second = Reader(port_).read(); });
  one.join(), other.join();
  EXPECT_TRUE(first == whole);
  EXPECT_TRUE(second == whole);
  EXPECT_EQ(client.wait(300ms), -1) << "it waits for the third";
  EXPECT_TRUE(Reader(port_).read() == whole);
  EXPECT_EQ(client.wait(20s), 0);
  EXPECT_THAT(client.err(), HasSubstr("parallax: 3 of 3 readers had the whole slice\n"));
  EXPECT_FALSE(Reader(port_).connected());
}

TEST_F(SliceReadersTest, AReaderThatGoesAwayIsToldAndCostsTheOthersNothing) {
  ChildProcess daemon({program("parallaxd"), "--config", flood_config()});
  ASSERT_TRUE(has_flood(daemon)) << daemon.err();
  ChildProcess client(slice_of_flood(port_, {"--readers", "2"}));
  ASSERT_TRUE(listens(client)) << client.err();
  EXPECT_GE(Reader(port_).read(4096).size(), 4096u);
  EXPECT_GT(Reader(port_).read().size(), 8u << 20);
  EXPECT_EQ(client.wait(20s), 1);
  EXPECT_THAT(client.err(), HasSubstr(" went away, after "));
  EXPECT_THAT(client.err(),
              HasSubstr("parallax: 1 of 2 readers had the whole slice\nparallax: not every reader had the whole slice\n"));
}

TEST_F(SliceReadersTest, AReaderThatTakesNothingIsCutOffAfterAWhileAndHoldsNobodyUp) {
  ChildProcess daemon({program("parallaxd"), "--config", flood_config()});
  ASSERT_TRUE(has_flood(daemon)) << daemon.err();
  ClientOutcome outcome;
  ClientOptions options;
  options.target = "unix:" + socket_;
  const auto client = SensorClient::make(options, outcome);
  v1::PullSliceRequest request;
  request.mutable_time_range()->mutable_from()->set_seconds(test::kStartSeconds + 3590);
  request.mutable_time_range()->mutable_to()->set_seconds(test::kStartSeconds + 3610);
  const std::string said = directory_ / "said";
  std::FILE* const err = std::fopen(said.c_str(), "w");
  std::thread serving([&] { outcome = serve_slice(*client, request, {at(port_), 2, 2s}, err); });
  while (text_of_file(said).find("listening") == std::string::npos) std::this_thread::sleep_for(10ms);
  const Reader slow(port_, 4096);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_GT(Reader(port_).read().size(), 8u << 20);
  serving.join();
  EXPECT_GE(std::chrono::steady_clock::now() - before, 1900ms);
  std::fclose(err);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(text_of_file(said), HasSubstr(" has taken nothing for 2 s and was cut off, after "));
  EXPECT_THAT(text_of_file(said), HasSubstr("parallax: 1 of 2 readers had the whole slice\n"));
}

TEST_F(SliceReadersTest, WhereTheDaemonGoesAwayReadersHearAResetAndNotTheEnd) {
  ChildProcess daemon({program("parallaxd"), "--config", flood_config("limits: { slice_rate: 1MiB }, ")});
  ASSERT_TRUE(has_flood(daemon)) << daemon.err();
  ChildProcess client(slice_of_flood(port_));
  ASSERT_TRUE(listens(client)) << client.err();
  Reader reader(port_);
  ASSERT_GE(reader.read(4096).size(), 4096u);
  daemon.signal(SIGKILL);
  reader.read();
  EXPECT_TRUE(reader.was_reset());
  EXPECT_EQ(client.wait(20s), 1);
  EXPECT_THAT(client.err(), HasSubstr(" was cut off: the slice is not whole\n"));
  EXPECT_THAT(client.err(), HasSubstr("parallax: no parallaxd answers at unix:" + socket_));
  EXPECT_THAT(client.err(), HasSubstr("(1 readers were given its beginning)"));
}

TEST_F(SliceReadersTest, WhatIsRefusedIsToldBeforeAReaderComes) {
  ChildProcess daemon = start();
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  const auto expect = [&](std::vector<std::string> arguments, int code, const std::string& words) {
    ChildProcess client(arguments);
    EXPECT_EQ(client.wait(10s), code) << client.err();
    EXPECT_THAT(client.err(), HasSubstr(words));
  };
  expect(slice({"--finding", "999"}, port_), 1, "parallax: there is no finding 999");
  expect(slice({"--finding", "1", "--filter", "prot"}, port_), 2, "prot");
  const int taken = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(taken, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(taken, 1), 0);
  ::getsockname(taken, reinterpret_cast<sockaddr*>(&address), &length);
  const int port = ntohs(address.sin_port);
  expect(slice({"--finding", "1"}, port), 1, "parallax: cannot listen on " + at(port) + ": Address already in use\n");
  ::close(taken);
  for (const char* wrong : {"localhost:57012", "57012x", "127.0.0.1", "127.0.0.1:70000", "::1:57012", ":57012"}) {
    ChildProcess client({program("parallax"), "slice", "--finding", "1", "--listen", wrong});
    EXPECT_EQ(client.wait(10s), 2) << wrong;
    EXPECT_THAT(client.err(), HasSubstr(std::string("--listen ") + wrong + ": want a port, or ADDRESS:PORT")) << wrong;
  }
  expect(slice({"--finding", "1", "-o", "x"}, port_), 2, "--output excludes --listen");
  expect({program("parallax"), "slice", "--finding", "1", "--readers", "2"}, 2, "--readers requires --listen");
}

TEST_F(SliceReadersTest, AnAddressThatOthersReachIsSaidToBeOpen) {
  ChildProcess daemon = start();
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  ChildProcess client(
      {program("parallax"), "slice", "--target", "unix:" + socket_, "--finding", finding_id(), "--listen", "0.0.0.0:0"});
  EXPECT_TRUE(client.wait_for_error_text("whoever reaches that address is given the packets, unencrypted", kStartTimeout))
      << client.err();
  EXPECT_THAT(client.err(), Not(HasSubstr("0.0.0.0:0:"))) << "the port that it got is told";
}

TEST_F(SliceReadersTest, CtrlCEndsItWithTheStatusOfWhatWasDone) {
  ChildProcess daemon = start();
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  {
    ChildProcess client(slice({"--finding", finding_id()}, port_));
    ASSERT_TRUE(listens(client)) << client.err();
    client.signal(SIGINT);
    EXPECT_EQ(client.wait(10s), 1);
    EXPECT_THAT(client.err(), HasSubstr("parallax: 0 of 1 readers had the whole slice\n"));
  }
  ChildProcess client(slice({"--finding", finding_id(), "--readers", "0"}, port_));
  ASSERT_TRUE(listens(client)) << client.err();
  EXPECT_FALSE(Reader(port_).read().empty());
  EXPECT_FALSE(Reader(port_).read().empty());
  ASSERT_TRUE(client.wait_for_error_text("has the whole slice", kStartTimeout));
  std::this_thread::sleep_for(300ms);
  client.signal(SIGTERM);
  EXPECT_EQ(client.wait(10s), 0) << client.err();
  EXPECT_THAT(client.err(), HasSubstr("parallax: 2 of 2 readers had the whole slice\n"));
}

}  // namespace
}  // namespace parallax
