// The records of TCP legs that are active: a pool, bounded live, growing offline.
//
// One owner, one thread. At the bound the idlest of kSample records, taken in turn, gives way to the new one: near enough to the
// least recently used, at no cost for each packet.
#pragma once

#include <cstddef>
#include <vector>

#include "analysis/tcp/tcp_flow.h"
#include "capture/core/large_table.h"

namespace parallax {

class TcpFlowPool {
 public:
  TcpFlowPool(size_t capacity, bool may_grow) : may_grow_(may_grow), owner_(capacity, kNone) {
    if (may_grow) reserve_room(flows_);
    flows_.resize(capacity);
    free_.reserve(capacity);
    for (size_t i = capacity; i-- > 0;) free_.push_back(static_cast<uint32_t>(i));
  }

  TcpFlow& operator[](uint32_t index) { return flows_[index]; }
  // The lines that any packet touches: labels, round trips, turns. The others are for where something goes wrong.
  void prefetch(uint32_t index) const {
    const TcpFlow& flow = flows_[index];
    __builtin_prefetch(&flow.half, 1);
    __builtin_prefetch(&flow.times.trips, 1);
    __builtin_prefetch(&flow.times.pace, 1);
    __builtin_prefetch(&flow.times.sums, 1);
  }

  // A zeroed record for `leg`. At the bound it is taken from another leg: `last_used_ns(leg)` tells how idle that one is, and
  // `taken(leg)` that it has none any more. REQUIRES: the pool's capacity is not 0.
  template <typename LastUsed, typename Taken>
  uint32_t take(uint32_t leg, LastUsed&& last_used_ns, Taken&& taken) {
    if (free_.empty() && may_grow_) {
      free_.push_back(static_cast<uint32_t>(flows_.size()));
      flows_.emplace_back();
      owner_.push_back(kNone);
    }
    if (free_.empty()) {
      uint32_t idlest = next();
      for (size_t i = 1; i < kSample; ++i) {
        const uint32_t other = next();
        if (last_used_ns(owner_[other]) < last_used_ns(owner_[idlest])) idlest = other;
      }
      taken(owner_[idlest]);
      release(idlest);
    }
    const uint32_t index = free_.back();
    free_.pop_back();
    flows_[index] = {};
    owner_[index] = leg;
    return index;
  }
  void release(uint32_t index) {
    flows_[index].trouble.reset();
    owner_[index] = kNone;
    free_.push_back(index);
  }

 private:
  static constexpr size_t kSample = 8;
  uint32_t next() {
    hand_ = hand_ + 1 < flows_.size() ? hand_ + 1 : 0;
    return static_cast<uint32_t>(hand_);
  }

  const bool may_grow_;
  LargeTable<TcpFlow> flows_;
  std::vector<uint32_t> owner_;  // leg of each record; kNone: free
  std::vector<uint32_t> free_;
  size_t hand_ = 0;
};

}  // namespace parallax
