// A thread of rounds: behind the others, deaf to signals, quick to stop, and with one last round.
#include "daemon/background/background_thread.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>

namespace parallax {
namespace {

using Round = BackgroundThread::Round;

struct Counted {
  std::atomic<int> usual{0}, last{0};
  void count(Round round) { ++(round == Round::last ? last : usual); }
  void wait_for(int rounds) const {
    for (int i = 0; i < 500 && usual < rounds; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
};

TEST(BackgroundThread, GoesRoundUntilItIsStoppedAndThenOnceMore) {
  Counted counted;
  BackgroundThread thread;
  thread.start("rounds", [&](Round round) {
    EXPECT_EQ(thread.is_stopping(), round == Round::last);
    counted.count(round);
  });
  counted.wait_for(2);
  EXPECT_EQ(counted.last, 0);
  thread.stop();
  const int usual = counted.usual;
  EXPECT_GE(usual, 2);
  EXPECT_EQ(counted.last, 1);
  thread.stop();
  std::this_thread::sleep_for(2 * BackgroundThread::kInterval);
  EXPECT_EQ(counted.usual, usual);
  EXPECT_EQ(counted.last, 1);
}

TEST(BackgroundThread, StopsWithoutWaitingForTheNextRound) {
  Counted counted;
  BackgroundThread thread;
  thread.start("rounds", [&](Round round) { counted.count(round); });
  counted.wait_for(1);
  const auto begin = std::chrono::steady_clock::now();
  thread.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, BackgroundThread::kInterval);
}

TEST(BackgroundThread, StopsWithWhatItIsAMemberOfAndMayBeStartedAgain) {
  Counted counted;
  {
    BackgroundThread thread;
    thread.stop();
    for (int run = 1; run <= 2; ++run) {
      thread.start("rounds", [&](Round round) { counted.count(round); });
      counted.wait_for(run);
      if (run == 1) thread.stop();
    }
  }
  EXPECT_EQ(counted.last, 2);
}

TEST(BackgroundThread, IsNamedBehindTheOthersAndDeafToSignals) {
  std::string name;
  int policy = -1, nice = -1;
  bool is_deaf = false;
  BackgroundThread thread;
  thread.start("rounds", [&](Round) {
    std::array<char, 16> text{};
    pthread_getname_np(pthread_self(), text.data(), text.size());
    name = text.data();
    sched_param param{};
    pthread_getschedparam(pthread_self(), &policy, &param);
    nice = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    is_deaf = sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGHUP) == 1;
  });
  thread.stop();
  EXPECT_EQ(name, "rounds");
  EXPECT_EQ(policy, SCHED_OTHER);
  EXPECT_EQ(nice, BackgroundThread::kNice);
  EXPECT_TRUE(is_deaf);
}

}  // namespace
}  // namespace parallax
