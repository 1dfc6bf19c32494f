#include "analysis/detect/rhythms.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace parallax {
namespace {

// The middle interval, if all are about as long; 0: they are not.
int64_t period_of(const std::array<int64_t, Rhythms::kTimes>& times) {
  std::array<int64_t, Rhythms::kTimes - 1> intervals;
  for (size_t i = 0; i < intervals.size(); ++i) intervals[i] = times[i + 1] - times[i];
  std::sort(intervals.begin(), intervals.end());
  const int64_t middle = intervals[intervals.size() / 2];
  const int64_t slack = std::max(middle / Rhythms::kEven, Rhythms::kSlackNs);
  const bool is_even = middle - intervals.front() <= slack && intervals.back() - middle <= slack;
  return is_even && middle >= Rhythms::kPeriodLeastNs ? middle : 0;
}

}  // namespace

void Rhythms::take(Observation opening, std::vector<Observation>& out) {
  Pair& pair = pairs_.use(KeyedHash().add(opening.source.address).add(opening.service).value());
  const int64_t at_ns = opening.first_ns;
  if (pair.kept > 0 && at_ns <= pair.times[pair.kept - 1] + kTogetherNs) {
    ++pair.openings[pair.kept - 1];
    if (!pair.is_told) return;
    opening.period_seconds = static_cast<double>(period_of(pair.times)) / 1e9;
    out.push_back(std::move(opening));
    return;
  }
  if (pair.kept == kTimes) {
    std::move(pair.times.begin() + 1, pair.times.end(), pair.times.begin());
    std::move(pair.openings.begin() + 1, pair.openings.end(), pair.openings.begin());
    --pair.kept;
  }
  pair.times[pair.kept] = at_ns;
  pair.openings[pair.kept++] = 1;
  opening.period_seconds = pair.kept == kTimes ? static_cast<double>(period_of(pair.times)) / 1e9 : 0;
  const bool was_told = std::exchange(pair.is_told, opening.period_seconds > 0);
  if (!pair.is_told) return;
  if (!was_told) {
    opening.first_ns = pair.times.front();
    opening.count = opening.attempts = std::accumulate(pair.openings.begin(), pair.openings.end(), uint64_t{0});
  }
  out.push_back(std::move(opening));
}

}  // namespace parallax
