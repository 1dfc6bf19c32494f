#include "daemon/run/clock_alignment.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>

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

int64_t smallest(std::vector<int64_t> values, size_t but) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(but);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// From when on the stamps of two points are in doubt, and how far they are out, or seem to be.
struct Apart {
  int64_t from_ns, by_ns;
};

// By the first one's clock. nullopt: they do not contradict each other.
std::optional<Apart> contradiction_of(const std::vector<ClockMatch>& matches) {
  // A device may hold a packet for long, but not let it go before it came.
  constexpr size_t kFewest = 3;  // a retransmission may be taken for its original
  std::vector<int64_t> times, early;
  for (const ClockMatch& match : matches) {
    const int64_t early_ns = match.ttl_fall > 0 ? -match.ahead_ns : match.ahead_ns;
    if (match.ttl_fall == 0 || early_ns <= kApartNs) continue;
    times.push_back(match.first_ns);
    early.push_back(early_ns);
  }
  for (const ClockExchange& exchange : exchanges_of(matches)) {
    const int64_t early_ns = std::max(exchange.low->ahead_ns, -exchange.high->ahead_ns);
    if (early_ns <= kApartNs) continue;
    times.push_back(std::max(exchange.low->first_ns, exchange.high->first_ns));
    early.push_back(early_ns);
  }
  if (times.size() < kFewest) return std::nullopt;
  return Apart{*std::min_element(times.begin(), times.end()), smallest(early, early.size() / 2)};
}

constexpr size_t kFewest = 8, kStrays = 2;  // packets of one direction; some may be of other packets

// By how much all take longer than most of the others do; 0: they do not. Queues come and go.
int64_t longer_by(const std::vector<int64_t>& transits, const std::vector<int64_t>& others) {
  if (transits.size() < kFewest || others.size() < kFewest) return 0;
  const int64_t by_ns = smallest(transits, kStrays) - smallest(others, others.size() / 2);
  return by_ns > kApartNs ? by_ns : 0;
}

// The matches of one direction, and what its packets took. Which direction that is their TTLs tell.
struct OneWay {
  std::vector<ClockMatch> matches;
  int sign;

  OneWay(const std::vector<ClockMatch>& all, int way) : sign(way) {
    std::copy_if(all.begin(), all.end(), std::back_inserter(matches),
                 [way](const ClockMatch& match) { return match.ttl_fall * way > 0; });
  }
  std::vector<int64_t> transits(int64_t from_ns = kTimeMin, int64_t to_ns = kTimeMax) const {
    std::vector<int64_t> transits;
    for (const ClockMatch& match : matches) {
      if (match.first_ns >= from_ns && match.first_ns <= to_ns) transits.push_back(sign * match.ahead_ns);
    }
    return transits;
  }
};

// From when on nearly all take longer than most did before, or since ever where they take less, by the second point's clock.
// nullopt: never.
std::optional<Apart> jump_of(const OneWay& way) {
  constexpr size_t kSplitsMax = 256;
  const std::vector<int64_t> transits = way.transits();
  for (size_t i = kFewest; i + kFewest <= transits.size(); i += transits.size() / kSplitsMax + 1) {
    const auto split = transits.begin() + static_cast<std::ptrdiff_t>(i);
    const std::vector<int64_t> before(transits.begin(), split), after(split, transits.end());
    if (const int64_t by_ns = longer_by(before, after); by_ns > 0) return Apart{kTimeMin, by_ns};
    const int64_t by_ns = longer_by(after, before);
    if (by_ns == 0) continue;
    const int64_t most_ns = smallest(before, before.size() / 2) + kApartNs;
    size_t first = i;
    while (first > 0 && transits[first - 1] > most_ns) --first;
    const ClockMatch& match = way.matches[first];
    return Apart{match.first_ns + std::min<int64_t>(0, match.ahead_ns), by_ns};
  }
  return std::nullopt;
}

// By how much some of the first of them take longer, or less long, than nearly all of the others do; 0: none do. A device that
// holds the one packet longer than the other has not been set.
int64_t begin_otherwise_by(const std::vector<int64_t>& transits, const std::vector<int64_t>& others) {
  if (others.size() < kFewest) return 0;
  const size_t strays = std::max(kStrays, others.size() / 20);
  const int64_t least_ns = smallest(others, strays), most_ns = smallest(others, others.size() - 1 - strays);
  for (size_t count = kFewest; count <= transits.size(); count *= 2) {
    const std::vector<int64_t> first(transits.begin(), transits.begin() + static_cast<std::ptrdiff_t>(count));
    const int64_t by_ns = std::max(smallest(first, kStrays) - most_ns, least_ns - smallest(first, count / 2));
    if (by_ns > kApartNs) return by_ns;
  }
  return 0;
}

