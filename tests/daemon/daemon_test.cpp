// The real programs: parallaxd on files and on a virtual device, asked over HTTP and by `parallax`, stopped by a signal.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "tests/support/daemon_fixture.h"

namespace parallax {
namespace {

using namespace std::chrono_literals;
using test::ChildProcess;
using test::DaemonTest;
using test::free_port;
using test::has;
using test::http_get;
using test::kStartTimeout;
using test::kStopTimeout;
using test::program;
using test::sample;

TEST_F(DaemonTest, AnalysesFilesAnswersAndStopsInOrder) {
  ChildProcess daemon({program("parallaxd"), "--config", write_config("a", file_ports(), spool())});
  ASSERT_TRUE(daemon.wait_for_error_text("all files have been worked off", kStartTimeout)) << daemon.err();
  EXPECT_TRUE(daemon.wait_for_error_text("syn_unanswered", 2s)) << daemon.err();

  const std::string page = http_get(metrics_port_, "/metrics");
  EXPECT_EQ(sample(page, "parallax_packets_total{point=\"outside\",port=\"tap0\"}"), 4) << page;
  EXPECT_EQ(
      sample(page, "parallax_findings_total{kind=\"syn_unanswered\",where=\"between outside and inside\",severity=\"warning\"}"),
      1);

  std::string out, err;
  EXPECT_EQ(ask({"status"}, &out), 0);
  EXPECT_TRUE(has(out, "edge-1") && has(out, "tap0")) << out;
  EXPECT_EQ(ask({"status", "--format", "json"}, &out), 0);
  EXPECT_TRUE(out.starts_with("{\"sensor\":\"edge-1\"")) << out;
  EXPECT_EQ(ask({"findings"}, &out), 0);
  EXPECT_TRUE(has(out, "syn_unanswered") && has(out, "between outside and inside")) << out;
  EXPECT_EQ(ask({"findings", "--format", "json", "--kind", "syn_unanswered"}, &out), 0);
  EXPECT_TRUE(out.starts_with("{\"finding\":{\"id\":")) << out;
  EXPECT_EQ(ask({"findings", "--kind", "no_such"}, &out, &err), 2);
  EXPECT_EQ(ask({"connections"}, &out), 0);
  EXPECT_TRUE(has(out, "192.0.2.1:40000") && has(out, "unanswered")) << out;
  EXPECT_EQ(ask({"devices"}, &out), 0);
  EXPECT_EQ(ask({"slice"}, &out, &err), 2);
  EXPECT_EQ(ask({"slice", "--finding", "999999"}, &out, &err), 1);
  EXPECT_TRUE(has(err, "there is no finding 999999")) << err;

  const auto before = std::chrono::steady_clock::now();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
  EXPECT_LT(std::chrono::steady_clock::now() - before, kStopTimeout);
  const std::string log = daemon.err();
  for (const char* stage : {"port tap0: 4 packets", "analysis: ", "spool: ", "api: ", "stopped"})
    EXPECT_TRUE(has(log, stage)) << stage << log;
  EXPECT_LT(log.find("port tap0: "), log.find("analysis: "));
  EXPECT_LT(log.find("analysis: "), log.find("spool: "));
  EXPECT_FALSE(std::filesystem::exists(socket_));
  EXPECT_EQ(ask({"status"}, &out, &err), 1);
  EXPECT_TRUE(has(err, "no parallaxd answers")) << err;
}

TEST_F(DaemonTest, FindingsAndConnectionsAreChosenByEndsTimeAndNumber) {
  ChildProcess daemon({program("parallaxd"), "--config", write_config("a", file_ports())});
  ASSERT_TRUE(daemon.wait_for_error_text("syn_unanswered", kStartTimeout)) << daemon.err();
  std::string out, err;
  // 192.0.2.1:40000 to 198.51.100.2:443, from 2023-11-14T22:13:20Z on.
  ASSERT_EQ(ask({"connections"}, &out), 0);
  const std::string server = "198.51.100.2";
  ASSERT_TRUE(has(out, "192.0.2.1:40000") && has(out, server + ":443")) << out;
  struct Case {
    std::vector<std::string> options;
    bool found;
  };
  const Case cases[] = {
      {{"--client", "192.0.2.0/24"}, true},
      {{"--client", server}, false},
      {{"--service", server + ":443"}, true},
      {{"--service", ":81"}, false},
      {{"--host", server}, true},
      {{"--host", "2001:db8::/32"}, false},
      {{"--port", "40000"}, true},
      {{"--port", "40001"}, false},
      {{"--from", "2023-11-14T22:13:20Z"}, true},
      {{"--from", "1d"}, false},
      {{"--to", "2023-11-14T22:13:19Z"}, false},
      {{"--from", "2023-11-14T22:13:00Z", "--to", "2023-11-14T22:14:00Z", "--client", "192.0.2.1", "-n", "1"}, true},
  };
  for (const auto& [command, none] : {std::pair("findings", "No findings.\n"), std::pair("connections", "No connections.\n")}) {
    for (const Case& one : cases) {
      std::vector<std::string> arguments{command};
      arguments.insert(arguments.end(), one.options.begin(), one.options.end());
      EXPECT_EQ(ask(arguments, &out, &err), 0) << err;
      EXPECT_EQ(out != none, one.found) << command << ' ' << one.options[0] << ' ' << one.options[1] << '\n' << out;
    }
    EXPECT_EQ(ask({command, "--client", "shop.example"}, &out, &err), 2);
    EXPECT_TRUE(err.starts_with("parallax: --client: \"shop.example\" is neither an address nor a prefix: want")) << err;
    EXPECT_EQ(ask({command, "--from", "yesterday"}, &out, &err), 2);
    EXPECT_EQ(err, "parallax: --from yesterday: want a time such as 2026-01-31T12:00:00Z, or an age such as 90s, 10m, 2h, 1d\n");
    for (const auto& [option, value] : {std::pair("--port", "0"), std::pair("--port", "65536"), std::pair("--number", "0"),
                                        std::pair("--number", "-1"), std::pair("--client", ""), std::pair("--from", "")})
      EXPECT_EQ(ask({command, option, value}, &out, &err), 2) << option << ' ' << value;
    EXPECT_EQ(ask({command, "-n", "0"}, &out, &err), 2);
    EXPECT_TRUE(has(err, "\"0\" is no number of them: want a whole number from 1\n")) << err;
  }
  EXPECT_EQ(ask({"findings", "--follow", "-n", "1"}, &out, &err), 2);
  EXPECT_EQ(ask({"findings", "--follow", "--service", "443"}, &out, &err), 2);
  EXPECT_TRUE(has(err, "--service: ")) << err;

  ChildProcess other({program("parallax"), "findings", "--follow", "--client", "192.0.2.2", "--target", "unix:" + socket_});
  ChildProcess same({program("parallax"), "findings", "--follow", "--client", "192.0.2.1", "--target", "unix:" + socket_});
  std::this_thread::sleep_for(1s);
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
  other.wait(kStopTimeout);
  same.wait(kStopTimeout);
  EXPECT_EQ(other.out(), "");
  EXPECT_TRUE(has(same.out(), "syn_unanswered")) << same.out();
}

TEST_F(DaemonTest, SliceOfAFindingIsAPcapng) {
  ChildProcess daemon({program("parallaxd"), "--config", write_config("a", file_ports(), spool())});
  ASSERT_TRUE(daemon.wait_for_error_text("syn_unanswered", kStartTimeout)) << daemon.err();
  std::string out, err;
  ASSERT_EQ(ask({"findings", "--format", "json", "--kind", "syn_unanswered"}, &out), 0);
  const std::string id = std::to_string(std::stoull(out.substr(out.find("\"id\":") + 5)));
  const std::string file = directory_ / "slice.pcapng";
  // The spool shows a packet a quarter of a second after it was seen.
  std::this_thread::sleep_for(600ms);
  ASSERT_EQ(ask({"slice", "--finding", id, "-o", file}, nullptr, &err), 0) << err;
  std::ifstream slice(file, std::ios::binary);
  uint32_t magic = 0;
  slice.read(reinterpret_cast<char*>(&magic), 4);
  EXPECT_EQ(magic, 0x0a0d0d0au);
  EXPECT_TRUE(daemon.wait_for_error_text("slice of finding " + id + " pulled by uid " + std::to_string(::getuid()), 2s))
      << daemon.err();

  EXPECT_EQ(ask({"slice", "--finding", id, "--filter", "tcp prot 443"}, nullptr, &err), 2);
  EXPECT_TRUE(has(err, "filter")) << err;
  EXPECT_EQ(ask({"slice", "--from", "1971-01-01T00:00:00Z", "--to", "1971-01-01T00:00:01Z"}, nullptr, &err), 1);
  EXPECT_TRUE(has(err, "hold")) << err;
  EXPECT_EQ(ask({"slice", "--from", "1971-01-01T00:00:01Z", "--to", "1971-01-01T00:00:00Z"}, nullptr, &err), 2);
  EXPECT_TRUE(has(err, "from (1971-01-01T00:00:01Z) is after to (1971-01-01T00:00:00Z)")) << err;
  EXPECT_EQ(ask({"slice", "--from", "2090-01-01T00:00:00Z"}, nullptr, &err), 2);
  EXPECT_TRUE(has(err, "--from 2090-01-01T00:00:00Z: is still to come; the spool has packets until now, 20")) << err;
  daemon.signal(SIGINT);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
}

TEST_F(DaemonTest, CapturesThroughDpdkAndStopsWhileBusy) {
  const std::string ports =
      "ports:\n  - { name: tap0, point: outside, source: \"dpdk:net_null0\" }\n"
      "limits: { mbufs: 8191 }\neal: { memory_mib: 256 }\n";
  ChildProcess daemon({program("parallaxd"), "--config", write_config("a", ports)});
  ASSERT_TRUE(daemon.wait_for_error_text("is ready", kStartTimeout)) << daemon.err();
  std::optional<double> packets;
  for (int i = 0; i < 50 && packets.value_or(0) == 0; ++i) {
    std::this_thread::sleep_for(50ms);
    packets = sample(http_get(metrics_port_, "/metrics"), "parallax_packets_total{point=\"outside\",port=\"tap0\"}");
  }
  EXPECT_GT(packets.value_or(0), 0);
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
  EXPECT_TRUE(has(daemon.err(), "stopped"));
}

TEST_F(DaemonTest, SecondDaemonIsRefusedForSocketMetricsAndSpool) {
  ChildProcess daemon({program("parallaxd"), "--config", write_config("a", file_ports(), spool())});
  ASSERT_TRUE(daemon.wait_for_error_text("is ready", kStartTimeout)) << daemon.err();

  std::string said = refusal(write_config("b", file_ports()), 1);
  EXPECT_TRUE(has(said, socket_) && has(said, "running already")) << said;

  const std::string c = directory_ / "c.yaml";
  std::ofstream(c) << "path: [outside, inside]\n"
                   << file_ports() << "api: { address: \"unix:" << directory_ / "c.sock"
                   << "\" }\n"
                   << "metrics: { address: \"127.0.0.1:" << metrics_port_ << "\" }\n";
  said = refusal(c, 1);
  EXPECT_TRUE(has(said, "metrics.address") && has(said, "Address already in use")) << said;

  const std::string d = directory_ / "d.yaml";
  std::ofstream(d) << "path: [outside, inside]\n"
                   << file_ports() << spool() << "api: { address: \"unix:" << directory_ / "d.sock"
                   << "\" }\n"
                   << "metrics: { address: \"127.0.0.1:" << free_port() << "\" }\n";
  said = refusal(d, 1);
  EXPECT_TRUE(has(said, directory_ / "spool")) << said;

  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
}

TEST_F(DaemonTest, PortThatDoesNotExistIsNamed) {
  const std::string pcap = "ports:\n  - { name: span0, point: outside, source: \"pcap:nosuch0\" }\n";
  std::string said = refusal(write_config("a", pcap), 1);
  EXPECT_TRUE(has(said, "span0") && has(said, "nosuch0")) << said;
  const std::string file = "ports:\n  - { name: span0, point: outside, source: \"file:/nonexistent.pcap\" }\n";
  said = refusal(write_config("b", file), 1);
  EXPECT_TRUE(has(said, "span0") && has(said, "/nonexistent.pcap")) << said;
  const std::string dpdk =
      "ports:\n  - { name: tap0, point: outside, source: \"dpdk:net_af_packet0,iface=nosuch0\" }\neal: { memory_mib: 256 }\n";
  said = refusal(write_config("c", dpdk), 1);
  EXPECT_TRUE(has(said, "tap0") && has(said, "nosuch0")) << said;
}

TEST_F(DaemonTest, SpoolThatCannotBeWrittenIsNamed) {
  const std::string said = refusal(write_config("a", file_ports(), "spool: { directory: /proc/nosuch, size: 256MiB }\n"), 1);
  EXPECT_TRUE(has(said, "/proc/nosuch")) << said;
}

TEST_F(DaemonTest, UnknownKeyIsRefusedWithItsPlace) {
  const std::string config = write_config("a", file_ports(), "metrix: { address: x }\n");
  const std::string said = refusal(config, 2);
  EXPECT_TRUE(has(said, config + ":8:1:") && has(said, "metrix")) << said;
}

TEST_F(DaemonTest, BadFilterIsRefusedBeforeAnythingIsOpened) {
  const std::string said = refusal(write_config("a", file_ports(), "filter: { analysis: \"tcp prot 80\" }\n"), 2);
  EXPECT_TRUE(has(said, "filter.analysis")) << said;
}

TEST_F(DaemonTest, ConfigurationIsCheckedAndPrinted) {
  const std::string config = write_config("a", file_ports());
  ChildProcess check({program("parallaxd"), "--config", config, "--check-config"});
  EXPECT_EQ(check.wait(kStartTimeout), 0) << check.err();
  ChildProcess print({program("parallaxd"), "--config", config, "--print-config"});
  EXPECT_EQ(print.wait(kStartTimeout), 0) << print.err();
  EXPECT_TRUE(has(print.out(), "edge-1") && has(print.out(), "merge_wait_seconds")) << print.out();
  ChildProcess version({program("parallaxd"), "--version"});
  EXPECT_EQ(version.wait(kStartTimeout), 0);
  EXPECT_TRUE(version.out().starts_with("parallaxd "));
  EXPECT_EQ(ChildProcess({program("parallaxd")}).wait(kStartTimeout), 2);
  EXPECT_EQ(ChildProcess({program("parallaxd"), "--config", directory_ / "none.yaml"}).wait(kStartTimeout), 2);
  EXPECT_EQ(ChildProcess({program("parallaxd"), "--config", config, "--wrong"}).wait(kStartTimeout), 2);
}

// A packet thread that fails takes the daemon down in order, so that systemd starts it again: half a sensor would blame devices.
TEST_F(DaemonTest, StopsInOrderWhereAThreadFails) {
  ChildProcess daemon({program("parallaxd"), "--config", write_config("a", file_ports(), spool())},
                      {"PARALLAX_TEST_DROP=stage=thread,one_in=1"});
  EXPECT_EQ(daemon.wait(kStartTimeout), 1) << daemon.err();
  const std::string log = daemon.err();
  EXPECT_TRUE(has(log, "the test hook has failed this thread: stopping")) << log;
  for (const char* stage : {"analysis: ", "spool: ", "api: ", "stopped"}) EXPECT_TRUE(has(log, stage)) << stage << log;
}

// What systemd hears: ready, alive, stopping.
TEST_F(DaemonTest, TellsSystemdWhatItIsDoing) {
  const std::string path = directory_ / "notify";
  const int handle = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(handle, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  std::string heard;
  const auto hear = [&](const std::string& word) {
    for (int i = 0; i < 3000 && !has(heard, word); ++i) {
      char buffer[4096];
      for (ssize_t count = 0; (count = ::recv(handle, buffer, sizeof buffer, 0)) > 0;)
        heard.append(buffer, static_cast<size_t>(count)) += '\n';
      std::this_thread::sleep_for(10ms);
    }
    return has(heard, word);
  };
  ChildProcess daemon({program("parallaxd"), "--config", write_config("a", file_ports())},
                      {"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=1000000"});
  EXPECT_TRUE(hear("READY=1")) << daemon.err();
  EXPECT_TRUE(hear("WATCHDOG=1")) << daemon.err();
  EXPECT_TRUE(hear("STATUS=")) << daemon.err();
  daemon.signal(SIGTERM);
  EXPECT_TRUE(hear("STOPPING=1")) << daemon.err();
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
  ::close(handle);
}

// systemd-analyze ends with 0 even on keys that it does not know, but says so.
TEST_F(DaemonTest, SystemdUnitIsInOrder) {
  if (std::system("command -v systemd-analyze >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "needs systemd-analyze: apt-get install systemd";
  std::ifstream file(PARALLAX_SOURCE_DIR "/systemd/parallaxd.service");
  std::string unit{std::istreambuf_iterator<char>(file), {}};
  ASSERT_FALSE(unit.empty());
  const std::string installed = "/usr/bin/parallaxd";
  for (size_t at = 0; (at = unit.find(installed, at)) != std::string::npos;)
    unit.replace(at, installed.size(), program("parallaxd"));
  const std::string path = directory_ / "parallaxd.service";
  std::ofstream(path) << unit;
  ChildProcess verify({"systemd-analyze", "verify", "--man=no", path});
  EXPECT_EQ(verify.wait(20s), 0);
  EXPECT_EQ(verify.err() + verify.out(), "");
}

}  // namespace
}  // namespace parallax
