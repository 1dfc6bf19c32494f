// A message that comes in several segments, put together; and the bounded pool of such buffers.
//
// A buffer is in use only while a message is incomplete. Segments are written where they belong by their sequence number; a few
// may be missing in the middle. What comes twice is taken once. Used by one analysis worker. Live, memory is taken at the start:
// where all buffers are in use, the one of a sample that has waited longest gives way. Offline the pool grows.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <span>
#include <vector>

#include "analysis/leg/leg.h"
#include "capture/core/payload_prefix.h"

namespace parallax {

class MessageBuffer {
 public:
  static constexpr uint32_t kBytesMax = kPayloadPrefixBytesMax;
  static constexpr size_t kIslandsMax = 4;  // pieces beyond a gap

  void clear() { length_ = island_count_ = 0; }
  // From the first byte on, without a gap.
  std::span<const uint8_t> contiguous() const { return {bytes_.data(), length_}; }
  bool full() const { return length_ == kBytesMax; }

  // Takes bytes of the message from `offset` on, as far as there is room for them, and for another piece beyond a gap.
  void add(uint32_t offset, std::span<const uint8_t> bytes) {
    if (offset >= kBytesMax) return;
    const auto end = static_cast<uint32_t>(std::min<size_t>(kBytesMax, offset + bytes.size()));
    if (end <= length_) return;
    if (offset > length_ && !add_island(offset, end)) return;
    const uint32_t from = std::max(offset, length_);
    std::memcpy(bytes_.data() + from, bytes.data() + (from - offset), end - from);
    if (offset > length_) return;
    length_ = end;
    absorb_islands();
  }

  // The first `count` bytes were a message: what follows moves to the front. REQUIRES: count <= contiguous().size().
  void drop_first(uint32_t count) {
    const uint32_t end = island_count_ > 0 ? islands_end() : length_;
    std::memmove(bytes_.data(), bytes_.data() + count, end - count);
    length_ -= count;
    for (uint32_t i = 0; i < island_count_; ++i) islands_[i].begin -= count, islands_[i].end -= count;
  }

 private:
  struct Island {
    uint32_t begin, end;
  };

  bool add_island(uint32_t begin, uint32_t end) {
    for (uint32_t i = 0; i < island_count_; ++i) {
      if (begin > islands_[i].end || end < islands_[i].begin) continue;
      islands_[i] = {std::min(begin, islands_[i].begin), std::max(end, islands_[i].end)};
      return true;
    }
    if (island_count_ == kIslandsMax) return false;
    islands_[island_count_++] = {begin, end};
    return true;
  }
  void absorb_islands() {
    for (uint32_t i = 0; i < island_count_;) {
      if (islands_[i].begin > length_) {
        ++i;
        continue;
      }
      length_ = std::max(length_, islands_[i].end);
      islands_[i] = islands_[--island_count_];
      i = 0;
    }
  }
  uint32_t islands_end() const {
    uint32_t end = length_;
    for (uint32_t i = 0; i < island_count_; ++i) end = std::max(end, islands_[i].end);
    return end;
  }

  uint32_t length_ = 0;
  uint32_t island_count_ = 0;
  std::array<Island, kIslandsMax> islands_;
  std::array<uint8_t, kBytesMax> bytes_;
};

class MessageBufferPool {
 public:
  struct Owner {
    uint32_t state = kNone;  // whose message it is, in the words of the pool's user; kNone: free
    Side from{};
  };

  MessageBufferPool(size_t buffers, bool may_grow) : may_grow_(may_grow) {
    const size_t count = may_grow ? 0 : std::max<size_t>(buffers, 1);
    slots_.resize(count);
    free_.reserve(count);
    for (size_t i = count; i-- > 0;) free_.push_back(static_cast<uint32_t>(i));
  }

  MessageBuffer& operator[](uint32_t index) { return slots_[index].buffer; }
  size_t in_use() const { return slots_.size() - free_.size(); }

  // An empty buffer. `evicted`: from whom it was taken; state kNone: from nobody.
  uint32_t take(const Owner& owner, int64_t now_ns, Owner& evicted) {
    evicted = {};
    if (free_.empty() && may_grow_) {
      free_.push_back(static_cast<uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    uint32_t index;
    if (free_.empty()) {
      index = idlest_of_sample();
      evicted = slots_[index].owner;
    } else {
      index = free_.back();
      free_.pop_back();
    }
    slots_[index].owner = owner;
    slots_[index].touched_ns = now_ns;
    slots_[index].buffer.clear();
    return index;
  }
  void touch(uint32_t index, int64_t now_ns) { slots_[index].touched_ns = now_ns; }
  void give_back(uint32_t index) {
    slots_[index].owner = {};
    free_.push_back(index);
  }

 private:
  struct Slot {
    MessageBuffer buffer;
    Owner owner;
    int64_t touched_ns = 0;
  };

  uint32_t idlest_of_sample() {
    constexpr size_t kSample = 8;
    uint32_t idlest = kNone;
    for (size_t i = 0; i < std::min(kSample, slots_.size()); ++i) {
      hand_ = (hand_ + 1) % slots_.size();
      if (idlest == kNone || slots_[hand_].touched_ns < slots_[idlest].touched_ns) idlest = static_cast<uint32_t>(hand_);
    }
    return idlest;
  }

  const bool may_grow_;
  std::deque<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t hand_ = 0;
};

}  // namespace parallax
