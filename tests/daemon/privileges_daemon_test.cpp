// What a running daemon may still do, thread by thread, however it was started; and that what it has to do goes on.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "daemon/run/every_thread.h"
#include "daemon/run/syscall_filter.h"
#include "tests/support/command.h"
#include "tests/support/daemon_fixture.h"

namespace parallax {
namespace {

using namespace std::chrono_literals;
using test::ChildProcess;
using test::has;
using test::kStartTimeout;
using test::kStopTimeout;
using test::program;

constexpr const char* kNobody = "65534";
// As systemd does it with User= and AmbientCapabilities=.
constexpr const char* kWithCapabilities =
    "setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all,+net_raw,+net_admin "
    "--inh-caps +net_raw,+net_admin --ambient-caps +net_raw,+net_admin";
constexpr const char* kNone = "0000000000000000";

// Two interfaces, which are the ends of a pair, in a network of the daemon's own: one by libpcap, one by DPDK's af_packet.
class PrivilegesTest : public test::DaemonTest {
 protected:
  void SetUp() override {
    if (!kEveryThreadAnswers) GTEST_SKIP() << "builds with ThreadSanitizer have no sandbox";
    if (::geteuid() != 0) GTEST_SKIP() << "has privileges to drop: run as root";
    for (const char* const command : {"unshare", "nsenter", "setpriv", "prlimit", "ip"}) {
      if (!have_command(command)) GTEST_SKIP() << "needs " << command;
    }
    // The daemon's files are to be the user's.
    ASSERT_EQ(::chown(directory_.path().c_str(), 65534, 65534), 0);
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
  }

  // A ring of 2 MiB: whoever is not root may lock 8 MiB, where no limit is set (the unit has none).
  std::string ring_ = ",blocksz=65536,framesz=2048,framecnt=1024";
  static constexpr const char* kMakeLink =
      "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up && ip link set lo up";

  std::string write(const std::string& service) const {
    return write_config("a",
                        "ports:\n  - { name: tap0, point: outside, source: \"pcap:v0\" }\n"
                        "  - { name: tap1, point: inside, source: \"dpdk:net_af_packet0,iface=v1" +
                            ring_ + "\" }\n",
                        spool() + "limits: { mbufs: 8191 }\neal: { memory_mib: 256 }\n" + service);
  }
  // `ahead`: what the daemon is started by.
  ChildProcess start(const std::string& config, const std::string& ahead = "") const {
    return ChildProcess(
        {"unshare", "--net", "sh", "-c",
         std::string(kMakeLink) + " && exec " + ahead + " '" + program("parallaxd") + "' --config '" + config + "'"});
  }
  static CommandResult in_network_of(ChildProcess& daemon, const std::string& command) {
    return run("nsenter -t " + std::to_string(daemon.pid()) + " --net sh -c '" + command + "'");
  }
  static bool reads(ChildProcess& daemon, const std::string& text) { return daemon.wait_for_error_text(text, kStartTimeout); }

