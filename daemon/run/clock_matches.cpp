#include "daemon/run/clock_matches.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

namespace parallax {

std::vector<ClockMatch> matches_of(const ClockSamples& first, const ClockSamples& second) {
  std::vector<ClockMatch> matches;
  first.for_each([&](const ClockSamples::Sample& a) {
    const ClockSamples::Sample* b = a.again ? nullptr : second.find(a.invariant);
    if (b != nullptr && !b->again)
      matches.push_back({a.time_ns, b->time_ns - a.time_ns, a.invariant, a.flow, a.low_to_high, a.ttl - b->ttl});
  });
  std::sort(matches.begin(), matches.end(), [](const ClockMatch& a, const ClockMatch& b) {
    return std::tie(a.first_ns, a.invariant) < std::tie(b.first_ns, b.invariant);
  });
  return matches;
}

namespace {

// `flow_of`: what must be the same of the two; `is_forth`: what must differ, the direction. Both of a match.
template <typename FlowOf, typename IsForth>
std::vector<ClockExchange> exchanges_by(const std::vector<ClockMatch>& matches, FlowOf&& flow_of, IsForth&& is_forth) {
  constexpr int64_t kApartNsMax = 1'000'000'000;
  std::vector<ClockExchange> exchanges;
  std::unordered_map<uint32_t, const ClockMatch*> last;  // of each flow
  for (const ClockMatch& match : matches) {
    const ClockMatch*& before = last[flow_of(match)];
    if (before != nullptr && is_forth(*before) != is_forth(match) && match.first_ns - before->first_ns <= kApartNsMax) {
      const bool rises = match.ahead_ns > before->ahead_ns;
      exchanges.push_back(rises ? ClockExchange{before, &match} : ClockExchange{&match, before});
    }
    before = &match;
  }
  return exchanges;
}

}  // namespace

std::vector<ClockExchange> exchanges_of(const std::vector<ClockMatch>& matches) {
  const std::vector<ClockExchange> of_flows = exchanges_by(
      matches, [](const ClockMatch& m) { return m.flow; }, [](const ClockMatch& m) { return m.low_to_high; });
  if (!of_flows.empty()) return of_flows;
  return exchanges_by(
      matches, [](const ClockMatch& m) { return m.ttl_fall == 0; }, [](const ClockMatch& m) { return m.ttl_fall > 0; });
}

}  // namespace parallax
