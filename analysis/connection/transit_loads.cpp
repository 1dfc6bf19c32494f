#include "analysis/connection/transit_loads.h"

namespace parallax {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

}  // namespace

void TransitLoads::Class::add(const Second& second) {
  ++seconds;
  for (const Direction direction : kDirections) ways[direction].add(second.ways[direction]);
}

uint64_t TransitLoads::begin_of(size_t load_class) {
  constexpr std::array<uint64_t, 3> kSteps = {1, 2, 5};
  uint64_t begin = kSteps[load_class % kSteps.size()];
  for (size_t decade = load_class / kSteps.size(); decade > 0; --decade) begin *= 10;
  return begin;
}

size_t TransitLoads::class_of(uint64_t packets) {
  size_t of = 0;
  while (of + 1 < kClasses && packets >= begin_of(of + 1)) ++of;
  return of;
}

void TransitLoads::add(const PassageCount& count) {
  Second& second = seconds_[tick_of(count.time_ns, kSecondNs)];
  second.crossed += count.crossed;
  second.ways[count.direction].add({count.timed, count.transit_ns});
  if (seconds_.size() <= kSecondsMax) return;
  const auto oldest = seconds_.begin();
  older_[class_of(oldest->second.crossed)].add(oldest->second);
  seconds_.erase(oldest);
}

std::vector<TransitAtLoad> TransitLoads::by_load() const {
  std::array<Class, kClasses> classes = older_;
  for (const auto& [number, second] : seconds_) classes[class_of(second.crossed)].add(second);
  std::vector<TransitAtLoad> by_load;
  for (size_t i = 0; i < kClasses; ++i) {
    if (classes[i].seconds == 0) continue;
    TransitAtLoad& at = by_load.emplace_back();
    at.packets_per_second_from = begin_of(i);
    at.packets_per_second_below = begin_of(i + 1);
    at.seconds = classes[i].seconds;
    for (const Direction direction : kDirections) {
      const Way& way = classes[i].ways[direction];
      if (way.timed > 0) at.mean_ns[direction] = way.transit_ns / static_cast<int64_t>(way.timed);
    }
  }
  return by_load;
}

}  // namespace parallax
