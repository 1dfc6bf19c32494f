#include "daemon/run/clock_fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <unordered_map>

namespace parallax {

namespace {

constexpr size_t kExchangesMin = 8;
constexpr size_t kFitsMax = 16;
constexpr double kDriftMax = 1e-3;        // beyond, it is no clock's
constexpr double kToleranceNs = 50'000;   // for a match to agree with a line that is not yet fitted
constexpr double kResolutionNs = 1000;    // of the stamps of most files

struct Spot {
  double at_ns, ahead_ns;  // since the first match, and more than the first match
};
struct Line {
  double offset_ns = 0, drift = 0;
  double at(double ns) const { return offset_ns + drift * ns; }
  double over(const Spot& spot) const { return spot.ahead_ns - at(spot.at_ns); }
};
struct Exchange {
  Spot low, high;

  double width_ns() const { return high.ahead_ns - low.ahead_ns; }
  Spot middle() const { return {(low.at_ns + high.at_ns) / 2, (low.ahead_ns + high.ahead_ns) / 2}; }
  bool agrees(const Line& line) const { return line.over(low) <= kToleranceNs && line.over(high) >= -kToleranceNs; }
};
struct Range {
  size_t begin, end;
  size_t size() const { return end - begin; }
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Range stretch_of(Range range, size_t i, size_t stretches) {
  return {range.begin + range.size() * i / stretches, range.begin + range.size() * (i + 1) / stretches};
}

// ---- which matches are right ----

// The middles of the narrowest exchanges of each stretch of time.
std::vector<Spot> narrowest(const std::vector<Exchange>& exchanges, Range range) {
  constexpr size_t kStretchesMax = 32, kOfEach = 2;
  const size_t stretches = std::clamp<size_t>(range.size() / kExchangesMin, 1, kStretchesMax);
  std::vector<Spot> spots;
  for (size_t i = 0; i < stretches; ++i) {
    const Range part = stretch_of(range, i, stretches);
    std::vector<size_t> order;
    for (size_t j = part.begin; j < part.end; ++j) order.push_back(j);
    const size_t count = stretches == 1 ? std::min(order.size(), kExchangesMin) : std::min(order.size(), kOfEach);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), [&](size_t a, size_t b) {
      return exchanges[a].width_ns() != exchanges[b].width_ns() ? exchanges[a].width_ns() < exchanges[b].width_ns() : a < b;
    });
    for (size_t j = 0; j < count; ++j) spots.push_back(exchanges[order[j]].middle());
  }
  return spots;
}

// The line that the most exchanges agree with, of those through two narrow ones, and of those through one without a drift.
Line consensus(const std::vector<Exchange>& exchanges, Range range) {
  constexpr size_t kAskedMax = 1024;
  constexpr double kApartLeast = 0.1;  // of the time
  const size_t step = range.size() / kAskedMax + 1;
  const double span_ns = exchanges[range.end - 1].middle().at_ns - exchanges[range.begin].middle().at_ns;
  Line best;
  size_t most = 0;
  const auto consider = [&](const Line& line) {
    size_t agree = 0;
    for (size_t i = range.begin; i < range.end; i += step) agree += exchanges[i].agrees(line);
    if (agree > most) {
      most = agree;
      best = line;
    }
  };
  const std::vector<Spot> spots = narrowest(exchanges, range);
  for (const Spot& a : spots) consider({a.ahead_ns, 0});
  for (size_t i = 0; i < spots.size(); ++i) {
    for (size_t j = i + 1; j < spots.size(); ++j) {
      const double apart_ns = spots[j].at_ns - spots[i].at_ns;
      if (apart_ns <= kApartLeast * span_ns) continue;
      const double drift = (spots[j].ahead_ns - spots[i].ahead_ns) / apart_ns;
      if (std::abs(drift) <= kDriftMax) consider({spots[i].ahead_ns - drift * spots[i].at_ns, drift});
    }
  }
  return best;
}

// The stretch in which nearly all agree: the largest sum, where one that does not agree outweighs three that do.
Range agreeing(const std::vector<Exchange>& exchanges, Range range, const Line& line) {
  constexpr int64_t kOutweighs = 3;
  Range best{range.begin, range.begin};
  int64_t sum = 0, largest = 0;
  size_t begin = range.begin;
  for (size_t i = range.begin; i < range.end; ++i) {
    sum += exchanges[i].agrees(line) ? 1 : -kOutweighs;
    if (sum <= 0) {
      sum = 0;
      begin = i + 1;
    } else if (sum > largest) {
      largest = sum;
      best = {begin, i + 1};
    }
  }
  return best;
}

struct Part {
  Range exchanges;
  Line line;
};

void split(const std::vector<Exchange>& exchanges, Range range, const Line* other, std::vector<Part>& parts) {
  if (range.size() < kExchangesMin || parts.size() == kFitsMax) return;
  const Line line = consensus(exchanges, range);
  const Range found = agreeing(exchanges, range, line);
  if (found.size() < kExchangesMin) return;
  // Where both do it is no other clock.
  size_t both = 0;
  for (size_t i = found.begin; other != nullptr && i < found.end; ++i) both += exchanges[i].agrees(*other);
  if (both * 2 > found.size()) return;
  parts.push_back({found, line});
  split(exchanges, {range.begin, found.begin}, &line, parts);
  split(exchanges, {found.end, range.end}, &line, parts);
}

// ---- the line between both directions ----

struct Sides {
  std::vector<Spot> later, sooner;  // toward the second point, where they are seen later; and from there. In order of time
};

// The packets of `matches` from line.begin() on, by direction of travel: most packets of a flow say which of its directions is
// which.
Sides sides_of(const std::vector<ClockMatch>& matches, const std::vector<Spot>& spots, Range range, const Line& line) {
  struct Votes {
    int low_to_high_is_later = 0, all = 0;
  };
  std::unordered_map<uint32_t, Votes> votes;
  for (size_t i = range.begin; i < range.end; ++i) {
    Votes& flow = votes[matches[i].flow];
    flow.low_to_high_is_later += (line.over(spots[i]) > 0) == matches[i].low_to_high ? 1 : -1;
    ++flow.all;
  }
  Sides sides;
  for (size_t i = range.begin; i < range.end; ++i) {
    const Votes& flow = votes[matches[i].flow];
    if (std::abs(flow.low_to_high_is_later) * 2 < flow.all) continue;
    const bool later = (flow.low_to_high_is_later > 0) == matches[i].low_to_high;
    const double over = line.over(spots[i]);
    if ((later ? over : -over) >= -kToleranceNs) (later ? sides.later : sides.sooner).push_back({spots[i].at_ns, over});
  }
  return sides;
}

// Mirrored, so that of each direction the least counts.
std::vector<Spot> mirrored(std::vector<Spot> spots) {
  for (Spot& spot : spots) spot.ahead_ns = -spot.ahead_ns;
  return spots;
}

// The least of each few, so that hardly any is a wrong match.
std::vector<Spot> least_of(const std::vector<Spot>& spots) {
  constexpr size_t kEach = 16, kStretchesMax = 1024;
  const size_t stretches = std::clamp<size_t>(spots.size() / kEach, 1, kStretchesMax);
  std::vector<Spot> least;
  for (size_t i = 0; i < stretches; ++i) {
    const Range part = stretch_of({0, spots.size()}, i, stretches);
    least.push_back(*std::min_element(spots.begin() + static_cast<std::ptrdiff_t>(part.begin),
                                      spots.begin() + static_cast<std::ptrdiff_t>(part.end),
                                      [](const Spot& a, const Spot& b) { return a.ahead_ns < b.ahead_ns; }));
  }
  return least;
}

void add_slopes(const std::vector<Spot>& spots, double sign, std::vector<double>& slopes) {
  constexpr size_t kPointsMax = 256;
  const size_t step = spots.size() / kPointsMax + 1;
  const double span_ns = spots.back().at_ns - spots.front().at_ns;
  for (size_t i = 0; i < spots.size(); i += step) {
    for (size_t j = i + step; j < spots.size(); j += step) {
      const double apart_ns = spots[j].at_ns - spots[i].at_ns;
      if (apart_ns > span_ns / 4) slopes.push_back(sign * (spots[j].ahead_ns - spots[i].ahead_ns) / apart_ns);
    }
  }
}

// Leaves out what lies below the others, as another packet does; returns what the least ones scatter by. Where queues are empty
// now and then the least are spread as an exponential distribution: its lower edge follows from the median and a tenth.
double trim(std::vector<Spot>& spots, double drift) {
  constexpr double kEdge = 0.179;  // ln(0.9) / (ln(0.5) - ln(0.9))
  std::vector<double> heights;
  for (const Spot& spot : least_of(spots)) heights.push_back(spot.ahead_ns - drift * spot.at_ns);
  std::sort(heights.begin(), heights.end());
  const double middle = heights[heights.size() / 2], tenth = heights[heights.size() / 10];
  const double scatter = middle - tenth, edge = tenth - kEdge * scatter;
  std::erase_if(spots, [&](const Spot& spot) {
    return spot.ahead_ns - drift * spot.at_ns < edge - scatter / 2 - kResolutionNs;
  });
  return scatter;
}

// The lower convex hull (Andrew 1979).
std::vector<Spot> hull_of(const std::vector<Spot>& spots) {
  std::vector<Spot> hull;
  for (const Spot& c : spots) {
    while (hull.size() >= 2) {
      const Spot &a = hull[hull.size() - 2], &b = hull.back();
      const double turn = (b.at_ns - a.at_ns) * (c.ahead_ns - a.ahead_ns) - (b.ahead_ns - a.ahead_ns) * (c.at_ns - a.at_ns);
      if (turn > 0) break;
      hull.pop_back();
    }
    hull.push_back(c);
  }
  return hull;
}

// The height over `centre_ns` of the line of that slope that touches from below.
double floor_of(const std::vector<Spot>& hull, double drift, double centre_ns) {
  double least = hull.front().ahead_ns - drift * (hull.front().at_ns - centre_ns);
  for (const Spot& spot : hull) least = std::min(least, spot.ahead_ns - drift * (spot.at_ns - centre_ns));
  return least;
}

// The slope in [low, high] at which `height` (concave) is greatest.
template <typename Height>
double highest(double low, double high, Height&& height) {
  for (int i = 0; i < 80; ++i) {
    const double a = low + (high - low) / 3, b = high - (high - low) / 3;
    (height(a) < height(b) ? low : high) = height(a) < height(b) ? a : b;
  }
  return (low + high) / 2;
}

struct Refined {
  Line line;
  double uncertainty_ns, scatter_ns;
};

Refined refined(Sides sides, const Line& coarse) {
  std::array<std::vector<Spot>, 2> spots{std::move(sides.later), mirrored(std::move(sides.sooner))};
  const double from_ns = std::min(spots[0].front().at_ns, spots[1].front().at_ns);
  const double to_ns = std::max(spots[0].back().at_ns, spots[1].back().at_ns);
  const double span_ns = std::max(to_ns - from_ns, 1.0), centre_ns = (from_ns + to_ns) / 2;
  // Theil and Sen's estimator, to trim by.
  std::vector<double> slopes;
  add_slopes(least_of(spots[0]), 1, slopes);
  add_slopes(least_of(spots[1]), -1, slopes);
  const double rough = slopes.size() < kExchangesMin ? 0 : median(std::move(slopes));
  Refined found{};
  for (size_t side = 0; side < 2; ++side) {
    found.scatter_ns += trim(spots[side], side == 0 ? rough : -rough);
    spots[side] = hull_of(spots[side]);
  }
  const auto& [later, sooner] = spots;
  const double around = (8 * found.scatter_ns + 4 * kResolutionNs) / span_ns;
  const auto both = [&](double d) { return floor_of(later, d, centre_ns) + floor_of(sooner, -d, centre_ns); };
  double drift = highest(rough - around, rough + around, both);
  const double of_later = highest(rough - around, rough + around, [&](double d) { return floor_of(later, d, centre_ns); });
  const double of_sooner = highest(rough - around, rough + around, [&](double d) { return floor_of(sooner, -d, centre_ns); });
  // What grows one way alone is a queue, and no drift.
  const double drift_error = std::abs(of_later - of_sooner) / 2 + (found.scatter_ns + kResolutionNs) / span_ns;
  if (std::abs(coarse.drift + drift) <= 2 * drift_error) drift = -coarse.drift;
  const double above = floor_of(later, drift, centre_ns), below = -floor_of(sooner, -drift, centre_ns);
  found.line.drift = coarse.drift + drift;
  found.line.offset_ns = coarse.at(centre_ns) + (above + below) / 2 - found.line.drift * centre_ns;
  found.uncertainty_ns = std::abs(above - below) / 2 + found.scatter_ns / 2;
  return found;
}

struct Fitted {
  Sides sides;  // as ahead of `line`
  Line line;
  double uncertainty_ns, scatter_ns;
};

// From a line that most exchanges agree with. nullopt: too few packets of one direction.
std::optional<Fitted> fitted(const std::vector<ClockMatch>& matches, const std::vector<Spot>& spots, Range range, Line line) {
  constexpr size_t kFewest = kExchangesMin / 2;
  constexpr int kRoundsMax = 10;  // which matches are right depends on the line
  Fitted found;
  for (int round = 0; round < kRoundsMax; ++round) {
    found.sides = sides_of(matches, spots, range, line);
    if (found.sides.later.size() < kFewest || found.sides.sooner.size() < kFewest) return std::nullopt;
    found.line = line;
    const Refined next = refined(found.sides, line);
    const auto moves = [&](size_t i) { return std::abs(next.line.at(spots[i].at_ns) - line.at(spots[i].at_ns)); };
    const bool settled = std::max(moves(range.begin), moves(range.end - 1)) < kResolutionNs;
    line = next.line;
    found.uncertainty_ns = next.uncertainty_ns;
    found.scatter_ns = next.scatter_ns;
    if (settled) break;
  }
  std::swap(found.line, line);
  for (auto* side : {&found.sides.later, &found.sides.sooner})
    for (Spot& spot : *side) spot.ahead_ns += line.at(spot.at_ns) - found.line.at(spot.at_ns);
  return found;
}

// Whether packets would leave before they came, were the second clock ahead by `zero_ns` throughout.
bool contradicts(const Fitted& fitted, double zero_ns) {
  constexpr size_t kFewest = 3, kShare = 50;  // one in so many
  const double margin_ns = fitted.scatter_ns + kResolutionNs;
  const auto beyond = [&](const std::vector<Spot>& spots, double sign) {
    return static_cast<size_t>(std::count_if(spots.begin(), spots.end(), [&](const Spot& spot) {
      return sign * (spot.ahead_ns + fitted.line.at(spot.at_ns) - zero_ns) < -margin_ns;
    }));
  };
  const size_t against = beyond(fitted.sides.later, 1) + beyond(fitted.sides.sooner, -1);
  return against >= kFewest && against * kShare >= fitted.sides.later.size() + fitted.sides.sooner.size();
}

// ---- where a clock was set ----

struct Step {
  double after_ns = 0, before_ns = 0;
};

// Between the last packet that agrees with the line before it alone, and the first with the line after it.
Step step_between(const std::vector<Exchange>& exchanges, const Part& a, const Part& b) {
  size_t at = a.exchanges.begin;
  int64_t sum = 0, largest = 0;
  for (size_t i = a.exchanges.begin; i < b.exchanges.end; ++i) {
    sum += int64_t{exchanges[i].agrees(a.line)} - int64_t{exchanges[i].agrees(b.line)};
    if (sum > largest) {
      largest = sum;
      at = i + 1;
    }
  }
  // The packet that contradicts `line`.
  const auto witness_ns = [](const Exchange& exchange, const Line& line) {
    return line.over(exchange.low) > kToleranceNs ? exchange.low.at_ns : exchange.high.at_ns;
  };
  Step step;
  for (size_t i = a.exchanges.begin; i < at; ++i) {
    if (exchanges[i].agrees(a.line) && !exchanges[i].agrees(b.line))
      step.after_ns = std::max(step.after_ns, witness_ns(exchanges[i], b.line));
  }
  step.before_ns = exchanges[b.exchanges.end - 1].middle().at_ns;
  for (size_t i = at; i < b.exchanges.end; ++i) {
    if (exchanges[i].agrees(b.line) && !exchanges[i].agrees(a.line))
      step.before_ns = std::min(step.before_ns, witness_ns(exchanges[i], a.line));
  }
  return step;
}

}  // namespace

