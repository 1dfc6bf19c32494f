#include "daemon/run/every_thread.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/sanitized.h"

namespace parallax {
namespace {

std::atomic<int> asked{0};

// Sanitizers have threads of their own.
TEST(EveryThread, IsAskedOnceAlsoWhereItSleepsOrIsBusy) {
  if (!kEveryThreadAnswers) GTEST_SKIP() << "ThreadSanitizer's own thread does not";
  constexpr int kThreads = 8;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&stop, i] {
      while (!stop) {
        if (i % 2 == 0) ::poll(nullptr, 0, 20);
      }
    });
  }
  asked = 0;
  EXPECT_EQ(on_every_thread([] { asked.fetch_add(1); }), "");
  const bool only_ours = test::kTimesSlower == 1;
  EXPECT_TRUE(only_ours ? asked == kThreads + 1 : asked > kThreads) << asked;
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

TEST(EveryThread, OneThatBlocksTheSignalIsNamed) {
  std::atomic<bool> stop{false};
  std::atomic<bool> blocked{false};
  std::thread deaf([&] {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    blocked = true;
    while (!stop) ::poll(nullptr, 0, 20);
  });
  while (!blocked) std::this_thread::yield();
  const std::string failure = on_every_thread([] {});
  EXPECT_TRUE(failure.starts_with("thread ") && failure.ends_with(" does not answer")) << failure;
  stop = true;
  deaf.join();
}

}  // namespace
}  // namespace parallax
