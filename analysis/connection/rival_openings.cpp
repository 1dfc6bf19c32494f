#include "analysis/connection/rival_openings.h"

#include <algorithm>
#include <tuple>

#include "analysis/leg/leg.h"
#include "analysis/model/keyed_hash.h"

namespace parallax {
namespace {

constexpr size_t kByAsking = 1;  // of the keys

}  // namespace

RivalOpenings::Keys RivalOpenings::keys_of(const LegState& leg, PointIndex point) {
  const auto begin = [&](uint64_t what) { return KeyedHash().add(what << 16 | leg.protocol << 8 | point); };
  // Who sends the first datagram asks, whichever end is taken for the server by its port.
  const bool asks_as_server = leg.protocol == ip_protocol::udp && leg.first.from == Side::server;
  const auto& [asking, asked] = asks_as_server ? std::tie(leg.server, leg.client) : std::tie(leg.client, leg.server);
  return {begin(1).add(asked.port).value(), begin(2).add(asking.address).value(), begin(3).add(asked.address).value()};
}

void RivalOpenings::add(const LegState& leg, int64_t order_ns, uint32_t isn, PortDirection direction) {
  auto& [by_age, indexed] = points_[leg.point];
  while (!by_age.empty() && (by_age.front().order_ns + kKeptNs < order_ns || by_age.size() >= kOpeningsMax)) {
    evicted_ += by_age.front().order_ns + kKeptNs >= order_ns;
    if (indexed > 0) {
      for (const PathSide side : kPathSides) forget(by_age.front(), side);
      --indexed;
    }
    by_age.pop_front();
  }
  Opening& opening = by_age.emplace_back(Opening{order_ns, leg.id.value(), keys_of(leg, leg.point), isn, {}});
  for (const PathSide side : kPathSides) opening.lacks[side] = may_lack(side, direction) && !leg.paired[side];
  if (by_age.size() - indexed > kUnindexedMax) index_next(points_[leg.point]);
}

// Those of the leg that are still kept, most of them of late.
template <typename Change>
void RivalOpenings::for_each_of(const LegState& leg, Change&& change) {
  auto& [by_age, indexed] = points_[leg.point];
  const auto at = [&, &openings = by_age, &in_index = indexed](int64_t order_ns) {
    size_t end = openings.size(), step = 1;
    while (end > step && openings[end - step].order_ns >= order_ns) step *= 2;
    const auto from = openings.begin() + static_cast<std::ptrdiff_t>(end - std::min(end, step));
    auto opening =
        std::lower_bound(from, openings.end(), order_ns, [](const Opening& o, int64_t time_ns) { return o.order_ns < time_ns; });
    for (; opening != openings.end() && opening->order_ns == order_ns; ++opening) {
      if (opening->leg_id == leg.id.value()) change(*opening, static_cast<size_t>(opening - openings.begin()) < in_index);
    }
  };
  if (leg.attempts.empty() || leg.attempts.front().order_ns != leg.first.order_ns) at(leg.first.order_ns);
  for (const PacketFacts& syn : leg.attempts) at(syn.order_ns);
}

void RivalOpenings::set(const LegState& leg, PathSide side, bool lacks) {
  for_each_of(leg, [&](Opening& opening, bool is_indexed) {
    if (opening.lacks[side] == lacks) return;
    if (is_indexed) lacks ? note(opening, side) : forget(opening, side);
    opening.lacks[side] = lacks;
  });
}

void RivalOpenings::remove(const LegState& leg, PointIndex partner) {
  for (const PathSide side : kPathSides) {
    if (leg.point == partner || side == path_side(leg.point, partner)) set(leg, side, false);
  }
}

void RivalOpenings::restore(const LegState& leg, PointIndex partner, PortDirection direction) {
  for (const PathSide side : kPathSides) {
    const bool is_freed = leg.point == partner ? !leg.paired[side] : side == path_side(leg.point, partner);
    if (is_freed && may_lack(side, direction)) set(leg, side, true);
  }
}

void RivalOpenings::index(PointIndex point) const {
  while (points_[point].indexed < points_[point].by_age.size()) index_next(points_[point]);
}

void RivalOpenings::index_next(const Openings& openings) const {
  const Opening& next = openings.by_age[openings.indexed++];
  for (const PathSide side : kPathSides) {
    if (next.lacks[side]) note(next, side);
  }
}

void RivalOpenings::note(const Opening& opening, PathSide side) const {
  for (const uint64_t key : opening.keys) {
    const uint64_t own = on_side(key, side);
    by_key_.of(own)[own][{opening.order_ns, opening.leg_id}] = opening.isn;
  }
}

void RivalOpenings::forget(const Opening& opening, PathSide side) {
  if (!opening.lacks[side]) return;
  for (const uint64_t key : opening.keys) {
    auto& openings = by_key_.of(on_side(key, side));
    const auto it = openings.find(on_side(key, side));
    if (it == openings.end()) continue;
    it->second.erase({opening.order_ns, opening.leg_id});
    if (it->second.empty()) openings.erase(it);
  }
}

bool RivalOpenings::any(const LegState& leg, const Query& query, int64_t from_ns, int64_t to_ns) const {
  index(query.point);
  const auto any_under = [&](uint64_t key) {
    const auto& alike = by_key_.of(key);
    const auto openings = alike.find(key);
    if (openings == alike.end()) return false;
    for (auto it = openings->second.lower_bound({from_ns, 0}); it != openings->second.end() && it->first.first <= to_ns; ++it) {
      const auto& [opening, isn] = *it;
      if (query.isn && *query.isn != isn) continue;
      if (std::find(query.own.begin(), query.own.end(), opening.second) == query.own.end()) return true;
    }
    return false;
  };
  const PathSide side = path_side(query.point, leg.point);
  const auto keys = keys_of(leg, query.point);
  const auto any_alike = [&](uint64_t key) {
    return any_under(on_side(key, side)) || (query.either_way && any_under(on_side(key, opposite(side))));
  };
  return query.keeps_names ? any_alike(keys[kByAsking]) : std::any_of(keys.begin(), keys.end(), any_alike);
}

}  // namespace parallax
