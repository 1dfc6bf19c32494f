#include "analysis/detect/source_tries.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace parallax {
namespace {

bool is_elsewhere(const Endpoint& service, const std::vector<Observation>& kept) {
  return std::none_of(kept.begin(), kept.end(), [&](const Observation& other) {
    return other.service.address == service.address || other.service.port == service.port;
  });
}

}  // namespace

void SourceTries::take(Observation tried, bool in_vain, const Thresholds& thresholds, std::vector<Observation>& out) {
  Source& source = sources_.use(tried.source.address);
  if (tried.first_ns > source.since_ns + thresholds.fan_out_within_ns) source = Source{.since_ns = tried.first_ns};
  ++(in_vain ? source.in_vain : source.answered);
  if (!in_vain) return;
  if (source.is_told) {
    source.since_ns = std::max(source.since_ns, tried.first_ns);
    out.push_back(std::move(tried));
    return;
  }
  if (source.kept.size() < thresholds.fan_out_tries && is_elsewhere(tried.service, source.kept)) {
    source.kept.push_back(std::move(tried));
  } else {
    ++source.passed_over;
  }
  if (source.kept.size() < thresholds.fan_out_tries ||
      !is_share(source.in_vain, source.in_vain + source.answered, thresholds.fan_out_percent))
    return;
  source.kept.front().attempts += source.passed_over;
  std::move(source.kept.begin(), source.kept.end(), std::back_inserter(out));
  source = Source{.since_ns = out.back().first_ns, .is_told = true};
}

}  // namespace parallax
