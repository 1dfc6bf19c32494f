// A queue between a ring and its consumer's horizon: what has arrived but may not be worked on yet.
//
// Offline it grows, so that a producer never waits for a consumer that waits for the producer's clock. Live it does not: what
// does not fit stays in the ring. One thread.
#pragma once

#include <bit>
#include <cstddef>
#include <vector>

#include "capture/core/spsc_ring.h"

namespace parallax {

template <typename T>
class Staging {
 public:
  Staging(size_t capacity, bool may_grow) : slots_(std::bit_ceil(capacity)), may_grow_(may_grow) {}

  void fill(SpscRing<T>& ring) {
    for (auto span = ring.peek(); !span.empty(); span = ring.peek()) {
      size_t taken = 0;
      while (taken < span.size() && push(span[taken])) ++taken;
      ring.pop(taken);
      if (taken == 0) return;
    }
  }
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  const T& front() const { return slots_[head_]; }
  void pop() {
    head_ = (head_ + 1) & (slots_.size() - 1);
    --size_;
  }

 private:
  bool push(const T& item) {
    if (size_ == slots_.size()) {
      if (!may_grow_) return false;
      std::vector<T> larger(slots_.size() * 2);
      for (size_t i = 0; i < size_; ++i) larger[i] = slots_[(head_ + i) & (slots_.size() - 1)];
      slots_.swap(larger);
      head_ = 0;
    }
    slots_[(head_ + size_++) & (slots_.size() - 1)] = item;
    return true;
  }

  std::vector<T> slots_;
  size_t head_ = 0, size_ = 0;
  const bool may_grow_;
};

}  // namespace parallax
