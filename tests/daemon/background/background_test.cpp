// Work in the background: on a thread of its own, behind the others whatever it inherits, and its failures come back.
#include "daemon/background/background.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <thread>

namespace parallax {
namespace {

struct Priority {
  int policy = -1, nice = -1;
};
Priority priority_of_this_thread() {
  Priority found;
  sched_param param{};
  pthread_getschedparam(pthread_self(), &found.policy, &param);
  found.nice = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
  return found;
}

TEST(Background, WorkRunsBehindOthersAndTheCallerStaysWhereItWas) {
  const Priority before = priority_of_this_thread();
  Priority within;
  pid_t thread = 0;
  ASSERT_TRUE(run_in_background(kSliceNice, [&] {
    within = priority_of_this_thread();
    thread = gettid();
  }));
  EXPECT_NE(thread, gettid());
  EXPECT_EQ(within.policy, SCHED_OTHER);
  EXPECT_EQ(within.nice, kSliceNice);
  EXPECT_EQ(priority_of_this_thread().nice, before.nice);
}

TEST(Background, RealTimePriorityIsNotInherited) {
  bool is_real_time = false;
  Priority within;
  std::thread([&] {
    const sched_param first{1};
    is_real_time = pthread_setschedparam(pthread_self(), SCHED_FIFO, &first) == 0;
    run_in_background(kSliceNice, [&] { within = priority_of_this_thread(); });
  }).join();
  if (!is_real_time) GTEST_SKIP() << "real-time priority is not to be had here";
  EXPECT_EQ(within.policy, SCHED_OTHER);
}

TEST(Background, AFailureComesBackToTheCaller) {
  EXPECT_THROW(run_in_background(kSliceNice, [] { throw std::runtime_error("no memory"); }), std::runtime_error);
}

}  // namespace
}  // namespace parallax
