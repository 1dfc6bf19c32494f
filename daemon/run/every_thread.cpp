#include "daemon/run/every_thread.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <set>
#include <thread>
#include <vector>

namespace parallax {
namespace {

// One thread at a time: which one has answered, and what it is to do.
std::atomic<pid_t> answered{0};
std::atomic<void (*)()> asked{nullptr};

constexpr std::chrono::seconds kPatience{5};  // a thread on a busy machine waits for its turn

pid_t thread_number() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

void answer(int, siginfo_t* from, void*) {
  if (from->si_code != SI_TKILL || from->si_pid != ::getpid()) return;
  const int kept = errno;
  if (void (*const work)() = asked.load()) work();
  answered.store(thread_number());
  errno = kept;
}

bool runs(pid_t thread) { return ::syscall(SYS_tgkill, ::getpid(), thread, 0) == 0; }

std::vector<pid_t> threads(std::string& failure) {
  std::vector<pid_t> all;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", error)) {
    const std::string name = entry.path().filename();
    pid_t number = 0;
    std::from_chars(name.data(), name.data() + name.size(), number);
    all.push_back(number);
  }
  if (error || all.empty()) failure = fmt::format("the threads of this process are not to be seen in /proc: {}", error.message());
  return all;
}

std::string ask(pid_t thread, int signal) {
  answered.store(0);
  if (::syscall(SYS_tgkill, ::getpid(), thread, signal) != 0) {
    return errno == ESRCH ? "" : fmt::format("thread {} cannot be signalled: {}", thread, std::strerror(errno));
  }
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (answered.load() != thread && std::chrono::steady_clock::now() < end) {
    if (!runs(thread)) return {};
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return answered.load() == thread ? "" : fmt::format("thread {} does not answer", thread);
}

}  // namespace

std::string on_every_thread(void (*work)()) {
  const int signal = SIGRTMIN;
  struct sigaction action {
  }, former{};
  action.sa_sigaction = answer;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigfillset(&action.sa_mask);
  if (::sigaction(signal, &action, &former) != 0)
    return fmt::format("no handler for signal {}: {}", signal, std::strerror(errno));
  asked.store(work);
  work();
  std::set<pid_t> done{thread_number()};
  std::string failure;
  // Once more until there is no new one: a thread that has not been asked yet may make another.
  for (bool found_new = true; found_new && failure.empty();) {
    found_new = false;
    for (const pid_t thread : threads(failure)) {
      if (!failure.empty() || !done.insert(thread).second) continue;
      found_new = true;
      failure = ask(thread, signal);
    }
  }
  asked.store(nullptr);
  // On a failure the handler stays: a signal still on its way would else end the process before it has said why.
  if (failure.empty()) ::sigaction(signal, &former, nullptr);
  return failure;
}

}  // namespace parallax
