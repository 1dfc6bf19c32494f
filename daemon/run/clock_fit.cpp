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
constexpr double kDriftMax = 1e-3;       // beyond, it is no clock's
constexpr double kToleranceNs = 50'000;  // for a match to agree with a line that is not yet fitted
constexpr double kResolutionNs = 1000;   // of the stamps of most files

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
  bool agrees(const Line& line, double tolerance_ns = kToleranceNs) const {
    return line.over(low) <= tolerance_ns && line.over(high) >= -tolerance_ns;
  }
};
struct Range {
  size_t begin, end;
  size_t size() const { return end - begin; }
};

double quantile(std::vector<double> values, double share) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size()));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}
double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

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
    for (size_t i = range.begin; i < range.end; i += step)
      agree += size_t{exchanges[i].agrees(line)} + size_t{exchanges[i].agrees(line, kToleranceNs / 10)};
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

// Whether nearly as many agree with `other` as with the range's own line: then there is no second clock.
bool does_as_well(const std::vector<Exchange>& exchanges, Range range, const Line& other, const Line& own) {
  constexpr double kShare = 0.15, kFewest = 6;  // wrong matches come in clusters
  double of_other = 0, of_own = 0;
  for (size_t i = range.begin; i < range.end; ++i) {
    of_other += exchanges[i].agrees(other);
    of_own += exchanges[i].agrees(own);
  }
  return of_other > of_own - std::max(kFewest, kShare * of_own);
}

// In order of time; neighbours that are of one clock are one.
std::vector<Part> joined(const std::vector<Exchange>& exchanges, std::vector<Part> parts) {
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.exchanges.begin < b.exchanges.begin; });
  std::vector<Part> result;
  for (const Part& part : parts) {
    if (!result.empty()) {
      Part& before = result.back();
      const bool is_larger = before.exchanges.size() > part.exchanges.size();
      const Part &large = is_larger ? before : part, &small = is_larger ? part : before;
      if (does_as_well(exchanges, small.exchanges, large.line, small.line)) {
        before = {{before.exchanges.begin, part.exchanges.end}, large.line};
        continue;
      }
    }
    result.push_back(part);
  }
  return result;
}

void split(const std::vector<Exchange>& exchanges, Range range, const Line* other, std::vector<Part>& parts) {
  if (range.size() < kExchangesMin || parts.size() == kFitsMax) return;
  const Line line = consensus(exchanges, range);
  const Range found = agreeing(exchanges, range, line);
  if (found.size() < kExchangesMin) return;
  if (other != nullptr && does_as_well(exchanges, found, *other, line)) return;
  parts.push_back({found, line});
  split(exchanges, {range.begin, found.begin}, &line, parts);
  split(exchanges, {found.end, range.end}, &line, parts);
}

// ---- the line between both directions ----

// Which way the packets travel: most of a flow's say which of its directions is toward the second point.
class Travel {
 public:
  void add(const ClockMatch& match, double over_line_ns) {
    Votes& flow = votes_[match.flow];
    flow.low_to_high_is_toward_second += (over_line_ns > 0) == match.low_to_high ? 1 : -1;
    ++flow.all;
  }
  // nullopt: it is not clear.
  std::optional<bool> toward_second(const ClockMatch& match) const {
    const auto flow = votes_.find(match.flow);
    if (flow == votes_.end() || std::abs(flow->second.low_to_high_is_toward_second) * 2 < flow->second.all) return std::nullopt;
    return (flow->second.low_to_high_is_toward_second > 0) == match.low_to_high;
  }

 private:
  struct Votes {
    int low_to_high_is_toward_second = 0, all = 0;
  };
  std::unordered_map<uint32_t, Votes> votes_;
};

struct Packets {
  const std::vector<ClockMatch>& matches;
  std::vector<Spot> spots;  // of each
  Travel travel;

  Range within(double from_ns, double to_ns) const {
    const auto earlier = [](const Spot& a, double ns) { return a.at_ns < ns; };
    const auto begin = std::lower_bound(spots.begin(), spots.end(), from_ns, earlier);
    const auto end = std::lower_bound(begin, spots.end(), to_ns + 1, earlier);
    return {static_cast<size_t>(begin - spots.begin()), static_cast<size_t>(end - spots.begin())};
  }
};

struct Sides {
  std::vector<Spot> later, sooner;  // toward the second point, where they are seen later; and from there. In order of time
};

