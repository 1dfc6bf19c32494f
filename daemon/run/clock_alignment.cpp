#include "daemon/run/clock_alignment.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace parallax {

namespace {

constexpr size_t kExchangesMin = 8;
constexpr int64_t kApartNsMax = 1'000'000'000;  // the two packets of an exchange

struct Match {
  int64_t first_ns, ahead_ns;  // seen at the first point, and how much later at the second
  uint64_t invariant;
  uint32_t flow;  // a keyed hash: it tells flows apart, and orders nothing
  bool low_to_high;
  int ttl_fall;  // from the first to the second: positive where it travels that way, 0 where that is not known
};
struct Exchange {
  double at_ns;  // since the first match
  double offset_ns;
  double transit_ns;  // of both ways, halved: the offset is right within it
};
struct Line {
  double offset_ns = 0, drift = 0;
  double at(double ns) const { return offset_ns + drift * ns; }
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::vector<Match> matches_of(const ClockSamples& first, const ClockSamples& second) {
  std::vector<Match> matches;
  first.for_each([&](const ClockSamples::Sample& a) {
    const ClockSamples::Sample* b = a.again ? nullptr : second.find(a.invariant);
    if (b != nullptr && !b->again)
      matches.push_back({a.time_ns, b->time_ns - a.time_ns, a.invariant, a.flow, a.low_to_high, a.ttl - b->ttl});
  });
  std::sort(matches.begin(), matches.end(),
            [](const Match& a, const Match& b) { return std::tie(a.first_ns, a.invariant) < std::tie(b.first_ns, b.invariant); });
  return matches;
}

std::vector<Exchange> exchanges_of(const std::vector<Match>& matches) {
  std::vector<Exchange> exchanges;
  std::unordered_map<uint32_t, const Match*> last;  // of each flow
  for (const Match& match : matches) {
    const Match*& before = last[match.flow];
    if (before != nullptr && before->low_to_high != match.low_to_high && match.first_ns - before->first_ns <= kApartNsMax) {
      const auto a = static_cast<double>(before->ahead_ns), b = static_cast<double>(match.ahead_ns);
      exchanges.push_back({static_cast<double>(match.first_ns - matches.front().first_ns), (a + b) / 2, std::abs(a - b) / 2});
    }
    before = &match;
  }
  return exchanges;
}

// The best of each stretch of time: the quarter with the least transit. Queues add to transits and never take away.
std::vector<Exchange> best_of(const std::vector<Exchange>& exchanges) {
  constexpr size_t kStretchesMax = 64;
  const size_t stretches = std::clamp<size_t>(exchanges.size() / kExchangesMin, 1, kStretchesMax);
  std::vector<Exchange> best;
  for (size_t i = 0; i < stretches; ++i) {
    std::vector<Exchange> stretch(exchanges.begin() + static_cast<std::ptrdiff_t>(exchanges.size() * i / stretches),
                                  exchanges.begin() + static_cast<std::ptrdiff_t>(exchanges.size() * (i + 1) / stretches));
    std::stable_sort(stretch.begin(), stretch.end(),
                     [](const Exchange& a, const Exchange& b) { return a.transit_ns < b.transit_ns; });
    best.insert(best.end(), stretch.begin(), stretch.begin() + static_cast<std::ptrdiff_t>((stretch.size() + 3) / 4));
  }
  return best;
}

// Theil and Sen's estimator: the median of the slopes, which a third of outliers does not move.
Line line_through(const std::vector<Exchange>& exchanges) {
  constexpr size_t kPointsMax = 256;
  const size_t step = exchanges.size() / kPointsMax + 1;
  std::vector<double> slopes, offsets;
  for (size_t i = 0; i < exchanges.size(); i += step) {
    for (size_t j = i + step; j < exchanges.size(); j += step) {
      const double apart = exchanges[j].at_ns - exchanges[i].at_ns;
      if (std::abs(apart) > 1e9) slopes.push_back((exchanges[j].offset_ns - exchanges[i].offset_ns) / apart);
    }
  }
  Line line{0, slopes.size() < kExchangesMin ? 0 : median(std::move(slopes))};
  for (const Exchange& exchange : exchanges) offsets.push_back(exchange.offset_ns - line.drift * exchange.at_ns);
  line.offset_ns = median(std::move(offsets));
  return line;
}

// Nine tenths of the exchanges are at most so far from the line.
double spread_about(const Line& line, const std::vector<Exchange>& exchanges) {
  std::vector<double> distances;
  for (const Exchange& exchange : exchanges) distances.push_back(std::abs(exchange.offset_ns - line.at(exchange.at_ns)));
  const auto most = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() * 9 / 10);
  std::nth_element(distances.begin(), most, distances.end());
  return *most;
}

}  // namespace

