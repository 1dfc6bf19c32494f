#include "analysis/connection/knowledge.h"

#include <algorithm>

namespace parallax {
namespace {

uint8_t bit_of(PathSide side) { return static_cast<uint8_t>(1u << static_cast<unsigned>(side)); }

}  // namespace

void Knowledge::server_answered(const LegState& leg, uint8_t ttl) {
  Point& point = points_[leg.point];
  ++point.answers.use(leg.server);
  point.ttl.use(leg.server.address) = ttl;
}

void Knowledge::crossed(const LegState& client_side, const LegState& server_side, bool client_outer, bool is_proxied) {
  Device& between = device(client_side.point, server_side.point);
  ++between.connections;
  between.proxied += is_proxied;
  between.rewrites |= !is_proxied && !(client_side.client == server_side.client && client_side.server == server_side.server);
  const LegState& outside = client_outer ? client_side : server_side;
  const LegState& inside = client_outer ? server_side : client_side;
  ++between.address_map.use({outside.server, inside.server});
  if (client_side.point == server_side.point) {  // nothing has crossed to another point
    note_opening(client_side, server_side, 1);
    return;
  }
  points_[client_side.point].crossed.use(client_side.server.address);
  const auto renamed = [this, is_proxied](const Address& a, const Address& b) {
    if (a != b && !is_proxied) renamed_.use(a), renamed_.use(b);
  };
  renamed(client_side.client.address, server_side.client.address);
  renamed(client_side.server.address, server_side.server.address);
  if (!is_proxied) note_opening(client_side, server_side, 1);
  sides_.use(client_side.client.address) |= bit_of(client_outer ? PathSide::outer : PathSide::inner);
  sides_.use(server_side.server.address) |= bit_of(client_outer ? PathSide::inner : PathSide::outer);
}

// One more, or one less.
void Knowledge::note_opening(const LegState& client_side, const LegState& server_side, int more) {
  if (!client_side.has_syn() || !server_side.has_syn()) return;
  Device& between = device(client_side.point, server_side.point);
  const bool is_renumbered = client_side.client_isn != server_side.client_isn;
  between.openings += static_cast<uint64_t>(more);
  between.renumbered += is_renumbered ? static_cast<uint64_t>(more) : 0;
  const bool is_turned = client_side.point == server_side.point;
  if (is_turned && client_side.server == server_side.server) return;
  Point& point = points_[client_side.point];
  Openings& openings = (is_turned ? point.turned : point.openings).use(client_side.server);
  uint64_t& of = is_renumbered ? openings.renumbered : openings.kept;
  of = more > 0 ? of + 1 : of - std::min<uint64_t>(of, 1);  // it may have been forgotten meanwhile
}

void Knowledge::has_not_crossed(const LegState& client_side, const LegState& server_side, bool client_outer, bool is_proxied) {
  Device& between = device(client_side.point, server_side.point);
  --between.connections;
  between.proxied -= is_proxied;
  if (!is_proxied) note_opening(client_side, server_side, -1);
  const LegState& outside = client_outer ? client_side : server_side;
  const LegState& inside = client_outer ? server_side : client_side;
  const AddressPair ends{outside.server, inside.server};
  if (between.address_map.find(ends) == nullptr) return;
  if (--between.address_map.use(ends) == 0) between.address_map.erase(ends);
}

namespace {

uint64_t key_of(const LegState& client_side, const LegState& server_side) {
  return KeyedHash()
      .add(uint64_t{client_side.point} << 8 | server_side.point)
      .add(client_side.client)
      .add(client_side.server)
      .add(server_side.client)
      .add(server_side.server)
      .value();
}

}  // namespace

void Knowledge::offsets_learned(const LegState& client_side, const LegState& server_side, const CrossingStats& stats) {
  SequenceOffsets learned;
  for (const Side sender : kSides) {
    learned.known[sender] = stats.offset_known[sender];
    learned.offset[sender] = static_cast<uint32_t>(stats.isn_offset[sender]);
  }
  // Most devices leave sequence numbers alone, and that is soon learned anew.
  const auto shifts = [&](Side sender) { return learned.known[sender] && learned.offset[sender] != 0; };
  if (shifts(Side::client) || shifts(Side::server)) offsets_.use(key_of(client_side, server_side)) = learned;
}

SequenceOffsets Knowledge::offsets_of(const LegState& client_side, const LegState& server_side) const {
  const SequenceOffsets* offsets = offsets_.find(key_of(client_side, server_side));
  return offsets ? *offsets : SequenceOffsets{};
}

void Knowledge::handshake_shown(PointIndex point, Direction direction, int64_t time_ns, bool seen) {
  auto& shown = points_[point].shown[direction];
  Shown& about = shown[time_ns / kShownNs];
  ++(seen ? about.seen : about.missed);
  passages_.add({time_ns, 1, point, direction, seen});
  if (shown.size() > kShownKept) shown.erase(shown.begin());
}

// A lossy mirror misses one now and then; where it is a fifth or more, what is not seen proves nothing.
bool Knowledge::misses(PointIndex point, Direction direction, int64_t from_ns, int64_t to_ns) const {
  constexpr uint64_t kFewest = 2, kSeenForEach = 4;
  const auto& shown = points_[point].shown[direction];
  Shown sum;
  for (auto it = shown.lower_bound(from_ns / kShownNs - 1); it != shown.end() && it->first <= to_ns / kShownNs + 1; ++it) {
    sum.seen += it->second.seen;
    sum.missed += it->second.missed;
  }
  return sum.missed >= kFewest && sum.missed * kSeenForEach > sum.seen;
}

uint64_t Knowledge::answers_of(PointIndex point, const Endpoint& server) const {
  const uint64_t* answers = points_[point].answers.find(server);
  return answers ? *answers : 0;
}

uint8_t Knowledge::server_ttl(PointIndex point, const Address& server) const {
  const uint8_t* ttl = points_[point].ttl.find(server);
  return ttl ? *ttl : uint8_t{0};
}

std::optional<PathSide> Knowledge::side_of(const Address& address) const {
  const uint8_t* bits = sides_.find(address);
  if (bits == nullptr) return std::nullopt;
  for (const PathSide side : kPathSides) {
    if (*bits == bit_of(side)) return side;
  }
  return std::nullopt;
}

uint64_t Knowledge::evicted() const {
  uint64_t sum = sides_.evicted() + renamed_.evicted() + offsets_.evicted();
  for (const Point& point : points_)
    sum += point.answers.evicted() + point.ttl.evicted() + point.crossed.evicted() + point.openings.evicted() +
           point.turned.evicted();
  for (const Device& device : devices_) sum += device.address_map.evicted();
  return sum;
}

}  // namespace parallax
