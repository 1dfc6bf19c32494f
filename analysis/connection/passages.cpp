#include "analysis/connection/passages.h"

#include <iterator>
#include <utility>

namespace parallax {

void Passages::add(const PassageCount& count) {
  Ticks& ticks = ticks_[count.point][count.direction];
  Counts& counts = ticks.counts[tick_of(count.time_ns, ticks.length_ns)];
  (count.seen ? counts.shown : counts.missed) += count.packets;
  if (ticks.counts.size() <= kTicksMax) return;
  if (keeps_all_) {
    double_length(ticks);
  } else {
    ticks.counts.erase(ticks.counts.begin());
  }
}

void Passages::double_length(Ticks& ticks) {
  std::map<int64_t, Counts> counts;
  for (const auto& [number, of] : ticks.counts) {
    Counts& both = counts[tick_of(number, 2)];
    both.shown += of.shown;
    both.missed += of.missed;
  }
  ticks.counts = std::move(counts);
  ticks.length_ns *= 2;
}

bool Passages::is_blind(PointIndex point, Direction direction, int64_t time_ns) const {
  constexpr uint64_t kShownForEach = 4;  // a lossy mirror misses one now and then; a fifth or more is another matter
  const Ticks& ticks = ticks_[point][direction];
  const int64_t number = tick_of(time_ns, ticks.length_ns);
  const auto own = ticks.counts.find(number);
  const Counts here = own == ticks.counts.end() ? Counts{} : own->second;
  uint64_t missed = here.missed;
  const auto is_enough = [&] { return missed * kShownForEach > here.shown; };
  // And what it missed before and after, as far as it showed nothing; no further than it takes, for a mirror may be dead for
  // hours.
  for (auto it = own == ticks.counts.end() ? ticks.counts.lower_bound(number) : own;
       !is_enough() && it != ticks.counts.begin();) {
    if ((--it)->second.shown > 0) break;
    missed += it->second.missed;
  }
  const auto after = ticks.counts.upper_bound(number);
  for (auto it = after; !is_enough() && it != ticks.counts.end() && it->second.shown == 0; ++it) missed += it->second.missed;
  return is_enough();
}

}  // namespace parallax
