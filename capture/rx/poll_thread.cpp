#include "capture/rx/poll_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <system_error>

namespace parallax {
namespace {

constexpr uint32_t kSleepMaxUs = 500'000;  // so that a thread that is told to stop does

// While it lives, the calling thread may run on one core only: a thread made meanwhile inherits that from its first moment.
class OnCore {
 public:
  explicit OnCore(int core) {
    if (core < 0) return;
    CPU_ZERO(&former_);
    if (pthread_getaffinity_np(pthread_self(), sizeof(former_), &former_) == 0 && core < CPU_SETSIZE &&
        CPU_ISSET(core, &former_)) {
      cpu_set_t cores;
      CPU_ZERO(&cores);
      CPU_SET(core, &cores);
      moved_ = pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores) == 0;
    }
    if (moved_) return;
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &former_)) error_ += (error_.empty() ? "" : ", ") + std::to_string(i);
    }
    error_ = "core " + std::to_string(core) + " does not exist or is not allowed; usable are " + error_;
  }
  ~OnCore() {
    if (moved_) pthread_setaffinity_np(pthread_self(), sizeof(former_), &former_);
  }
  OnCore(const OnCore&) = delete;
  OnCore& operator=(const OnCore&) = delete;

  const std::string& error() const { return error_; }

 private:
  cpu_set_t former_;
  bool moved_ = false;
  std::string error_;
};

}  // namespace

PollThread::PollThread(PollThreadOptions options) : options_(std::move(options)) {
  for (Pollable* stage : options_.stages) stages_.push_back({stage});
}

PollThread::~PollThread() {
  request_stop();
  join();
}

std::string PollThread::start() {
  const OnCore core(options_.core);
  if (!core.error().empty()) return "thread " + options_.name + ": " + core.error();
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return "thread " + options_.name + ": cannot be started: " + error.what();
  }
  return {};
}

void PollThread::join() {
  if (thread_.joinable()) thread_.join();
}

void PollThread::run() {
  // Signals are the control thread's. And what the kernel would signal here (a file beyond its size limit) is an error instead.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  pthread_setname_np(pthread_self(), options_.name.substr(0, 15).c_str());
  try {
    run_stages();
  } catch (const std::exception& failure) {
    failure_ = failure.what();
    failed_.store(true, std::memory_order_release);
  }
}

void PollThread::run_stages() {
  // Else the kernel adds 50 us to every sleep.
  prctl(PR_SET_TIMERSLACK, 1'000UL);
  uint32_t idle_in_a_row = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    const bool worked = poll_stages();
    rounds_.add();
    if (worked) {
      idle_in_a_row = 0;
      woken_ = false;
      wake_all();
      continue;
    }
    idle_rounds_.add();
    if (std::all_of(options_.stages.begin(), options_.stages.end(), [](const Pollable* stage) { return stage->finished(); })) {
      finished_.store(true, std::memory_order_release);
      return;
    }
    rest(++idle_in_a_row);
  }
}

// A stage that finds something to do has it for those after it, too.
bool PollThread::poll_stages() {
  bool worked = false;
  for (Stage& stage : stages_) {
    if (worked || stage.due_us <= slept_us_) worked |= stage.stage->poll();
  }
  return worked;
}

void PollThread::wake_all() {
  slept_us_ = 0;
  for (Stage& stage : stages_) stage.due_us = 0;
}

// First a pause, then the core is offered to whoever waits for it, then sleeps that double up to the longest.
void PollThread::rest(uint32_t idle_in_a_row) {
  if (idle_in_a_row < options_.spins_before_rest) {
    if (idle_in_a_row % 16 == 0) {
      sched_yield();
    } else {
      __builtin_ia32_pause();
    }
    return;
  }
  const uint32_t doublings = std::min<uint32_t>((idle_in_a_row - options_.spins_before_rest) / 4, 16);
  sleep(options_.first_sleep_us << doublings);
}

// A descriptor may be readable for a reason of which no stage knows (an error at its socket): after it has woken the thread for
// nothing, a sleep goes by time alone.
void PollThread::sleep(uint32_t most_us) {
  descriptors_.clear();
  for (Stage& stage : stages_) {
    if (stage.due_us <= slept_us_) {
      const Rest allowed = stage.stage->rest();
      stage.due_us = slept_us_ + std::min<uint32_t>(allowed.longest_us, kSleepMaxUs);
      stage.descriptors = allowed.descriptors;
    }
    most_us = std::min(most_us, stage.due_us - slept_us_);
    for (const int descriptor : stage.descriptors) descriptors_.push_back({descriptor, POLLIN, 0});
  }
  if (woken_) descriptors_.clear();
  const timespec duration{0, static_cast<long>(most_us) * 1'000};
  woken_ = ppoll(descriptors_.data(), descriptors_.size(), &duration, nullptr) > 0;
  slept_us_ += most_us;
  if (woken_ || slept_us_ >= kSleepMaxUs) wake_all();
}

}  // namespace parallax
