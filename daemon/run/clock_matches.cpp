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

std::vector<ClockExchange> exchanges_of(const std::vector<ClockMatch>& matches) {
  constexpr int64_t kApartNsMax = 1'000'000'000;
  std::vector<ClockExchange> exchanges;
  std::unordered_map<uint32_t, const ClockMatch*> last;  // of each flow
  for (const ClockMatch& match : matches) {
    const ClockMatch*& before = last[match.flow];
    if (before != nullptr && before->low_to_high != match.low_to_high && match.first_ns - before->first_ns <= kApartNsMax) {
      const bool rises = match.ahead_ns > before->ahead_ns;
      exchanges.push_back(rises ? ClockExchange{before, &match} : ClockExchange{&match, before});
    }
    before = &match;
  }
  return exchanges;
}

}  // namespace parallax
