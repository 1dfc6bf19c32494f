#include "analysis/detect/rhythms.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "analysis/finding/evidence.h"

namespace parallax {

namespace {
void tell(Observation opening, const PacketFacts& syn, std::vector<Observation>& out) {
  opening.evidence.push_back(present_at(syn, "SYN to " + to_string(opening.service)));
  out.push_back(std::move(opening));
}
}  // namespace

// The middle interval, if all are about as long; 0: they are not, or too few times are known.
int64_t Rhythms::period_of(const std::vector<Time>& times, const Thresholds& thresholds) {
  if (times.size() < thresholds.periodic_connections_openings) return 0;
  std::vector<int64_t> intervals(times.size() - 1);
  for (size_t i = 0; i < intervals.size(); ++i) intervals[i] = times[i + 1].at_ns - times[i].at_ns;
  std::sort(intervals.begin(), intervals.end());
  const int64_t middle = intervals[intervals.size() / 2];
  const int64_t slack = std::max(middle / kEven, kSlackNs);
  const bool is_even = middle - intervals.front() <= slack && intervals.back() - middle <= slack;
  return is_even && middle >= thresholds.periodic_connections_period_ns ? middle : 0;
}

void Rhythms::take(Observation opening, const PacketFacts& syn, const Thresholds& thresholds, std::vector<Observation>& out) {
  Pair& pair = pairs_.use(KeyedHash().add(opening.source.address).add(opening.service).value());
  std::vector<Time>& times = pair.times;
  const int64_t at_ns = opening.first_ns;
  if (!times.empty() && at_ns <= times.back().at_ns + kTogetherNs) {
    ++times.back().openings;
    if (!pair.is_told) return;
    opening.period_seconds = static_cast<double>(period_of(times, thresholds)) / 1e9;
    tell(std::move(opening), syn, out);
    return;
  }
  times.push_back({at_ns, 1});
  const size_t many = thresholds.periodic_connections_openings;
  if (times.size() > many) times.erase(times.begin(), times.end() - static_cast<ptrdiff_t>(many));
  opening.period_seconds = static_cast<double>(period_of(times, thresholds)) / 1e9;
  const bool was_told = std::exchange(pair.is_told, opening.period_seconds > 0);
  if (!pair.is_told) return;
  if (!was_told) {
    opening.first_ns = times.front().at_ns;
    opening.count = opening.attempts = std::accumulate(times.begin(), times.end(), uint64_t{0},
                                                       [](uint64_t sum, const Time& time) { return sum + time.openings; });
  }
  tell(std::move(opening), syn, out);
}

}  // namespace parallax