// Ahead of `line`, without those that would have left before they came.
Sides sides_of(const Packets& packets, Range range, const Line& line) {
  Sides sides;
  for (size_t i = range.begin; i < range.end; ++i) {
    const std::optional<bool> later = packets.travel.toward_second(packets.matches[i]);
    const double over = line.over(packets.spots[i]);
    if (later && (*later ? over : -over) >= -kToleranceNs)
      (*later ? sides.later : sides.sooner).push_back({packets.spots[i].at_ns, over});
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
// now and then the least are spread as an exponential distribution: its lower edge follows from the median and the quartile.
double trim(std::vector<Spot>& spots, double drift) {
  constexpr double kEdge = 0.71;  // ln(3/4) / (ln(1/2) - ln(3/4))
  std::vector<double> heights;
  for (const Spot& spot : least_of(spots)) heights.push_back(spot.ahead_ns - drift * spot.at_ns);
  std::sort(heights.begin(), heights.end());
  const double quartile = heights[heights.size() / 4], scatter = heights[heights.size() / 2] - quartile;
  const double edge = quartile - kEdge * scatter;
  std::erase_if(spots, [&](const Spot& spot) { return spot.ahead_ns - drift * spot.at_ns < edge - scatter / 4 - kResolutionNs; });
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

struct Fit {
  Line line;
  double uncertainty_ns, scatter_ns;
};

// REQUIRES: packets on both sides. `coarse` is what they are ahead of.
Fit fit_between(const Sides& sides, const Line& coarse, bool is_last) {
  std::array<std::vector<Spot>, 2> spots{sides.later, mirrored(sides.sooner)};
  const double from_ns = std::min(spots[0].front().at_ns, spots[1].front().at_ns);
  const double to_ns = std::max(spots[0].back().at_ns, spots[1].back().at_ns);
  const double span_ns = std::max(to_ns - from_ns, 1.0), centre_ns = (from_ns + to_ns) / 2;
  // Theil and Sen's estimator, to begin with.
  std::vector<double> slopes;
  add_slopes(least_of(spots[0]), 1, slopes);
  add_slopes(least_of(spots[1]), -1, slopes);
  const double rough = slopes.size() < kExchangesMin ? 0 : median(std::move(slopes));
  const double scatter_ns = trim(spots[0], rough) + trim(spots[1], -rough);
  const std::vector<Spot> later = hull_of(spots[0]), sooner = hull_of(spots[1]);
  const auto above = [&](double drift) { return floor_of(later, drift, centre_ns); };
  const auto below = [&](double drift) { return -floor_of(sooner, -drift, centre_ns); };
  const double around = (8 * scatter_ns + 4 * kResolutionNs) / span_ns;
  const auto best = [&](auto&& height) { return highest(rough - around, rough + around, height); };
  double drift = best([&](double d) { return above(d) - below(d); });
  // What the two directions, each for itself, would make of it at the ends of the time.
  const double apart = std::abs(best(above) - best([&](double d) { return -below(d); }));
  // A drift shows both ways. What grows one way alone is a queue.
  const double without = -coarse.drift;
  const double least_gain_ns = kResolutionNs + std::min(scatter_ns / 10, 10 * kResolutionNs);
  if (is_last && std::min(above(drift) - above(without), below(without) - below(drift)) <= least_gain_ns) drift = without;
  const double half_ns = std::abs(above(drift) - below(drift)) / 2, tilt_ns = std::min(half_ns, apart / 2 * span_ns / 2);
  const double slope = coarse.drift + drift, middle = coarse.at(centre_ns) + (above(drift) + below(drift)) / 2;
  return {{middle - slope * centre_ns, slope}, half_ns + tilt_ns + scatter_ns / 2, scatter_ns};
}

// From a line that most exchanges agree with. nullopt: too few packets of one direction.
std::optional<Fit> fit_from(const Packets& packets, Range range, const Line& coarse) {
  constexpr size_t kFewest = kExchangesMin / 2;
  constexpr int kRoundsMax = 10;  // which matches are right depends on the line
  Fit fit{coarse, 0, 0};
  bool settled = false;
  for (int round = 0;; ++round) {
    const Sides sides = sides_of(packets, range, fit.line);
    if (sides.later.size() < kFewest || sides.sooner.size() < kFewest) return std::nullopt;
    const bool is_last = settled || round == kRoundsMax;
    const Fit next = fit_between(sides, fit.line, is_last);
    const auto moves = [&](const Spot& spot) { return std::abs(next.line.at(spot.at_ns) - fit.line.at(spot.at_ns)); };
    settled = std::max(moves(packets.spots[range.begin]), moves(packets.spots[range.end - 1])) < kResolutionNs;
    fit = next;
    if (is_last) return fit;
  }
}

// Whether packets would leave before they came, were the second clock ahead by `zero_ns` throughout.
bool contradicts(const Packets& packets, Range range, const Fit& fit, double zero_ns) {
  constexpr size_t kFewest = 3, kShare = 50;  // one in so many
  size_t against = 0, all = 0;
  for (size_t i = range.begin; i < range.end; ++i) {
    const std::optional<bool> later = packets.travel.toward_second(packets.matches[i]);
    const double sign = later && *later ? 1 : -1;
    if (!later || sign * fit.line.over(packets.spots[i]) < -kToleranceNs) continue;
    ++all;
    against += sign * (packets.spots[i].ahead_ns - zero_ns) < -fit.scatter_ns - kResolutionNs;
  }
  return against >= kFewest && against * kShare >= all;
}

// Where transits are shorter than what stamps scatter by, so that the packets do not tell which way they travel: Theil and Sen's
// line through the middles of the narrowest exchanges.
Fit fit_of_middles(const std::vector<Exchange>& exchanges, const Part& part) {
  const std::vector<Spot> spots = narrowest(exchanges, part.exchanges);
  std::vector<double> slopes, heights, distances, widths;
  add_slopes(spots, 1, slopes);
  for (size_t i = part.exchanges.begin; i < part.exchanges.end; ++i) widths.push_back(exchanges[i].width_ns());
  const double half_ns = median(std::move(widths)) / 2, span_ns = spots.back().at_ns - spots.front().at_ns;
  Line line{0, slopes.size() < kExchangesMin ? 0 : median(std::move(slopes))};
  // What the exchanges leave open is no drift.
  if (std::abs(line.drift - part.line.drift) > kDriftMax || std::abs(line.drift) * span_ns <= 2 * half_ns + kResolutionNs)
    line.drift = 0;
  for (const Spot& spot : spots) heights.push_back(line.over(spot));
  line.offset_ns = median(std::move(heights));
  for (const Spot& spot : spots) distances.push_back(std::abs(line.over(spot)));
  std::sort(distances.begin(), distances.end());
  const double scatter_ns = distances[distances.size() * 9 / 10];
  return {line, half_ns + scatter_ns, scatter_ns};
}

bool is_beyond(const Fit& fit, const Spot& from, const Spot& to, double zero_ns) {
  const double largest_ns = std::max(std::abs(fit.line.at(from.at_ns) - zero_ns), std::abs(fit.line.at(to.at_ns) - zero_ns));
  return largest_ns > fit.uncertainty_ns + fit.scatter_ns + kResolutionNs;
}

// How far the packets of some stretch of time are on the wrong side of the line, where many are: the clock was not as the line
// says. 0: nowhere.
double strays_by(const Packets& packets, Range range, const Fit& fit) {
  constexpr size_t kStretches = 32, kFewest = 8, kShare = 4;  // one in so many
  double most_ns = 0;
  for (size_t i = 0; i < kStretches; ++i) {
    const Range stretch = stretch_of(range, i, kStretches);
    std::array<std::vector<double>, 2> strays;
    std::array<size_t, 2> all{};
    for (size_t j = stretch.begin; j < stretch.end; ++j) {
      const std::optional<bool> later = packets.travel.toward_second(packets.matches[j]);
      if (!later) continue;
      ++all[*later];
      const double beyond = (*later ? -1 : 1) * fit.line.over(packets.spots[j]);
      if (beyond > 0) strays[*later].push_back(beyond);
    }
    for (size_t side = 0; side < 2; ++side) {
      if (all[side] >= kFewest && strays[side].size() * kShare >= all[side])
        most_ns = std::max(most_ns, quantile(strays[side], 0.75));
    }
  }
  return most_ns;
}

// ---- where a clock was set ----

struct Step {
  double after_ns, before_ns;
};

// Between the last packets that agree with the line before it alone, and the first with the line after it. `step`: by exchanges.
Step step_between(const Packets& packets, Range range, const Line& a, const Line& b, Step step) {
  const auto agrees = [&](size_t i, const Line& line) {
    const std::optional<bool> later = packets.travel.toward_second(packets.matches[i]);
    const double over = line.over(packets.spots[i]);
    return later && (*later ? over : -over) >= -kToleranceNs;
  };
  size_t at = range.begin;
  int64_t sum = 0, largest = 0;
  for (size_t i = range.begin; i < range.end; ++i) {
    sum += int64_t{agrees(i, a)} - int64_t{agrees(i, b)};
    if (sum > largest) {
      largest = sum;
      at = i + 1;
    }
  }
  // One or two may be wrong matches.
  constexpr size_t kWitnesses = 3;
  size_t witnesses = 0;
  for (size_t i = at; i-- > range.begin && witnesses < kWitnesses;) {
    if (agrees(i, a) && !agrees(i, b) && ++witnesses == kWitnesses) step.after_ns = packets.spots[i].at_ns;
  }
  witnesses = 0;
  for (size_t i = at; i < range.end && witnesses < kWitnesses; ++i) {
    if (agrees(i, b) && !agrees(i, a) && ++witnesses == kWitnesses) step.before_ns = packets.spots[i].at_ns;
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
  Packets packets{matches, {}, {}};
  for (const ClockMatch& match : matches) packets.spots.push_back(spot_of(match));
  std::vector<Exchange> exchanges;
  for (const ClockExchange& e : exchanges_of(matches)) exchanges.push_back({spot_of(*e.low), spot_of(*e.high)});
  std::vector<Part> parts;
  split(exchanges, {0, exchanges.size()}, nullptr, parts);
  parts = joined(exchanges, std::move(parts));
  const auto time_of = [&](const Part& part) {
    const Exchange &first = exchanges[part.exchanges.begin], &last = exchanges[part.exchanges.end - 1];
    return packets.within(std::min(first.low.at_ns, first.high.at_ns), std::max(last.low.at_ns, last.high.at_ns));
  };
  for (const Part& part : parts) {
    const Range range = time_of(part);
    for (size_t i = range.begin; i < range.end; ++i) packets.travel.add(matches[i], part.line.over(packets.spots[i]));
  }

  std::vector<ClockFit> fits;
  double from_ns = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    Step step{packets.spots.back().at_ns, 0};
    if (i + 1 < parts.size()) {
      const Part &before = parts[i], &after = parts[i + 1];
      step = {exchanges[before.exchanges.end - 1].middle().at_ns, exchanges[after.exchanges.begin].middle().at_ns};
      step = step_between(packets, {time_of(before).begin, time_of(after).end}, before.line, after.line, step);
    }
    const Range range = packets.within(from_ns, step.after_ns);
    from_ns = step.before_ns;
    if (range.size() == 0) continue;
    const Spot &first = packets.spots[range.begin], &last = packets.spots[range.end - 1];
    const double zero_ns = -static_cast<double>(base_ns);
    const std::optional<Fit> directed = fit_from(packets, range, parts[i].line);
    const Fit found = directed ? *directed : fit_of_middles(exchanges, parts[i]);
    ClockFit fit{};
    fit.from_ns = matches[range.begin].first_ns;
    fit.to_ns = matches[range.end - 1].first_ns;
    fit.offset_ns = base_ns + std::llround(found.line.at(first.at_ns));
    fit.drift = found.line.drift;
    fit.uncertainty_ns = std::llround(found.uncertainty_ns + strays_by(packets, range, found));
    fit.differs = directed ? contradicts(packets, range, found, zero_ns) : is_beyond(found, first, last, zero_ns);
    fits.push_back(fit);
  }
  return fits;
}

std::optional<double> one_way_drift(const std::vector<ClockMatch>& matches) {
  constexpr size_t kFewest = 4 * kExchangesMin;
  if (matches.empty() || exchanges_of(matches).size() >= kExchangesMin) return std::nullopt;
  std::array<std::vector<Spot>, 2> spots;
  for (const ClockMatch& match : matches) {
    const Spot spot{static_cast<double>(match.first_ns - matches.front().first_ns),
                    static_cast<double>(match.ahead_ns - matches.front().ahead_ns)};
    if (match.ttl_fall != 0) spots[match.ttl_fall > 0 ? 0 : 1].push_back(spot);
  }
  const double sign = spots[0].size() > spots[1].size() ? 1 : -1;
  std::vector<Spot> of = sign > 0 ? spots[0] : mirrored(std::move(spots[1]));
  if (of.size() < kFewest) return std::nullopt;
  std::vector<double> slopes;
  add_slopes(least_of(of), 1, slopes);
  if (slopes.empty()) return std::nullopt;
  const double drift = sign * median(std::move(slopes));
  return std::abs(drift) <= kDriftMax ? std::optional(drift) : std::nullopt;
}

}  // namespace parallax