ClockCorrection compare_clocks(const ClockSamples& first, const ClockSamples& second) {
  constexpr double kDriftMax = 1e-3;  // beyond, it is no clock's
  const std::vector<Match> matches = matches_of(first, second);
  const std::vector<Exchange> exchanges = exchanges_of(matches);
  if (exchanges.size() < kExchangesMin) return {};
  const std::vector<Exchange> best = best_of(exchanges);
  Line line = line_through(best);
  std::vector<double> transits;
  for (const Exchange& exchange : best) transits.push_back(exchange.transit_ns);
  const double transit_ns = median(std::move(transits));
  const double span_ns = exchanges.back().at_ns;
  // A drift that the transits could explain is none.
  if (std::abs(line.drift) > kDriftMax || std::abs(line.drift) * span_ns <= 2 * (transit_ns + spread_about(line, best))) {
    std::vector<double> offsets;
    for (const Exchange& exchange : best) offsets.push_back(exchange.offset_ns);
    line = {median(std::move(offsets)), 0};
  }
  const double largest = std::max(std::abs(line.at(0)), std::abs(line.at(span_ns)));
  if (largest <= 2 * spread_about(line, best) + transit_ns) return {};
  // As the second point stamps.
  const auto offset_ns = static_cast<int64_t>(line.offset_ns);
  return {offset_ns, line.drift / (1 + line.drift), matches.front().first_ns + offset_ns};
}

std::vector<ClockCorrection> align_clocks(const std::vector<ClockSamples>& points) {
  std::vector<ClockCorrection> corrections(points.size());
  for (size_t i = 1; i < points.size(); ++i) {
    const ClockCorrection step = compare_clocks(points[i - 1], points[i]);
    corrections[i] = corrections[i - 1];
    if (step.none()) continue;
    corrections[i].offset_ns = step.offset_ns + corrections[i - 1].ahead_ns(step.since_ns - step.offset_ns);
    corrections[i].drift += step.drift;
    corrections[i].since_ns = step.since_ns;
  }
  return corrections;
}

namespace {

// A device may hold a packet for long, but not let it go before it came. By more than stamps of two machines that keep the same
// time are apart.
constexpr double kBeforeNs = 20e6;

// When two points began to contradict each other, by the first one's clock.
int64_t contradicted_from(std::vector<Match> matches) {
  constexpr size_t kFewest = 3;  // a retransmission may be taken for its original
  std::vector<int64_t> contradictions;
  for (const Match& match : matches) {
    const int64_t transit_ns = match.ttl_fall > 0 ? match.ahead_ns : -match.ahead_ns;
    if (match.ttl_fall != 0 && static_cast<double>(transit_ns) < -kBeforeNs) contradictions.push_back(match.first_ns);
  }
  for (const Exchange& exchange : exchanges_of(matches)) {
    if (std::abs(exchange.offset_ns) > exchange.transit_ns + kBeforeNs)
      contradictions.push_back(matches.front().first_ns + static_cast<int64_t>(exchange.at_ns));
  }
  return contradictions.size() < kFewest ? kTimeMax : *std::min_element(contradictions.begin(), contradictions.end());
}

}  // namespace

std::vector<int64_t> comparable_until(const std::vector<ClockSamples>& points, const std::vector<ClockCorrection>& clocks,
                                      const std::vector<int64_t>& stepped_ns) {
  // What the files of one machine show of a step depends on when they had packets.
  constexpr int64_t kNoticedLateNs = 100'000'000;
  std::vector<int64_t> until_ns(points.size(), kTimeMax);
  for (size_t i = 0; i < points.size(); ++i) {
    if (stepped_ns[i] != kTimeMax) until_ns[i] = clocks[i].corrected(stepped_ns[i]) - kNoticedLateNs;
    if (i == 0) continue;
    std::vector<Match> matches = matches_of(points[i - 1], points[i]);
    for (Match& match : matches) {
      const int64_t second_ns = clocks[i].corrected(match.first_ns + match.ahead_ns);
      match.first_ns = clocks[i - 1].corrected(match.first_ns);
      match.ahead_ns = second_ns - match.first_ns;
    }
    if (const int64_t from_ns = contradicted_from(std::move(matches)); from_ns != kTimeMax)
      until_ns[i] = std::min(until_ns[i], from_ns - kNoticedLateNs);
  }
  return until_ns;
}

}  // namespace parallax
