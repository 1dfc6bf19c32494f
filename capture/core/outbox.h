// One end of a ring between two stages, and the queue of what the ring has no room for: it waits, in order, until there is.
//
// What ends or pairs something must arrive, or what it speaks of stays open for ever: it is sent without a reserve, to an outbox
// that holds as many of its kind as can be on the way. What may be lost leaves a reserve to those, and is refused when only that
// is left; the caller counts it, and logs a loss where packets are missed by it. Offline there is no bound, and nothing is ever
// refused. One thread.
#pragma once

#include <cstddef>

#include "capture/core/fifo.h"
#include "capture/core/spsc_ring.h"

namespace parallax {

template <typename T>
class Outbox {
 public:
  static constexpr size_t kUnbounded = Fifo<T>::kUnbounded;

  // At most `waiting_max` wait. Memory for them is taken now, unless there is no bound.
  Outbox(SpscRing<T>& ring, size_t waiting_max)
      : ring_(ring), waiting_(waiting_max == kUnbounded ? kFirstWaiting : waiting_max, waiting_max) {}

  // False: refused, since fewer than `reserve` could wait after it. REQUIRES: reserve <= waiting_max.
  bool send(const T& item, size_t reserve = 0) {
    flush();
    if (waiting_.empty() && ring_.push(item)) return true;
    return waiting_.room() > reserve && waiting_.push(item);
  }
  // Takes it only if it need not wait.
  bool send_now(const T& item) { return waiting_.empty() && ring_.push(item); }
  // The next one need not wait.
  bool has_room() { return waiting_.empty() && ring_.room(1) == 1; }

  void flush() {
    while (!waiting_.empty() && ring_.push(waiting_.front())) waiting_.pop();
  }
  bool empty() const { return waiting_.empty(); }
  const T* first_waiting() const { return waiting_.empty() ? nullptr : &waiting_.front(); }

 private:
  static constexpr size_t kFirstWaiting = 16;
  SpscRing<T>& ring_;
  Fifo<T> waiting_;
};

}  // namespace parallax
