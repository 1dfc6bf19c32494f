// A thread of the pipeline: a loop over stages, with a name, perhaps a core of its own, and a rest when there is nothing to do.
//
// Owned by the wiring; start(), request_stop() and join() are called by its owner, the questions by anyone. The stages
// outlive the thread, and are polled by it alone between start() and join(). Live threads run until they are asked to stop;
// offline the thread ends by itself when all its stages have finished. An idle one sleeps, and polls each stage as seldom as that
// stage allows, or when a descriptor wakes it; so the more patient ones do not cost what the impatient ones need. What a stage
// throws ends the thread, and failure() says what it was: the owner is to stop the others in order. Signals are left to other
// threads.
#pragma once

#include <poll.h>

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "capture/core/counter.h"
#include "capture/core/pollable.h"

namespace parallax {

struct PollThreadOptions {
  std::string name;  // of the thread, as ps and gdb show it; the first 15 characters count
  int core = -1;     // to pin it to; -1: wherever the system likes
  std::vector<Pollable*> stages;
  uint32_t spins_before_rest = 200;  // idle rounds before the first sleep,
  uint32_t first_sleep_us = 5;       // and how long that is; the longest one is what all stages allow
};

class PollThread {
 public:
  explicit PollThread(PollThreadOptions options);
  ~PollThread();  // stops and joins
  PollThread(const PollThread&) = delete;
  PollThread& operator=(const PollThread&) = delete;

  // Empty: it runs. Otherwise why not: the system gives no thread, or the core does not exist or is not allowed.
  std::string start();
  // The thread leaves its loop after the current round.
  void request_stop() { stop_.store(true, std::memory_order_relaxed); }
  // Waits for its end: request_stop() first, or finished stages. Harmless twice or where it was never started.
  void join();
  // Its owner asks: it was started, and has not come to its end.
  bool is_running() const { return thread_.joinable() && !finished() && failure().empty(); }
  // All stages had finished, and the thread is about to end or has ended.
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  // Why the thread has ended before its time; empty: it has not.
  std::string failure() const { return failed_.load(std::memory_order_acquire) ? failure_ : std::string(); }

  const std::string& name() const { return options_.name; }
  // Rounds over all stages, and those of them that found nothing to do: how busy it is.
  uint64_t rounds() const { return rounds_.get(); }
  uint64_t idle_rounds() const { return idle_rounds_.get(); }

 private:
  struct Stage {
    Pollable* stage;
    uint32_t due_us = 0;  // of slept_us_: left alone until then
    std::span<const int> descriptors{};
  };
  void run();
  void run_stages();
  bool poll_stages();
  void rest(uint32_t idle_in_a_row);
  void sleep(uint32_t most_us);
  void wake_all();

  const PollThreadOptions options_;
  std::vector<Stage> stages_;
  uint32_t slept_us_ = 0;  // since there was something to do
  std::atomic<bool> stop_{false};
  std::atomic<bool> finished_{false};
  std::atomic<bool> failed_{false};
  std::string failure_;  // written before failed_, and never after
  Counter rounds_;
  Counter idle_rounds_;
  std::vector<pollfd> descriptors_;
  bool woken_ = false;  // by a descriptor, and nothing came of it so far
  std::thread thread_;
};

}  // namespace parallax