// The clock may have been set before packets of both directions compare it, or after that: the furthest of the one that passed
// alone then tell so.
void doubt_ends(const OneWay& way, const TimeSpan& compared, std::vector<PortOutage>& doubts) {
  const auto doubt = [&doubts](int64_t by_ns, int64_t from_ns, int64_t to_ns) {
    if (by_ns > 0) doubts.push_back({OutageCause::clock_jumped, from_ns, to_ns, by_ns});
  };
  const std::vector<int64_t> between = way.transits(compared.from_ns, compared.to_ns);
  doubt(begin_otherwise_by(way.transits(kTimeMin, compared.from_ns), between), kTimeMin, compared.from_ns + kNoticedLateNs);
  std::vector<int64_t> after = way.transits(compared.to_ns);
  std::reverse(after.begin(), after.end());
  doubt(begin_otherwise_by(after, between), compared.to_ns - kNoticedLateNs, PortOutage::kGoesOn);
}

// None is near: by chance it may be another packet, and where few were matched each counts.
std::optional<Apart> lateness_of(const std::vector<ClockMatch>& matches) {
  constexpr size_t kLeast = 3;
  if (matches.size() < kLeast) return std::nullopt;
  std::vector<int64_t> transits;
  for (const ClockMatch& match : matches) transits.push_back(std::abs(match.ahead_ns));
  const int64_t least_ns = smallest(transits, transits.size() < kFewest ? 0 : kStrays);
  return least_ns > kApartNs ? std::optional(Apart{kTimeMin, least_ns}) : std::nullopt;
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
  ClockLimits limits{std::vector<std::vector<PortOutage>>(points.size()), std::vector<bool>(points.size(), true)};
  for (size_t i = 0; i < points.size(); ++i) {
    std::vector<PortOutage>& doubts = limits.doubts[i];
    for (const TimeSpan& step : clocks[i].steps)
      doubts.push_back({.cause = OutageCause::clock_step, .from_ns = step.from_ns, .to_ns = step.to_ns});
    const auto doubt_from = [&doubts](OutageCause cause, std::optional<Apart> apart) {
      if (!apart) return;
      const int64_t from_ns = std::max(apart->from_ns, kTimeMin + kNoticedLateNs) - kNoticedLateNs;
      doubts.push_back({cause, from_ns, PortOutage::kGoesOn, apart->by_ns});
    };
    if (stepped_ns[i] != kTimeMax) doubt_from(OutageCause::clock_step, Apart{clocks[i].correction.corrected(stepped_ns[i]), 0});
    if (i == 0) continue;
    std::vector<ClockMatch> matches = corrected_matches(points[i - 1], points[i], clocks[i - 1], clocks[i]);
    const std::vector<ClockExchange> exchanges = exchanges_of(matches);
    const OneWay inward(matches, 1), outward(matches, -1);
    limits.compared[i] = !exchanges.empty();
    if (limits.compared[i]) {
      const TimeSpan compared{exchanges.front().first_ns(), exchanges.back().first_ns()};
      doubt_ends(inward, compared, doubts);
      doubt_ends(outward, compared, doubts);
      // Of another time, as is known now.
      std::erase_if(matches, [&doubts](const ClockMatch& match) {
        return std::any_of(doubts.begin(), doubts.end(), [&match](const PortOutage& doubt) {
          return doubt.cause == OutageCause::clock_jumped && match.first_ns >= doubt.from_ns && match.first_ns <= doubt.to_ns;
        });
      });
    }
    const std::optional<Apart> contradiction = contradiction_of(matches);
    const std::optional<Apart> lateness = limits.compared[i] || contradiction ? std::nullopt : lateness_of(matches);
    // Where all are late from ever, what jumps meanwhile adds nothing.
    if (!limits.compared[i] && !lateness) {
      doubt_from(OutageCause::clock_jumped, jump_of(inward));
      doubt_from(OutageCause::clock_jumped, jump_of(outward));
    }
    doubt_from(OutageCause::clocks_apart, contradiction);
    doubt_from(OutageCause::clocks_unknown, lateness);
  }
  return limits;
}

std::vector<PortOutage> ClockLimits::outages(size_t point) const {
  std::vector<PortOutage> outages;
  for (size_t i = 0; i < doubts.size(); ++i) {
    for (const PortOutage& doubt : doubts[i]) {
      const bool is_step = doubt.cause == OutageCause::clock_step;
      const size_t told_at = !is_step && i == 1 && doubts.size() > 2 ? 0 : i;
      if (point == told_at) outages.push_back(doubt);
      const bool is_own = is_step && doubt.goes_on();  // by its own files
      if (point > told_at && told_at == i && !is_own)
        outages.push_back({.cause = OutageCause::no_common_clock, .from_ns = doubt.from_ns, .to_ns = doubt.to_ns});
    }
  }
  return outages;
}

}  // namespace parallax
