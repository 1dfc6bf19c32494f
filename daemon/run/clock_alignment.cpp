#include "daemon/run/clock_alignment.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "capture/source/time_order.h"
#include "daemon/run/clock_fit.h"
#include "daemon/run/clock_matches.h"

namespace parallax {

namespace {

// What the files of one machine show of a step depends on when they had packets.
constexpr int64_t kNoticedLateNs = 100'000'000;

// As the second point stamps.
ClockLine line_of(const ClockFit& fit) {
  if (!fit.differs) return {};
  return {fit.offset_ns, fit.drift / (1 + fit.drift), fit.from_ns + fit.offset_ns};
}

// From when on, as stamped, the line after a step holds: between the last stamp before it and the first after it, so that no
// packet gets another's. Where the clock was set back these overlap.
int64_t switch_ns(const ClockFit& before, const ClockFit& after) {
  const int64_t from_ns = before.to_ns + before.ahead_ns(before.to_ns), to_ns = after.from_ns + after.ahead_ns(after.from_ns);
  // Where it was set forward, stamps before the step are below, and those after it above.
  const int64_t low_ns = after.from_ns + before.ahead_ns(after.from_ns), high_ns = before.to_ns + after.ahead_ns(before.to_ns);
  return low_ns <= high_ns ? low_ns + (high_ns - low_ns) / 2 : from_ns + (to_ns - from_ns) / 2;
}

// Packets near a step may bear another's time.
TimeSpan doubt_between(const ClockFit& before, const ClockFit& after) {
  const int64_t step_ns = std::abs(after.ahead_ns(after.from_ns) - before.ahead_ns(before.to_ns));
  const int64_t margin_ns = kNoticedLateNs + std::min(step_ns, TimeOrder::kWindowNs);
  return {before.to_ns - margin_ns, after.from_ns + margin_ns};
}

PointClock clock_of(const std::vector<ClockFit>& fits) {
  PointClock clock;
  if (std::none_of(fits.begin(), fits.end(), [](const ClockFit& fit) { return fit.differs; })) return clock;
  for (size_t i = 0; i < fits.size(); ++i) {
    clock.correction.parts.push_back({i == 0 ? kTimeMin : switch_ns(fits[i - 1], fits[i]), line_of(fits[i])});
    clock.correction.uncertainty_ns = std::max(clock.correction.uncertainty_ns, fits[i].uncertainty_ns);
    if (i > 0) clock.steps.push_back(doubt_between(fits[i - 1], fits[i]));
  }
  return clock;
}

// `step` is against the stamps that `before` corrects.
ClockCorrection chained(const ClockCorrection& before, const ClockCorrection& step) {
  if (step.none()) return before;
  if (before.none()) return step;
  struct Bound {
    int64_t from_ns, there_ns;  // as the file stamps, and by the clock that `before` corrects
  };
  std::vector<Bound> bounds;
  for (size_t i = 1; i < step.parts.size(); ++i) {
    const int64_t from_ns = step.parts[i].from_ns;
    bounds.push_back({from_ns, step.corrected(from_ns)});
  }
  for (size_t i = 1; i < before.parts.size(); ++i) {
    const int64_t there_ns = before.parts[i].from_ns;
    const auto holds = [&](const ClockCorrection::Part& part) { return there_ns + part.line.ahead_ns(there_ns) >= part.from_ns; };
    const auto last = std::find_if(step.parts.rbegin(), step.parts.rend() - 1, holds);
    bounds.push_back({there_ns + last->line.ahead_ns(there_ns), there_ns});
  }
  std::sort(bounds.begin(), bounds.end(), [](const Bound& a, const Bound& b) { return a.from_ns < b.from_ns; });
  const auto sum = [](const ClockLine& own, const ClockLine& other, int64_t since_ns, int64_t there_ns) {
    return ClockLine{own.ahead_ns(since_ns) + other.ahead_ns(there_ns), own.drift + other.drift * (1 - own.drift), since_ns};
  };
  const ClockLine& first = step.parts.front().line;
  ClockCorrection clock{{}, before.uncertainty_ns + step.uncertainty_ns};
  clock.parts.push_back({kTimeMin, sum(first, before.parts.front().line, first.since_ns, first.since_ns - first.offset_ns)});
  for (const Bound& bound : bounds) {
    const ClockLine line = sum(step.line_at(bound.from_ns), before.line_at(bound.there_ns), bound.from_ns, bound.there_ns);
    clock.parts.push_back({bound.from_ns, line});
  }
  return clock;
}

}  // namespace

PointClock compare_clocks(const ClockSamples& first, const ClockSamples& second) {
  return clock_of(fit_clocks(matches_of(first, second)));
}

std::vector<PointClock> align_clocks(const std::vector<ClockSamples>& points) {
  std::vector<PointClock> clocks(points.size());
  for (size_t i = 1; i < points.size(); ++i) {
    const ClockCorrection& before = clocks[i - 1].correction;
    const PointClock step = compare_clocks(points[i - 1], points[i]);
    clocks[i].correction = chained(before, step.correction);
    for (const TimeSpan& span : step.steps)
      clocks[i].steps.push_back({before.corrected(span.from_ns), before.corrected(span.to_ns)});
  }
  return clocks;
}

std::optional<double> one_way_drift(const ClockSamples& first, const ClockSamples& second) {
  return one_way_drift(matches_of(first, second));
}

namespace {

// By more than stamps of two machines that keep the same time are apart.
constexpr int64_t kApartNs = 20'000'000;

// When two points contradict each other, by the first one's clock; kTimeMax: they do not.
int64_t contradicted_from(const std::vector<ClockMatch>& matches) {
  // A device may hold a packet for long, but not let it go before it came.
  constexpr size_t kFewest = 3;  // a retransmission may be taken for its original
  std::vector<int64_t> contradictions;
  for (const ClockMatch& match : matches) {
    const int64_t transit_ns = match.ttl_fall > 0 ? match.ahead_ns : -match.ahead_ns;
    if (match.ttl_fall != 0 && transit_ns < -kApartNs) contradictions.push_back(match.first_ns);
  }
  for (const ClockExchange& exchange : exchanges_of(matches)) {
    if (exchange.low->ahead_ns > kApartNs || exchange.high->ahead_ns < -kApartNs)
      contradictions.push_back(std::max(exchange.low->first_ns, exchange.high->first_ns));
  }
  return contradictions.size() < kFewest ? kTimeMax : *std::min_element(contradictions.begin(), contradictions.end());
}

int64_t smallest(std::vector<int64_t> values, size_t but) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(but);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// Of packets of one direction: from when on nearly all take longer than most did before, or since ever where they take less, by
// the second point's clock. A queue comes and goes. kTimeMax: never.
int64_t moved_from(const std::vector<ClockMatch>& matches, int sign) {
  constexpr size_t kFewest = 8, kStrays = 2;  // some may be of other packets
  constexpr size_t kSplitsMax = 256;
  std::vector<int64_t> transits;
  for (const ClockMatch& match : matches) transits.push_back(sign * match.ahead_ns);
  for (size_t i = kFewest; i + kFewest <= transits.size(); i += transits.size() / kSplitsMax + 1) {
    const auto split = transits.begin() + static_cast<std::ptrdiff_t>(i);
    const std::vector<int64_t> before(transits.begin(), split), after(split, transits.end());
    if (smallest(before, kStrays) - smallest(after, after.size() / 2) > kApartNs) return kTimeMin;
    const int64_t most_ns = smallest(before, before.size() / 2) + kApartNs;
    if (smallest(after, kStrays) <= most_ns) continue;
    size_t first = i;
    while (first > 0 && transits[first - 1] > most_ns) --first;
    return matches[first].first_ns + std::min<int64_t>(0, matches[first].ahead_ns);
  }
  return kTimeMax;
}
int64_t moved_from(const std::vector<ClockMatch>& matches) {
  std::vector<ClockMatch> inward, outward;
  for (const ClockMatch& match : matches) {
    if (match.ttl_fall != 0) (match.ttl_fall > 0 ? inward : outward).push_back(match);
  }
  return std::min(moved_from(inward, 1), moved_from(outward, -1));
}

// Those of two points, as corrected, without what is near a step.
std::vector<ClockMatch> corrected_matches(const ClockSamples& first, const ClockSamples& second, const PointClock& clock,
                                          const PointClock& other) {
  std::vector<ClockMatch> matches = matches_of(first, second);
  for (ClockMatch& match : matches) {
    const int64_t second_ns = other.correction.corrected(match.first_ns + match.ahead_ns);
    match.first_ns = clock.correction.corrected(match.first_ns);
    match.ahead_ns = second_ns - match.first_ns;
  }
  std::erase_if(matches, [&](const ClockMatch& match) {
    return std::any_of(other.steps.begin(), other.steps.end(),
                       [&](const TimeSpan& span) { return match.first_ns >= span.from_ns && match.first_ns <= span.to_ns; });
  });
  return matches;
}

}  // namespace

ClockLimits clock_limits(const std::vector<ClockSamples>& points, const std::vector<PointClock>& clocks,
                         const std::vector<int64_t>& stepped_ns) {
  const std::vector<int64_t> never(points.size(), kTimeMax);
  ClockLimits limits{never, never, never, std::vector<bool>(points.size(), true)};
  for (size_t i = 0; i < points.size(); ++i) {
    if (stepped_ns[i] != kTimeMax) limits.stepped_ns[i] = clocks[i].correction.corrected(stepped_ns[i]) - kNoticedLateNs;
    if (i == 0) continue;
    const std::vector<ClockMatch> matches = corrected_matches(points[i - 1], points[i], clocks[i - 1], clocks[i]);
    limits.compared[i] = !exchanges_of(matches).empty();
    if (const int64_t moved_ns = limits.compared[i] ? kTimeMax : moved_from(matches); moved_ns != kTimeMax)
      limits.moved_ns[i] = std::max(moved_ns, kTimeMin + kNoticedLateNs) - kNoticedLateNs;
    const int64_t from_ns = contradicted_from(matches);
    if (from_ns != kTimeMax) limits.apart_ns[i] = from_ns - kNoticedLateNs;
  }
  return limits;
}

}  // namespace parallax
