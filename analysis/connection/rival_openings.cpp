#include "analysis/connection/rival_openings.h"

#include <algorithm>
#include <tuple>

#include "analysis/leg/leg.h"
#include "analysis/model/keyed_hash.h"

namespace parallax {
namespace {

constexpr size_t kByAsking = 1;  // of RivalKeys

}  // namespace

RivalKeys RivalOpenings::keys_of(const LegState& leg, PointIndex point) {
  const auto begin = [&](uint64_t what) { return KeyedHash().add(what << 16 | leg.protocol << 8 | point); };
  // Who sends the first datagram asks, whichever end is taken for the server by its port.
  const bool asks_as_server = leg.protocol == ip_protocol::udp && leg.first.from == Side::server;
  const auto& [asking, asked] = asks_as_server ? std::tie(leg.server, leg.client) : std::tie(leg.client, leg.server);
  return {begin(1).add(asked.port).value(), begin(2).add(asking.address).value(), begin(3).add(asked.address).value()};
}

void RivalOpenings::add(LegState& leg, int64_t order_ns, uint32_t isn, PortDirection direction) {
  auto& openings = by_age_[leg.point];
  while (!openings.empty() && (openings.front().order_ns + kKeptNs < order_ns || openings.size() >= kOpeningsMax)) {
    evicted_ += openings.front().order_ns + kKeptNs >= order_ns;
    for (const PathSide side : kPathSides) forget(openings.front(), side);
    openings.pop_front();
  }
  leg.rival_keys = keys_of(leg, leg.point);
  openings.push_back({order_ns, isn, leg.id.value(), leg.rival_keys});
  for (const PathSide side : kPathSides) {
    if (may_lack(side, direction) && !leg.paired[side]) note(openings.back(), side);
  }
}

void RivalOpenings::note(const Opening& opening, PathSide side) {
  for (const uint64_t key : opening.keys) {
    const uint64_t own = on_side(key, side);
    by_key_.of(own)[own][{opening.order_ns, opening.leg_id}] = opening.isn;
  }
}

// Only what is still kept by age: else nothing would forget it.
void RivalOpenings::restore(const LegState& leg, PointIndex partner, PortDirection direction) {
  for (const PathSide side : kPathSides) {
    const bool is_freed = leg.point == partner ? !leg.paired[side] : side == path_side(leg.point, partner);
    if (is_freed && may_lack(side, direction)) note_all(leg, side);
  }
}

void RivalOpenings::note_all(const LegState& leg, PathSide side) {
  const auto& openings = by_age_[leg.point];
  const int64_t last_ns = leg.has_syn() ? leg.attempts.back().order_ns : leg.first.order_ns;
  auto opening = std::lower_bound(openings.begin(), openings.end(), leg.first.order_ns,
                                  [](const Opening& o, int64_t order_ns) { return o.order_ns < order_ns; });
  for (; opening != openings.end() && opening->order_ns <= last_ns; ++opening) {
    if (opening->leg_id == leg.id.value()) note(*opening, side);
  }
}

void RivalOpenings::forget(const Opening& opening, PathSide side) {
  for (const uint64_t key : opening.keys) {
    auto& openings = by_key_.of(on_side(key, side));
    const auto it = openings.find(on_side(key, side));
    if (it == openings.end()) continue;
    it->second.erase({opening.order_ns, opening.leg_id});
    if (it->second.empty()) openings.erase(it);
  }
}

void RivalOpenings::remove(const LegState& leg, PointIndex partner) {
  for (const PathSide side : kPathSides) {
    if (leg.point != partner && side != path_side(leg.point, partner)) continue;
    forget({leg.first.order_ns, 0, leg.id.value(), leg.rival_keys}, side);
    for (const PacketFacts& syn : leg.attempts) forget({syn.order_ns, 0, leg.id.value(), leg.rival_keys}, side);
  }
}

bool RivalOpenings::any(const LegState& leg, const Query& query, int64_t from_ns, int64_t to_ns) const {
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
