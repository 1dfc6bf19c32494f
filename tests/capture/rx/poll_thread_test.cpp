// Threads of the pipeline: they run their stages, rest when idle, stop when told, end when all is done.
#include "capture/rx/poll_thread.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <stdexcept>

namespace parallax {
namespace {

using namespace std::chrono_literals;

struct FakeStage : Pollable {
  std::atomic<int> polls{0};
  std::atomic<int> work{0};  // rounds that are left to do
  std::atomic<bool> ends{false};
  std::string thread_name;
  std::atomic<int> cores_allowed{0};

  bool poll() override {
    if (polls.fetch_add(1) == 20) {
      char name[16] = {};
      pthread_getname_np(pthread_self(), name, sizeof(name));
      cpu_set_t cores;
      sched_getaffinity(0, sizeof(cores), &cores);
      thread_name = name;
      cores_allowed.store(CPU_COUNT(&cores));
    }
    if (work.load() == 0) return false;
    work.fetch_sub(1);
    return true;
  }
  bool finished() const override { return ends.load() && work.load() == 0; }
};

template <typename Condition>
bool comes_true(Condition condition) {
  for (int i = 0; i < 5'000 && !condition(); ++i) std::this_thread::sleep_for(1ms);
  return condition();
}

TEST(PollThread, RunsAllItsStages) {
  FakeStage first, second;
  first.work = 100;
  second.work = 50;
  PollThread thread({.name = "rx", .stages = {&first, &second}});
  ASSERT_EQ(thread.start(), "");
  EXPECT_TRUE(comes_true([&] { return first.work == 0 && second.work == 0; }));
  EXPECT_FALSE(thread.finished()) << "live stages never finish";
  thread.request_stop();
  thread.join();
  EXPECT_EQ(first.polls, second.polls);
  EXPECT_GE(thread.rounds(), 100u);
}

TEST(PollThread, EndsByItselfWhenAllStagesHaveFinished) {
  FakeStage first, second;
  first.work = 10;
  first.ends = true;
  second.work = 1'000;
  PollThread thread({.name = "offline", .stages = {&first, &second}});
  ASSERT_EQ(thread.start(), "");
  EXPECT_TRUE(comes_true([&] { return second.work == 0; }));
  EXPECT_FALSE(thread.finished());
  second.ends = true;
  EXPECT_TRUE(comes_true([&] { return thread.finished(); }));
  thread.join();
}

TEST(PollThread, WhatAStageThrowsEndsTheThreadWithTheReason) {
  struct : FakeStage {
    bool poll() override {
      if (polls.fetch_add(1) == 50) throw std::runtime_error("no memory left");
      return true;
    }
  } stage;
  PollThread thread({.name = "rx", .stages = {&stage}});
  ASSERT_EQ(thread.start(), "");
  EXPECT_TRUE(comes_true([&] { return !thread.failure().empty(); }));
  thread.join();
  EXPECT_EQ(thread.failure(), "no memory left");
  EXPECT_FALSE(thread.finished());
  EXPECT_EQ(stage.polls, 51);
}

TEST(PollThread, BearsItsNameCutToWhatTheSystemTakes) {
  FakeStage stage;
  PollThread thread({.name = "rx_worker_number_0", .stages = {&stage}});
  ASSERT_EQ(thread.start(), "");
  EXPECT_TRUE(comes_true([&] { return stage.polls > 1'000; }));
  thread.request_stop();
  thread.join();
  EXPECT_EQ(stage.thread_name, "rx_worker_numbe");
}

TEST(PollThread, IsPinnedToItsCore) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  int core = 0;
  while (!CPU_ISSET(core, &allowed)) ++core;
  FakeStage stage;
  PollThread thread({.name = "pinned", .core = core, .stages = {&stage}});
  ASSERT_EQ(thread.start(), "");
  EXPECT_TRUE(comes_true([&] { return stage.cores_allowed > 0; }));
  EXPECT_EQ(stage.cores_allowed, 1);
}

TEST(PollThread, ACoreThatIsNotThereIsAnError) {
  FakeStage stage;
  PollThread thread({.name = "lost", .core = 1000, .stages = {&stage}});
  const std::string error = thread.start();
  EXPECT_NE(error.find("core 1000"), std::string::npos) << error;
  EXPECT_NE(error.find("usable are"), std::string::npos) << error;
  EXPECT_EQ(stage.polls, 0);
}

TEST(PollThread, RestsWhenThereIsNothingToDo) {
  FakeStage stage;
  PollThread thread({.name = "idle", .stages = {&stage}});
  ASSERT_EQ(thread.start(), "");
  std::this_thread::sleep_for(100ms);
  const uint64_t before = thread.rounds();
  std::this_thread::sleep_for(200ms);
  const uint64_t rounds = thread.rounds() - before;
  thread.request_stop();
  thread.join();
  EXPECT_LT(rounds, 4'000u) << "sleeps of 100 us";
  EXPECT_GT(rounds, 2u) << "and it wakes again";
}

TEST(PollThread, MayBeJoinedTwiceOrNeverStarted) {
  FakeStage stage;
  PollThread never({.name = "never", .stages = {&stage}});
  never.join();
  PollThread twice({.name = "twice", .stages = {&stage}});
  ASSERT_EQ(twice.start(), "");
  twice.request_stop();
  twice.join();
  twice.join();
}

}  // namespace
}  // namespace parallax
