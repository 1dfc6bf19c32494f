// The first sightings of legs that are not paired yet, kept so that their fates can be followed once they are.
//
// Lists in one pool, a list a leg. Bounded twice: kPerLeg for a leg, which it exceeds only while half of the pool is free, and
// the pool for all. Of a leg whose log overflows nothing is kept, and its fates begin with the pairing.
//
// The design gave 16 a leg. A connection over veth exchanges dozens of packets in the two epochs (2 ms) and the merge wait
// (up to 50 ms) that a pairing takes, so that most logs overflowed: hence 128. A download of 200 kB within 3 ms has more.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "analysis/event/events.h"

namespace parallax {

class EarlyLog {
 public:
  static constexpr uint16_t kPerLeg = 128, kPerLegMost = 1024;

  EarlyLog(size_t capacity, bool may_grow) : may_grow_(may_grow) {
    sightings_.reserve(capacity);
    next_.reserve(capacity);
    sightings_.resize(capacity);
    next_.resize(capacity);
    for (size_t i = capacity; i-- > 0;) release(static_cast<uint32_t>(i));
  }

  // False: no room; the caller drops the leg's log.
  bool append(LogList& list, const PairSighting& s) {
    if (!has_room(list)) return false;
    if (free_ == kNone) {
      sightings_.emplace_back();
      next_.push_back(kNone);
      release(static_cast<uint32_t>(next_.size() - 1));
    }
    const uint32_t slot = free_;
    free_ = next_[slot];
    --free_slots_;
    sightings_[slot] = s;
    if (list.size == 0) {
      next_[slot] = slot;
    } else {
      next_[slot] = std::exchange(next_[list.last], slot);
    }
    list.last = slot;
    ++list.size;
    return true;
  }
  template <typename F>
  void for_each(const LogList& list, F&& take) const {
    uint32_t slot = list.last;
    for (uint16_t i = 0; i < list.size; ++i) {
      slot = next_[slot];
      take(sightings_[slot]);
    }
  }
  void clear(LogList& list) {
    for (uint32_t slot = list.size > 0 ? next_[list.last] : kNone; list.size > 0; --list.size)
      release(std::exchange(slot, next_[slot]));
  }

 private:
  bool has_room(const LogList& list) const {
    if (list.size >= kPerLegMost) return false;
    return may_grow_ || free_slots_ > (list.size < kPerLeg ? 0 : sightings_.size() / 2);
  }
  void release(uint32_t slot) {
    next_[slot] = free_;
    free_ = slot;
    ++free_slots_;
  }
  const bool may_grow_;
  std::vector<PairSighting> sightings_;
  std::vector<uint32_t> next_;
  uint32_t free_ = kNone;
  size_t free_slots_ = 0;
};

}  // namespace parallax
