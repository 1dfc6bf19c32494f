// When connections are to be looked at, earliest first.
//
// The correlator's, one thread. A timer that no connection waits for any more (it is gone, or has another) stays where it is
// until it is due, or until those that are waited for are no more than half: a flood of SYNs leaves some behind with each
// connection that makes room for the next.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <tuple>
#include <vector>

#include "analysis/connection/connection_store.h"

namespace parallax {

class Timers {
 public:
  static constexpr size_t kThinnedFrom = 1 << 16;

  struct Timer {
    int64_t due_ns;
    uint64_t connection_id;

    bool operator>(const Timer& other) const {
      return std::tuple(due_ns, connection_id) > std::tuple(other.due_ns, other.connection_id);
    }
  };

  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }
  const Timer& earliest() const { return heap_.front(); }  // REQUIRES: !empty()

  void push(const Timer& timer, const ConnectionStore& store) {
    heap_.push_back(timer);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    if (heap_.size() >= thin_at_) thin_out(store);
  }
  Timer pop() {  // REQUIRES: !empty()
    const Timer timer = earliest();
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    heap_.pop_back();
    return timer;
  }

  static bool is_waited_for(const Timer& timer, const Connection* connection) {
    return connection != nullptr && connection->check_due_ns == timer.due_ns;
  }

 private:
  void thin_out(const ConnectionStore& store) {
    std::erase_if(heap_, [&](const Timer& timer) { return !is_waited_for(timer, store.find(timer.connection_id)); });
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
    thin_at_ = std::max(kThinnedFrom, 2 * heap_.size());
  }

  std::vector<Timer> heap_;
  size_t thin_at_ = kThinnedFrom;
};

}  // namespace parallax
