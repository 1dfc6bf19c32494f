// Ends streams whose receiver does not read: a write that takes longer than a limit is cancelled.
//
// A write of gRPC's blocks while the receiver's window is full, and takes no deadline; so a thread of its own looks at what is
// under way. Streams are made and used by the threads that serve calls, and go before the watch.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

namespace parallax {

class WriteWatch {
 public:
  using Clock = std::chrono::steady_clock;

  explicit WriteWatch(std::chrono::milliseconds limit);
  ~WriteWatch();

  class Stream {
   public:
    // `cancel` makes a write under way fail; called by the watch's thread, at most once.
    Stream(WriteWatch& watch, std::function<void()> cancel);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // What `write` says: whether it went out.
    bool write(const std::function<bool()>& write);
    // A write has taken too long.
    bool stalled() const;

   private:
    friend class WriteWatch;
    WriteWatch& watch_;
    const std::function<void()> cancel_;
    // Under the watch's lock.
    bool writing_ = false, stalled_ = false;
    Clock::time_point begun_;
  };

 private:
  void run();

  const std::chrono::milliseconds limit_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::set<Stream*> streams_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace parallax
