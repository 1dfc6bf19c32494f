#include "analysis/detect/capture_totals.h"

#include <algorithm>
#include <utility>

namespace parallax {

void CaptureTotals::Copies::operator+=(const Copies& more) {
  for (const Direction direction : kDirections) {
    copies[direction] += more.copies[direction];
    packets[direction] += more.packets[direction];
  }
  routed += more.routed;
}

std::vector<CaptureTotals::Outage> CaptureTotals::new_outages(FindingKind kind) {
  std::vector<Outage> fresh;
  const auto& channels = sensor_.channels();
  std::vector<uint64_t>& seen_by_log = outages_seen_[kind];
  seen_by_log.resize(2 * channels.size());
  for (size_t port = 0; port < channels.size(); ++port) {
    const std::array logs{&channels[port]->outages, &channels[port]->silences};
    for (size_t i = 0; i < logs.size(); ++i) {
      uint64_t& seen = seen_by_log[2 * port + i];
      if (logs[i]->total() == seen) continue;
      const std::vector<PortOutage> kept = logs[i]->kept();
      const size_t count = std::min<size_t>(kept.size(), logs[i]->total() - seen);
      for (size_t k = kept.size() - count; k < kept.size(); ++k) fresh.push_back({static_cast<PortIndex>(port), kept[k]});
      seen = logs[i]->total();
    }
  }
  std::stable_sort(fresh.begin(), fresh.end(),
                   [](const Outage& a, const Outage& b) { return a.outage.from_ns < b.outage.from_ns; });
  return fresh;
}

void CaptureTotals::take(const LegState& leg, const Connection& connection, const LegEvent& event) {
  Point& point = points_[leg.point];
  const LegSummary& now = event.summary;
  if (leg.protocol == ip_protocol::tcp) {
    for (const Side sender : kSides)
      point.seen_bytes += now.bytes[sender] - std::min(now.bytes[sender], leg.has_summary ? leg.summary.bytes[sender] : 0);
  }
  const CaptureReport& report = event.capture;
  if (report.missed_segments > 0) {
    point.missed_segments += report.missed_segments;
    point.missed_bytes += report.missed_bytes;
    if (!sensor_.saw_everything(leg.point, now.first_ns, now.last_ns)) point.own_segments += report.missed_segments;
    point.missed.add(connection.id, report.missed_segments, now.first_ns, now.last_ns);
  }
  Copies copies{.routed = report.routed_copies};
  for (const Side sender : kSides) {
    const Direction direction = connection.direction_of(sender);
    const uint32_t before = leg.has_summary ? leg.summary.packets[sender] : 0u;
    point.passed[direction] += now.packets[sender] - std::min(now.packets[sender], before);
    point.copies[direction] += report.copies[sender];
    point.packets[direction] += report.packets[sender];
    copies.copies[direction] += report.copies[sender];
    copies.packets[direction] += report.packets[sender];
  }
  if (report.copies[Side::client] + report.copies[Side::server] > 0)
    point.copied.add(connection.id, copies, now.first_ns, now.last_ns);
}

}  // namespace parallax
