#include "analysis/connection/stray_icmp_errors.h"

#include <algorithm>

namespace parallax {

void StrayIcmpErrors::add(const LegEvent& event) {
  if (strays_.size() >= capacity_) {
    forgotten_until_ns_ = std::max(forgotten_until_ns_, strays_.front().order_ns);
    strays_.pop_front();
  }
  strays_.push_back({event.packet.order_ns, event.packet.point, event.news.icmp.type, event.news.icmp.code});
}

bool StrayIcmpErrors::any(PointIndex point, const IcmpError& error, int64_t from_ns, int64_t to_ns) const {
  if (from_ns <= forgotten_until_ns_) return true;
  const auto is_before = [](const Stray& stray, int64_t ns) { return stray.order_ns < ns; };
  for (auto it = std::lower_bound(strays_.begin(), strays_.end(), from_ns, is_before); it != strays_.end(); ++it) {
    if (it->order_ns > to_ns) return false;
    if (it->point == point && it->type == error.type && it->code == error.code) return true;
  }
  return false;
}

}  // namespace parallax
