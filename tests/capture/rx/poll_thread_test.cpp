// Threads of the pipeline: they run their stages, rest when idle, stop when told, end when all is done.
#include "capture/rx/poll_thread.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <array>
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
  std::atomic<uint32_t> longest_us{100};
  std::vector<int> descriptors;

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
  Rest rest() override { return {longest_us.load(), descriptors}; }
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

struct Pipe {
  std::array<int, 2> ends{};
  Pipe() { EXPECT_EQ(pipe(ends.data()), 0); }
  ~Pipe() { close(ends[0]), close(ends[1]); }
  void write_byte() { EXPECT_EQ(write(ends[1], "x", 1), 1); }
};

uint64_t rounds_in(const PollThread& thread, std::chrono::milliseconds duration) {
  const uint64_t before = thread.rounds();
  std::this_thread::sleep_for(duration);
  return thread.rounds() - before;
}

TEST(PollThread, PollsEachOfItsStagesAsSeldomAsThatAllows) {
  FakeStage patient, hurried;
  patient.longest_us = 200'000;
  hurried.longest_us = 20'000;
  PollThread thread({.name = "idle", .stages = {&patient, &hurried}});
  ASSERT_EQ(thread.start(), "");
  std::this_thread::sleep_for(200ms);
  const int before = patient.polls;
  const uint64_t rounds = rounds_in(thread, 400ms);
  EXPECT_LE(rounds, 21u);
  EXPECT_GE(rounds, 4u);
  EXPECT_LE(patient.polls - before, 3);
}

TEST(PollThread, WhatAStageFoundIsForThoseAfterItAtOnce) {
  FakeStage hurried, patient;
  hurried.longest_us = 5'000;
  patient.longest_us = 400'000;
  PollThread thread({.name = "idle", .stages = {&hurried, &patient}});
  ASSERT_EQ(thread.start(), "");
  std::this_thread::sleep_for(100ms);  // by then it sleeps
  const int before = patient.polls;
  hurried.work = 1;
  std::this_thread::sleep_for(100ms);
  EXPECT_GT(patient.polls, before);
}

TEST(PollThread, IsWokenByADescriptorThatIsReadable) {
  Pipe pipe;
  struct : FakeStage {
    int from = -1;
    bool poll() override {
      pollfd readable{from, POLLIN, 0};
      char byte = 0;
      const bool got = ::poll(&readable, 1, 0) == 1 && read(from, &byte, 1) == 1;
      work.fetch_add(got ? 1 : 0);
      return got;
    }
  } stage;
  stage.from = pipe.ends[0];
  stage.longest_us = 400'000;
  stage.descriptors = {pipe.ends[0]};
  PollThread thread({.name = "woken", .stages = {&stage}});
  ASSERT_EQ(thread.start(), "");
  int64_t longest_ms = 0;
  for (int i = 1; i <= 3; ++i) {
    std::this_thread::sleep_for(200ms);  // by then it sleeps
    const auto written = std::chrono::steady_clock::now();
    pipe.write_byte();
    EXPECT_TRUE(comes_true([&] { return stage.work == i; }));
    longest_ms = std::max<int64_t>(longest_ms, (std::chrono::steady_clock::now() - written) / 1ms);
  }
  EXPECT_LT(longest_ms, 100);
}

TEST(PollThread, ADescriptorThatNobodyReadsDoesNotKeepItBusy) {
  Pipe pipe;
  pipe.write_byte();
  FakeStage stage;
  stage.longest_us = 20'000;
  stage.descriptors = {pipe.ends[0]};
  PollThread thread({.name = "idle", .stages = {&stage}});
  ASSERT_EQ(thread.start(), "");
  std::this_thread::sleep_for(200ms);
  EXPECT_LE(rounds_in(thread, 400ms), 42u) << "every other round is a sleep";
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
