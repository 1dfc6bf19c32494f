#include "daemon/run/point_order.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace parallax {
namespace {

constexpr size_t kFewest = 8;        // packets; one that a router passes twice may look odd
constexpr double kNearlyAll = 0.95;  // the others may be packets that only look the same

using Order = std::vector<size_t>;

// By falling TTL. Empty: a point does not show it, or two show it alike.
Order order_of(const ClockSamples::Sample& sample, const std::vector<ClockSamples>& points) {
  std::vector<uint8_t> ttls;
  for (const ClockSamples& point : points) {
    const ClockSamples::Sample* seen = point.find(sample.invariant);
    if (seen == nullptr || seen->again || seen->turned) return {};
    ttls.push_back(seen->ttl);
  }
  Order order(points.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&ttls](size_t a, size_t b) { return ttls[a] > ttls[b]; });
  const auto same = [&ttls](size_t a, size_t b) { return ttls[a] == ttls[b]; };
  return std::adjacent_find(order.begin(), order.end(), same) == order.end() ? order : Order{};
}

// How many points stand where they were given.
size_t in_place(const Order& order) {
  size_t count = 0;
  for (size_t i = 0; i < order.size(); ++i) count += order[i] == i;
  return count;
}

// Packets of both directions pass the points in one order, from either end. Of the two ways round the same for both.
Order either_way(const Order& order) {
  const Order back(order.rbegin(), order.rend());
  const size_t forth_in_place = in_place(order), back_in_place = in_place(back);
  if (forth_in_place != back_in_place) return forth_in_place > back_in_place ? order : back;
  return std::min(order, back);
}

}  // namespace

std::optional<PointOrder> order_by_ttl(const std::vector<ClockSamples>& points) {
  if (points.size() < 3) return std::nullopt;
  std::map<Order, size_t> votes;
  size_t seen = 0;
  points.front().for_each([&](const ClockSamples::Sample& sample) {
    const Order order = order_of(sample, points);
    if (order.empty()) return;
    ++seen;
    ++votes[either_way(order)];
  });
  if (seen < kFewest) return std::nullopt;
  const auto most =
      std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto& [order, packets] = *most;
  if (std::is_sorted(order.begin(), order.end()) || static_cast<double>(packets) < kNearlyAll * static_cast<double>(seen))
    return std::nullopt;
  return PointOrder{order, packets, seen};
}

}  // namespace parallax
