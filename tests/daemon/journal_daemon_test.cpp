// The daemon's log under systemd: a socket in the journal's place takes what it sends. Needs root, for a mount namespace of its
// own.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/daemon_fixture.h"

namespace parallax::test {
namespace {

using namespace std::chrono_literals;

// Standard error is the journal's, by what systemd says in JOURNAL_STREAM.
constexpr const char* kAsSystemd = R"(
  mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && mount --bind "$1" /run/systemd/journal || exit 77
  export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)
  exec "$2" --config "$3")";

class JournalTest : public DaemonTest {
 protected:
  using Fields = std::multiset<std::string>;  // "NAME=value"

  void SetUp() override {
    DaemonTest::SetUp();
    if (::geteuid() != 0 || ChildProcess({"unshare", "--mount", "true"}).wait(5s) != 0)
      GTEST_SKIP() << "needs root and mount namespaces";
    ::mkdir(journal_.c_str(), 0755);
  }
  void TearDown() override {
    if (socket_handle_ >= 0) ::close(socket_handle_);
  }
  void listen() {
    socket_handle_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (journal_ + "/socket").copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(socket_handle_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << std::strerror(errno);
  }
  std::vector<std::string> as_systemd(const std::string& config) const {
    return {"unshare", "--mount", "sh", "-c", kAsSystemd, "sh", journal_, program("parallaxd"), config};
  }
  // Until an entry has the field, at most for `patience`.
  bool comes(const std::string& field, std::chrono::milliseconds patience, Fields& found) {
    for (const auto end = std::chrono::steady_clock::now() + patience; std::chrono::steady_clock::now() < end;) {
      std::array<char, 65536> buffer;
      const ssize_t length = ::recv(socket_handle_, buffer.data(), buffer.size(), 0);
      if (length < 0) {
        ::usleep(10'000);
        continue;
      }
      Fields entry;
      std::istringstream lines(std::string(buffer.data(), static_cast<size_t>(length)));
      for (std::string line; std::getline(lines, line);) entry.insert(line);
      if (!entry.contains(field)) continue;
      found = entry;
      return true;
    }
    return false;
  }

  const std::string journal_ = directory_ / "journal";
  int socket_handle_ = -1;
};

TEST_F(JournalTest, FindingComesWithFieldsAndNothingGoesToStandardError) {
  listen();
  ChildProcess daemon(as_systemd(write_config("a", file_ports())));
  Fields entry;
  ASSERT_TRUE(comes("PARALLAX_KIND=syn_unanswered", kStartTimeout, entry)) << daemon.err();
  for (const char* field :
       {"PRIORITY=4", "SYSLOG_IDENTIFIER=parallaxd", "MESSAGE_ID=6f8a1d0c5be14c07a4a1f7d3e2b95c68", "PARALLAX_FINDING=1",
        "PARALLAX_SEVERITY=warning", "PARALLAX_ORIGIN=device", "PARALLAX_POINT=outside", "PARALLAX_POINT=inside"})
    EXPECT_TRUE(entry.contains(field)) << field;
  EXPECT_TRUE(entry.lower_bound("MESSAGE=finding 1: warning syn_unanswered: ")->starts_with("MESSAGE=finding 1: warning"));
  daemon.signal(SIGTERM);
  EXPECT_TRUE(comes("MESSAGE=stopped", kStopTimeout, entry));
  EXPECT_EQ(daemon.wait(kStopTimeout), 0);
  EXPECT_EQ(daemon.err(), "");
}

TEST_F(JournalTest, WithoutAJournalThatAnswersLinesKeepTheirPriority) {
  ChildProcess daemon(as_systemd(write_config("a", file_ports())));
  EXPECT_TRUE(daemon.wait_for_error_text("<4>finding 1: warning syn_unanswered", kStartTimeout)) << daemon.err();
}

TEST_F(JournalTest, StandardErrorThatIsNotTheJournalsGetsText) {
  listen();
  ChildProcess daemon({program("parallaxd"), "--config", write_config("a", file_ports())}, {"JOURNAL_STREAM=1:2"});
  EXPECT_TRUE(daemon.wait_for_error_text("\nwarning: finding 1: warning syn_unanswered", kStartTimeout)) << daemon.err();
}

}  // namespace
}  // namespace parallax::test
