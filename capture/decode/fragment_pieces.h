// Which bytes of one fragmented packet have been seen, in whatever order its fragments come and however often.
//
// A plain value of fixed size. Fragments mostly come in order, or the last one first: few stretches are ever apart.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "capture/core/sighting.h"

namespace parallax {

class FragmentPieces {
 public:
  static constexpr size_t kApartMost = 4;  // stretches with gaps between them

  // False: more of them are apart than are kept, and the packet will never be said to be complete.
  bool add(const FragmentSpan& span) {
    if (has_overflown_) return false;
    if (span.is_last) length_ = span.end;
    if (span.begin >= span.end) return true;
    Stretch whole{span.begin, span.end};
    size_t kept = 0;
    for (size_t i = 0; i < count_; ++i) {
      const Stretch& other = stretches_[i];
      if (other.begin <= whole.end && whole.begin <= other.end) {
        whole = {std::min(whole.begin, other.begin), std::max(whole.end, other.end)};
      } else {
        stretches_[kept++] = other;
      }
    }
    has_overflown_ = kept == kApartMost;
    if (!has_overflown_) stretches_[kept++] = whole;
    count_ = static_cast<uint8_t>(kept);
    return !has_overflown_;
  }
  bool complete() const { return !has_overflown_ && length_ > 0 && count_ == 1 && stretches_[0].covers(length_); }

 private:
  struct Stretch {
    uint32_t begin, end;
    bool covers(uint32_t length) const { return begin == 0 && end >= length; }
  };
  std::array<Stretch, kApartMost> stretches_{};
  uint32_t length_ = 0;  // 0: its last fragment has not been seen
  uint8_t count_ = 0;
  bool has_overflown_ = false;
};

}  // namespace parallax
