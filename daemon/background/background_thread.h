// A thread behind the packet path's that does its work in rounds, four times a second, and once more when it is stopped.
//
// Started and stopped by one thread. A member of what it works for, and the last: then it has ended before anything of that goes.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace parallax {

class BackgroundThread {
 public:
  static constexpr auto kInterval = std::chrono::milliseconds(250);  // between two rounds
  static constexpr int kNice = 10;
  enum class Round { usual, last };

  BackgroundThread() = default;
  ~BackgroundThread() { stop(); }

  // `name`: as the system shows it, 15 bytes at most. `round` throws nothing. REQUIRES: it is not running.
  void start(const char* name, std::function<void(Round)> round);
  // Waits for the last round. Nothing where it is not running; it may be started again.
  void stop();
  // A last round will come, or is under way: for a round that takes long.
  bool is_stopping() const { return stopping_; }

 private:
  void run(const std::function<void(Round)>& round);

  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace parallax