std::vector<ClockFit> fit_clocks(const std::vector<ClockMatch>& matches) {
  if (matches.empty()) return {};
  const int64_t origin_ns = matches.front().first_ns, base_ns = matches.front().ahead_ns;
  const auto spot_of = [&](const ClockMatch& match) {
    return Spot{static_cast<double>(match.first_ns - origin_ns), static_cast<double>(match.ahead_ns - base_ns)};
  };
  std::vector<Spot> spots;
  for (const ClockMatch& match : matches) spots.push_back(spot_of(match));
  std::vector<Exchange> exchanges;
  for (const ClockExchange& exchange : exchanges_of(matches)) exchanges.push_back({spot_of(*exchange.low), spot_of(*exchange.high)});
  std::vector<Part> parts;
  split(exchanges, {0, exchanges.size()}, nullptr, parts);
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.exchanges.begin < b.exchanges.begin; });

  std::vector<ClockFit> fits;
  double from_ns = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool is_last = i + 1 == parts.size();
    const Step step = is_last ? Step{spots.back().at_ns, 0} : step_between(exchanges, parts[i], parts[i + 1]);
    const auto first = std::lower_bound(spots.begin(), spots.end(), from_ns, [](const Spot& a, double ns) { return a.at_ns < ns; });
    const auto last =
        std::upper_bound(spots.begin(), spots.end(), step.after_ns, [](double ns, const Spot& a) { return ns < a.at_ns; });
    from_ns = step.before_ns;
    if (first >= last) continue;
    const Range range{static_cast<size_t>(first - spots.begin()), static_cast<size_t>(last - spots.begin())};
    const std::optional<Fitted> found = fitted(matches, spots, range, parts[i].line);
    if (!found) continue;
    ClockFit fit{};
    fit.from_ns = matches[range.begin].first_ns;
    fit.to_ns = matches[range.end - 1].first_ns;
    fit.offset_ns = base_ns + static_cast<int64_t>(found->line.at(first->at_ns));
    fit.drift = found->line.drift;
    fit.uncertainty_ns = static_cast<int64_t>(found->uncertainty_ns);
    fit.differs = contradicts(*found, -static_cast<double>(base_ns));
    fits.push_back(fit);
  }
  return fits;
}

}  // namespace parallax
