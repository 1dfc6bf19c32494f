// Packets that were seen on one side of a point and not at it, by the leg of that point. Where the path has three points or more,
// what was seen before a point and what was seen beyond it may be one packet: then it did pass there, and the sensor missed it.
//
// What a home takes for lost between the first two, another home takes for made between the last two; only together they know.
// The correlator's, one thread; live bounded, the oldest go first, counted.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <tuple>

#include "analysis/event/events.h"

namespace parallax {

class FarSightings {
 public:
  static constexpr size_t kPacketsMax = 1 << 14;

  explicit FarSightings(bool offline) : offline_(offline) {}

  // `leg`: of the point where the packet was not seen.
  void add(const FateEvent& event, uint64_t leg);
  // Whether the packet that `event` misses at that leg's point was seen beyond it. `stands`: whether what a pair has told still
  // does.
  bool any(const FateEvent& event, uint64_t leg, int64_t device_timeout_ns,
           const std::function<bool(uint8_t home, uint32_t pair)>& stands) const;

  uint64_t evicted() const { return evicted_; }

 private:
  using Key = std::tuple<uint64_t, Side, int64_t>;  // leg, sender, time
  struct Seen {
    PacketFacts packet;
    uint32_t seq_at_absent;
    uint32_t pair;
    uint8_t home;
  };
  using Packets = std::multimap<Key, Seen>;
  static bool is_same(const FateEvent& missed, const Seen& seen);

  const bool offline_;
  Packets packets_;
  std::deque<Packets::iterator> by_age_;  // live
  uint64_t evicted_ = 0;
};

}  // namespace parallax
