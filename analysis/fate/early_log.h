// The first sightings of legs that are not paired yet, kept so that their fates can be followed once they are.
//
// Lists in one pool, a list a leg. Bounded twice: kPerLeg for a leg and the pool for all. Of a leg whose log overflows nothing
// is kept, and its fates begin with the pairing.
//
// The design gave 16 a leg. A connection over veth exchanges dozens of packets in the two epochs (2 ms) and the merge wait
// (up to 50 ms) that a pairing takes, so that most logs overflowed: hence 128, the pool being what bounds the memory.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/event/events.h"

namespace parallax {

class EarlyLog {
 public:
  static constexpr uint16_t kPerLeg = 128;

  EarlyLog(size_t capacity, bool may_grow) : may_grow_(may_grow) {
    sightings_.reserve(capacity);
    next_.reserve(capacity);
    sightings_.resize(capacity);
    next_.resize(capacity);
    for (size_t i = capacity; i-- > 0;) release(static_cast<uint32_t>(i));
  }

  // False: no room; the caller drops the leg's log. `count` is the length of the list.
  bool append(ListEnds& ends, uint8_t& count, const PairSighting& s) {
    if (count >= kPerLeg) return false;
    if (free_ == kNone) {
      if (!may_grow_) return false;
      sightings_.emplace_back();
      next_.push_back(kNone);
      release(static_cast<uint32_t>(next_.size() - 1));
    }
    const uint32_t slot = free_;
    free_ = next_[slot];
    sightings_[slot] = s;
    next_[slot] = kNone;
    (count == 0 ? ends.head : next_[ends.tail]) = slot;
    ends.tail = slot;
    ++count;
    return true;
  }
  template <typename F>
  void for_each(const ListEnds& ends, uint16_t count, F&& take) const {
    uint32_t slot = ends.head;
    for (uint16_t i = 0; i < count; ++i, slot = next_[slot]) take(sightings_[slot]);
  }
  void clear(ListEnds& ends, uint8_t& count) {
    for (; count > 0; --count) {
      const uint32_t slot = ends.head;
      ends.head = next_[slot];
      release(slot);
    }
  }

 private:
  void release(uint32_t slot) {
    next_[slot] = free_;
    free_ = slot;
  }
  const bool may_grow_;
  std::vector<PairSighting> sightings_;
  std::vector<uint32_t> next_;
  uint32_t free_ = kNone;
};

}  // namespace parallax
