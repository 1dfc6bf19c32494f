// `parallax status --watch`: repeats on a pipe, redraws on a terminal, ends with Ctrl-C, and says when the daemon goes away and
// comes back.
#include <gmock/gmock.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>

#include <memory>
#include <thread>

#include "tests/support/daemon_fixture.h"

namespace parallax::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// On a busy machine the first answer takes a while.
void wait_until_told(ChildProcess& client, const std::string& part, size_t times) {
  const auto until = std::chrono::steady_clock::now() + kStartTimeout;
  while (count_of(client.out(), part) < times && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(20ms);
}

class StatusWatchTest : public DaemonTest {
 protected:
  std::vector<std::string> watch(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{program("parallax"), "status", "--target", "unix:" + socket_, "--watch", "--interval", "0.2"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::string config() const { return write_config("a", file_ports(), spool()); }
  static bool is_ready(ChildProcess& daemon) { return daemon.wait_for_error_text("is ready", kStartTimeout); }
};

TEST_F(StatusWatchTest, OnAPipeOneStatusFollowsTheOtherUntilCtrlC) {
  ChildProcess daemon({program("parallaxd"), "--config", config()});
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  for (const int signal : {SIGINT, SIGTERM}) {
    ChildProcess client(watch());
    wait_until_told(client, "A SECOND, OVER 2", 2);
    client.signal(signal);
    EXPECT_EQ(client.wait(5s), 0);
    const std::string out = client.out();
    EXPECT_GE(count_of(out, "Sensor edge-1, parallaxd "), 3u) << out;
    EXPECT_GE(count_of(out, "A SECOND, OVER 2"), 2u) << out;
    EXPECT_THAT(out, testing::ContainsRegex("capture tap0 +0 +0 B/s +0"));
    EXPECT_THAT(out, testing::ContainsRegex("spool +0 "));
    EXPECT_THAT(out, Not(HasSubstr("\x1b")));
    EXPECT_EQ(client.err(), "");
  }
}

TEST_F(StatusWatchTest, InJsonEachIsALine) {
  ChildProcess daemon({program("parallaxd"), "--config", config()});
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  ChildProcess client(watch({"--format", "json"}));
  wait_until_told(client, "{\"sensor\":\"edge-1\"", 3);
  client.signal(SIGINT);
  EXPECT_EQ(client.wait(5s), 0);
  const std::string out = client.out();
  EXPECT_GE(count_of(out, "{\"sensor\":\"edge-1\""), 3u) << out;
  EXPECT_EQ(count_of(out, "{\"sensor\":\"edge-1\""), count_of(out, "\n"));
}

TEST_F(StatusWatchTest, ADaemonThatGoesAwayIsWaitedForAndSaid) {
  const std::vector<std::string> start{program("parallaxd"), "--config", config()};
  auto daemon = std::make_unique<ChildProcess>(start);
  ASSERT_TRUE(is_ready(*daemon)) << daemon->err();
  ChildProcess client(watch());
  wait_until_told(client, "Sensor edge-1", 1);
  daemon->signal(SIGKILL);
  ASSERT_TRUE(client.wait_for_error_text("no parallaxd answers at unix:" + socket_, 10s)) << client.err();
  daemon = std::make_unique<ChildProcess>(start);
  ASSERT_TRUE(client.wait_for_error_text("parallaxd answers again", kStartTimeout)) << client.err();
  ASSERT_TRUE(client.wait_for_error_text("parallaxd was started anew at ", 5s)) << client.err();
  client.signal(SIGINT);
  EXPECT_EQ(client.wait(5s), 0);
  EXPECT_EQ(count_of(client.err(), "no parallaxd answers"), 1u) << "once";
}

TEST_F(StatusWatchTest, ADaemonThatIsNotThereAtFirstIsAnError) {
  ChildProcess client(watch());
  EXPECT_EQ(client.wait(10s), 1);
  EXPECT_THAT(client.err(), StartsWith("parallax: no parallaxd answers at unix:" + socket_));
  ChildProcess without({program("parallax"), "status", "--interval", "1"});
  EXPECT_EQ(without.wait(10s), 2);
  EXPECT_THAT(without.err(), HasSubstr("--interval requires --watch"));
}

TEST_F(StatusWatchTest, ATerminalIsClearedOnceAndThenDrawnOver) {
  ChildProcess daemon({program("parallaxd"), "--config", config()});
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  std::string screen;
  int terminal = -1;
  const winsize size{12, 60, 0, 0};
  const pid_t client = ::forkpty(&terminal, nullptr, nullptr, &size);
  if (client == 0) {
    const std::vector<std::string> words = watch();
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  bool is_told = false;
  for (const auto until = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < until;) {
    pollfd readable{terminal, POLLIN, 0};
    char buffer[4096];
    if (::poll(&readable, 1, 100) == 1) {
      const ssize_t got = ::read(terminal, buffer, sizeof buffer);
      if (got <= 0) break;
      screen.append(buffer, static_cast<size_t>(got));
    }
    if (!is_told && count_of(screen, "\x1b[J") >= 3) is_told = ::write(terminal, "\x03", 1) == 1;  // Ctrl-C
  }
  int status = -1;
  ::waitpid(client, &status, 0);
  ::close(terminal);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << screen;
  EXPECT_EQ(count_of(screen, "\x1b[H\x1b[2J"), 1u) << screen;
  EXPECT_GE(count_of(screen, "\x1b[H"), 4u);
  // No more lines than there are, and none is longer.
  const size_t first = screen.find("\x1b[J"), second = screen.find("\x1b[J", first + 1);
  EXPECT_LE(count_of(screen.substr(first, second - first), "\n"), 11u);
  for (size_t at = 0; at < screen.size();) {
    const size_t end = std::min(screen.find('\n', at), screen.size());
    EXPECT_LE(end - at, 60u + 20) << screen.substr(at, end - at);
    at = end + 1;
  }
}

}  // namespace
}  // namespace parallax::test
