#include "analysis/detect/capture_totals.h"

#include <algorithm>
#include <utility>

namespace parallax {
namespace {

// Where the clock was set, or the sensor paused, packets bear the time of others: a repetition may seem to follow at once.
bool shows_when(const SensorView& sensor, PointIndex point, int64_t from_ns, int64_t to_ns) {
  const auto hides = [&](const PortOutage& outage) {
    const bool displaces = outage.cause == OutageCause::clock_step || outage.cause == OutageCause::paused;
    return displaces && outage.from_ns <= to_ns && outage.to_ns >= from_ns;
  };
  const auto& channels = sensor.channels();
  return std::none_of(channels.begin(), channels.end(), [&](const PortChannel* channel) {
    if (channel->info.point != point || channel->outages.total() == 0) return false;
    const std::vector<PortOutage> outages = channel->outages.kept();
    return std::any_of(outages.begin(), outages.end(), hides);
  });
}

}  // namespace

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

std::vector<CaptureTotals::Outage> CaptureTotals::grown_outages(int64_t now_ns) {
  std::vector<Outage> grown;
  const auto& channels = sensor_.channels();
  grown_.resize(2 * channels.size());
  for (size_t i = 0; i < grown_.size(); ++i) {
    const PortChannel& channel = *channels[i / 2];
    const OutageLog& log = i % 2 == 0 ? channel.outages : channel.silences;
    if (log.total() == 0) continue;
    Grown& last = grown_[i];
    PortOutage outage = log.newest();
    const int64_t to_ns = outage.goes_on() ? std::max(now_ns, outage.from_ns) : outage.to_ns;
    if (last.number != log.total()) last = {log.total(), outage.goes_on() ? outage.from_ns : to_ns, to_ns};
    const bool has_ended = !outage.goes_on() && to_ns == std::exchange(last.seen_to_ns, to_ns);
    const int64_t more_ns = to_ns - last.given_to_ns;
    if (more_ns <= 0 || !(has_ended || more_ns >= last.given_to_ns - outage.from_ns || more_ns >= kGrownNs)) continue;
    last.given_to_ns = outage.to_ns = to_ns;
    grown.push_back({static_cast<PortIndex>(i / 2), outage});
  }
  return grown;
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
  for (const Side sender : kSides) {
    const uint32_t before = leg.has_summary ? leg.summary.packets[sender] : 0u;
    point.passed[connection.direction_of(sender)] += now.packets[sender] - std::min(now.packets[sender], before);
  }
  const bool has_copies = report.copies[Side::client] + report.copies[Side::server] > 0;
  const int64_t since_ns = leg.has_summary ? leg.summary.last_ns : now.first_ns;
  if (has_copies && !shows_when(sensor_, leg.point, since_ns, now.last_ns)) return;
  Copies copies{.routed = report.routed_copies};
  for (const Side sender : kSides) {
    const Direction direction = connection.direction_of(sender);
    point.copies[direction] += report.copies[sender];
    point.packets[direction] += report.packets[sender];
    copies.copies[direction] += report.copies[sender];
    copies.packets[direction] += report.packets[sender];
  }
  if (has_copies) point.copied.add(connection.id, copies, now.first_ns, now.last_ns);
}

}  // namespace parallax
