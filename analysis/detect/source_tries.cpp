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
bool has_port(const std::vector<Observation>& kept, uint16_t port) {
  return std::any_of(kept.begin(), kept.end(), [port](const Observation& other) { return other.service.port == port; });
}

}  // namespace

size_t SourceTries::Source::low_ports() const {
  return static_cast<size_t>(std::count_if(kept_ports.begin(), kept_ports.end(),
                                           [](const Observation& tried) { return tried.service.port < kLowPorts; }));
}

bool SourceTries::keeps(Source& source, Observation& tried, End end, const Thresholds& thresholds) {
  const uint16_t port = tried.service.port;
  if (source.kept.size() < thresholds.fan_out_tries && is_elsewhere(tried.service, source.kept)) {
    source.kept.push_back(std::move(tried));
    return true;
  }
  if (end != End::syn_in_vain || has_port(source.kept, port) || has_port(source.kept_ports, port)) return false;
  // Room is left for low ports, which may come last.
  const size_t low_missing = kLowPortsLeast - std::min(kLowPortsLeast, source.low_ports());
  const size_t room = thresholds.fan_out_tries - std::min<size_t>(thresholds.fan_out_tries, source.kept_ports.size());
  if (room == 0 || (port >= kLowPorts && room <= low_missing)) return false;
  source.kept_ports.push_back(std::move(tried));
  return true;
}

void SourceTries::take(Observation tried, End end, const Thresholds& thresholds, std::vector<Observation>& out) {
  Source& source = sources_.use(tried.source.address);
  if (tried.first_ns > source.since_ns + thresholds.fan_out_within_ns) source = Source{.since_ns = tried.first_ns};
  ++(end == End::answered ? source.answered : source.in_vain);
  if (end == End::answered) return;
  if (source.is_told) {
    source.since_ns = std::max(source.since_ns, tried.first_ns);
    out.push_back(std::move(tried));
    return;
  }
  const int64_t at_ns = tried.first_ns;
  if (!keeps(source, tried, end, thresholds)) {
    ++source.passed_over;
    if (end == End::syn_in_vain && source.passed_legs.size() < kPassedMax) source.passed_legs.push_back(tried.leg_id);
  }
  const bool are_many_ports = source.kept_ports.size() >= thresholds.fan_out_tries && source.low_ports() >= kLowPortsLeast;
  if ((source.kept.size() < thresholds.fan_out_tries && !are_many_ports) ||
      !is_share(source.in_vain, source.in_vain + source.answered, thresholds.fan_out_percent))
    return;
  source.kept.front().attempts += source.passed_over;
  std::move(source.kept.begin(), source.kept.end(), std::back_inserter(out));
  std::move(source.kept_ports.begin(), source.kept_ports.end(), std::back_inserter(out));
  passed_legs_.insert(passed_legs_.end(), source.passed_legs.begin(), source.passed_legs.end());
  source = Source{.since_ns = at_ns, .is_told = true, .is_scan = are_many_ports || source.answered == 0};
}

}  // namespace parallax
