// A set of finding kinds.
#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>

#include "analysis/model/vocabulary.h"

namespace parallax {

// One bit each.
class FindingKinds {
 public:
  FindingKinds() = default;
  FindingKinds(std::initializer_list<FindingKind> kinds) {
    for (const FindingKind kind : kinds) insert(kind);
  }
  bool contains(FindingKind kind) const { return bits_ & bit_of(kind); }
  // False: it was there already.
  bool insert(FindingKind kind) {
    const bool is_new = !contains(kind);
    bits_ |= bit_of(kind);
    return is_new;
  }
  void erase(FindingKind kind) { bits_ &= ~bit_of(kind); }
  // In the order of the vocabulary: `take(kind)`.
  template <typename Take>
  void for_each(Take&& take) const {
    for (uint64_t left = bits_; left != 0; left &= left - 1) take(static_cast<FindingKind>(std::countr_zero(left)));
  }
  FindingKinds& operator|=(FindingKinds other) {
    bits_ |= other.bits_;
    return *this;
  }

 private:
  static_assert(kFindingKindCount <= 64);
  static uint64_t bit_of(FindingKind kind) { return uint64_t{1} << static_cast<unsigned>(kind); }
  uint64_t bits_ = 0;
};

}  // namespace parallax
