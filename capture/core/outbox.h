// One end of a ring between two stages, with what to do when it is full: live, refuse (the caller counts and logs a loss);
// offline, keep the rest aside and send it later, for offline nothing is ever dropped.
#pragma once

#include <deque>

#include "capture/core/spsc_ring.h"

namespace parallax {

template <typename T>
class Outbox {
 public:
  Outbox(SpscRing<T>& ring, bool may_drop) : ring_(ring), may_drop_(may_drop) {}

  // False: dropped.
  bool send(const T& item) {
    if (waiting_.empty() && ring_.push(item)) return true;
    if (may_drop_) return false;
    waiting_.push_back(item);
    flush();
    return true;
  }
  void flush() {
    while (!waiting_.empty() && ring_.push(waiting_.front())) waiting_.pop_front();
  }
  bool empty() const { return waiting_.empty(); }
  const T* first_waiting() const { return waiting_.empty() ? nullptr : &waiting_.front(); }

 private:
  SpscRing<T>& ring_;
  const bool may_drop_;
  std::deque<T> waiting_;
};

}  // namespace parallax