  uint64_t packets_of_tap0() const {
    std::string out;
    EXPECT_EQ(ask({"status", "--format", "json"}, &out), 0);
    const size_t port = out.find("\"tap0\""), place = out.find("\"packets\":", port);
    return port == std::string::npos ? 0 : std::stoull(out.substr(place + 10));
  }
  // Datagrams to nobody.
  bool sees_packets(ChildProcess& daemon) const {
    const uint64_t before = packets_of_tap0();
    for (int i = 0; i < 50; ++i) {
      in_network_of(daemon,
                    "ip link set v1 arp off; ip addr replace 192.0.2.1/24 dev v1; bash -c \"echo > /dev/udp/192.0.2.2/9\"");
      if (packets_of_tap0() > before) return true;
      std::this_thread::sleep_for(100ms);
    }
    return false;
  }
  void stop(ChildProcess& daemon) const {
    daemon.signal(SIGTERM);
    EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
    EXPECT_FALSE(std::filesystem::exists(socket_)) << "its directory is the user's";
  }
};

struct ThreadStatus {
  std::string name;
  std::map<std::string, std::string> values;  // of /proc/PID/task/TID/status
};

std::vector<ThreadStatus> threads_of(pid_t process) {
  std::vector<ThreadStatus> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
    std::ifstream file(entry.path() / "status");
    ThreadStatus thread;
    for (std::string key, value; file >> key && std::getline(file >> std::ws, value);) thread.values[key] = value;
    thread.name = thread.values["Name:"];
    all.push_back(thread);
  }
  return all;
}

void expect_nothing_left(pid_t process) {
  const std::vector<ThreadStatus> threads = threads_of(process);
  bool of_dpdk = false;
  for (ThreadStatus thread : threads) {
    of_dpdk = of_dpdk || thread.name.starts_with("eal-");
    for (const char* const key : {"Uid:", "Gid:"}) {
      EXPECT_EQ(thread.values[key], std::string(kNobody) + "\t" + kNobody + "\t" + kNobody + "\t" + kNobody) << thread.name;
    }
    for (const char* const key : {"CapInh:", "CapPrm:", "CapEff:", "CapAmb:"})
      EXPECT_EQ(thread.values[key], kNone) << thread.name << ' ' << key;
    EXPECT_EQ(thread.values["NoNewPrivs:"], "1") << thread.name;
    EXPECT_EQ(thread.values["Seccomp:"], kHasSyscallFilter ? "2" : "0") << thread.name;
  }
  EXPECT_GT(threads.size(), 5u) << "DPDK's, gRPC's, those of the metrics and of the packets";
  EXPECT_TRUE(of_dpdk) << "made before anything was dropped";
}

TEST_F(PrivilegesTest, RootBecomesAPlainUserOnAllThreads) {
  ChildProcess daemon = start(write("service: { user: nobody }\n"));
  ASSERT_TRUE(reads(daemon, "is ready")) << daemon.err();
  EXPECT_TRUE(has(daemon.err(), "privileges: user nobody (65534), no capabilities")) << daemon.err();
  expect_nothing_left(daemon.pid());
  for (ThreadStatus thread : threads_of(daemon.pid())) EXPECT_EQ(thread.values["CapBnd:"], kNone) << thread.name;

  EXPECT_TRUE(sees_packets(daemon)) << daemon.err();
  daemon.signal(SIGHUP);
  EXPECT_TRUE(reads(daemon, "a.yaml is in effect")) << daemon.err();
  struct stat file {};
  for (const auto& entry : std::filesystem::directory_iterator(directory_ / "spool")) {
    ASSERT_EQ(::stat(entry.path().c_str(), &file), 0);
    EXPECT_EQ(file.st_uid, 65534u) << entry.path();
  }
  EXPECT_EQ(ask({"slice", "--from", "1m", "-o", directory_ / "slice.pcapng"}), 0);
  stop(daemon);
}

TEST_F(PrivilegesTest, AmbientCapabilitiesAreGivenUpOnAllThreads) {
  ChildProcess daemon = start(write("service: { user: nobody }\n"), kWithCapabilities);
  ASSERT_TRUE(reads(daemon, "is ready")) << daemon.err();
  expect_nothing_left(daemon.pid());
  EXPECT_TRUE(sees_packets(daemon)) << daemon.err();
  stop(daemon);
}

// To open another socket would need what was given up.
TEST_F(PrivilegesTest, InterfaceThatIsMadeAnewIsCapturedFromAgain) {
  ChildProcess daemon = start(write("service: { user: nobody }\n"));
  ASSERT_TRUE(reads(daemon, "is ready")) << daemon.err();
  ASSERT_TRUE(sees_packets(daemon)) << daemon.err();
  in_network_of(daemon, "ip link del v0");
  std::this_thread::sleep_for(500ms);
  const CommandResult made = in_network_of(daemon, kMakeLink);
  ASSERT_EQ(made.status, 0) << made.errors;
  EXPECT_TRUE(sees_packets(daemon)) << daemon.err();
  EXPECT_FALSE(has(daemon.err(), "cannot be opened again")) << daemon.err();
  stop(daemon);
}

TEST_F(PrivilegesTest, SandboxCanBeTurnedOff) {
  ChildProcess daemon = start(write("service: { user: nobody, sandbox: false }\n"));
  ASSERT_TRUE(reads(daemon, "is ready")) << daemon.err();
  EXPECT_TRUE(has(daemon.err(), "all system calls")) << daemon.err();
  for (ThreadStatus thread : threads_of(daemon.pid())) {
    EXPECT_EQ(thread.values["Seccomp:"], "0") << thread.name;
    EXPECT_EQ(thread.values["CapEff:"], kNone) << thread.name;
  }
  stop(daemon);
}

TEST_F(PrivilegesTest, UnprivilegedStartSaysWhatItNeeds) {
  ChildProcess daemon = start(write("service: { user: nobody }\n"),
                              "setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps -all --bounding-set -all");
  EXPECT_EQ(daemon.wait(kStartTimeout), 1) << daemon.err();
  EXPECT_TRUE(has(daemon.err(), "no permission to capture: root or CAP_NET_RAW is needed")) << daemon.err();
  EXPECT_TRUE(has(daemon.err(), "port tap1: net_af_packet needs CAP_NET_RAW")) << daemon.err();
}

TEST_F(PrivilegesTest, MemoryThatMayNotBeLockedIsSaid) {
  ring_.clear();  // 32 MiB
  ChildProcess daemon =
      start(write("service: { user: nobody }\n"), "prlimit --memlock=8388608:8388608 " + std::string(kWithCapabilities));
  EXPECT_EQ(daemon.wait(kStartTimeout), 1) << daemon.err();
  EXPECT_TRUE(has(daemon.err(), "port tap1: only 8192 KiB of memory may be locked")) << daemon.err();
}

}  // namespace
}  // namespace parallax
