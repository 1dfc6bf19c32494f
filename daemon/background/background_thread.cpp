#include "daemon/background/background_thread.h"

#include <pthread.h>

#include <utility>

#include "daemon/background/background.h"
#include "daemon/background/signals_blocked.h"

namespace parallax {

void BackgroundThread::start(const char* name, std::function<void(Round)> round) {
  stopping_ = false;
  const SignalsBlocked blocked;
  thread_ = std::thread([this, name, round = std::move(round)] {
    pthread_setname_np(pthread_self(), name);
    go_to_background(kNice);
    run(round);
  });
}

void BackgroundThread::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void BackgroundThread::run(const std::function<void(Round)>& round) {
  while (!stopping_) {
    round(Round::usual);
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kInterval, [this] { return stopping_.load(); });
  }
  round(Round::last);
}

}  // namespace parallax
