// A queue between a ring and its consumer's horizon: what has arrived but may not be worked on yet.
//
// Offline it grows, so that a producer never waits for a consumer that waits for the producer's clock. Live it does not: what
// does not fit stays in the ring. One thread.
#pragma once

#include <cstddef>

#include "capture/core/fifo.h"
#include "capture/core/spsc_ring.h"

namespace parallax {

template <typename T>
class Staging {
 public:
  Staging(size_t capacity, bool may_grow) : queue_(capacity, may_grow ? Fifo<T>::kUnbounded : capacity) {}

  void fill(SpscRing<T>& ring) {
    for (auto span = ring.peek(); !span.empty(); span = ring.peek()) {
      size_t taken = 0;
      while (taken < span.size() && queue_.push(span[taken])) ++taken;
      ring.pop(taken);
      if (taken == 0) return;
    }
  }
  bool empty() const { return queue_.empty(); }
  size_t size() const { return queue_.size(); }
  const T& front() const { return queue_.front(); }
  const T* ahead(size_t count) const { return queue_.ahead(count); }  // as of Fifo
  void pop() { queue_.pop(); }

 private:
  Fifo<T> queue_;
};

}  // namespace parallax
