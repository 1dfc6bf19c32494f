#include "daemon/api/write_watch.h"

namespace parallax {

WriteWatch::WriteWatch(std::chrono::milliseconds limit) : limit_(limit), thread_([this] { run(); }) {}

WriteWatch::~WriteWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void WriteWatch::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const Clock::time_point latest = Clock::now() - limit_;
    for (Stream* stream : streams_) {
      if (!stream->writing_ || stream->stalled_ || stream->begun_ > latest) continue;
      stream->stalled_ = true;
      stream->cancel_();
    }
    changed_.wait_for(lock, limit_ / 8);
  }
}

WriteWatch::Stream::Stream(WriteWatch& watch, std::function<void()> cancel) : watch_(watch), cancel_(std::move(cancel)) {
  const std::lock_guard lock(watch_.mutex_);
  watch_.streams_.insert(this);
}

WriteWatch::Stream::~Stream() {
  const std::lock_guard lock(watch_.mutex_);
  watch_.streams_.erase(this);
}

bool WriteWatch::Stream::write(const std::function<bool()>& write) {
  {
    const std::lock_guard lock(watch_.mutex_);
    writing_ = true;
    begun_ = Clock::now();
  }
  const bool written = write();
  const std::lock_guard lock(watch_.mutex_);
  writing_ = false;
  return written && !stalled_;
}

bool WriteWatch::Stream::stalled() const {
  const std::lock_guard lock(watch_.mutex_);
  return stalled_;
}

}  // namespace parallax
