// Several maps in place of one large one, so that none of them has much to move at once when it grows: an unordered map of
// 100,000 keys takes tens of milliseconds for that, in the middle of one insertion.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace parallax {

template <typename Map>
class Shards {
 public:
  // `hash`: of the key, as good in its upper bits as in the others.
  Map& of(uint64_t hash) { return maps_[hash >> kShift]; }
  const Map& of(uint64_t hash) const { return maps_[hash >> kShift]; }

 private:
  static constexpr int kShift = 58;
  std::array<Map, size_t{1} << (64 - kShift)> maps_;
};

}  // namespace parallax
