// The filter of system calls, applied in a child, since it is for good.
#include "daemon/run/syscall_filter.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>

namespace parallax {
namespace {

struct Call {
  const char* name;
  long number;
};
constexpr Call kCalls[] = {
#define X(name) {#name, SYS_##name},
#include "daemon/run/refused_syscalls.def"
#undef X
};

// What `work` returns in a child of its own: empty if all is well.
std::string in_child(const std::function<std::string()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string said = work();
    if (::write(ends[1], said.data(), said.size()) < 0) ::_exit(2);
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string said;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;) said.append(buffer, static_cast<size_t>(count));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0 ? said : said + "; ended with " + std::to_string(status);
}

class SyscallFilter : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!kHasSyscallFilter) GTEST_SKIP() << "builds with sanitizers have no filter";
  }
};

TEST_F(SyscallFilter, RefusesEveryCallOfTheTable) {
  EXPECT_EQ(in_child([] {
              std::string wrong = refuse_syscalls();
              for (const Call& call : kCalls) {
                errno = 0;
                // vfork() would share the stack, were it not refused.
                if (::syscall(call.number, -1, -1, -1, -1, -1, -1) != -1 || errno != EPERM) wrong += std::string(call.name) + " ";
              }
              return wrong;
            }),
            "");
}

TEST_F(SyscallFilter, HoldsForThreadsThatRunAlreadyAndForLaterOnes) {
  EXPECT_EQ(in_child([] {
              std::string wrong;
              std::atomic<bool> applied{false};
              const auto tries = [](std::string& into) {
                const char* const arguments[] = {"/bin/true", nullptr};
                if (::execv(arguments[0], const_cast<char**>(arguments)) != -1 || errno != EPERM) into += "execve ";
              };
              std::string of_former, of_later;
              std::thread former([&] {
                while (!applied) std::this_thread::yield();
                tries(of_former);
              });
              wrong += refuse_syscalls();
              applied = true;
              former.join();
              std::thread([&] { tries(of_later); }).join();
              return wrong + of_former + of_later;
            }),
            "");
}

TEST_F(SyscallFilter, LeavesWhatTheDaemonDoes) {
  EXPECT_EQ(in_child([] {
              std::string wrong = refuse_syscalls();
              std::FILE* const file = std::tmpfile();
              if (file == nullptr) wrong += "files ";
              const int handle = ::socket(AF_UNIX, SOCK_STREAM, 0);
              if (handle < 0) wrong += "sockets ";
              cpu_set_t cores;
              if (::sched_getaffinity(0, sizeof cores, &cores) != 0 || ::sched_setaffinity(0, sizeof cores, &cores) != 0)
                wrong += "cores ";
              if (::kill(::getpid(), 0) != 0) wrong += "kill ";
              if (::fork() != -1 || errno != EPERM) wrong += "processes can be made ";
              return wrong;
            }),
            "");
}

}  // namespace
}  // namespace parallax
