// The correlator's part that pairs legs across a device.
#include <algorithm>

#include "analysis/correlate/correlator.h"
#include "analysis/fate/pair_table.h"

namespace parallax {
namespace {

constexpr double kPairingThreshold = 0.8;  // below, legs stay unpaired and are counted
constexpr double kOtherTunnel = 0.05;  // less for a leg with another tunnel key: more than makes a rival, and no reason by itself
constexpr size_t kSidesMax = 1 << 16;
constexpr size_t kAddressMapMax = 4096;
constexpr uint8_t kOuterSide = 1, kInnerSide = 2;

size_t slot_toward(PointIndex own, PointIndex neighbour) { return neighbour < own ? 0 : 1; }

bool same_ends(const LegState& a, const LegState& b) { return a.client == b.client && a.server == b.server; }

// Whether one SYN was seen as both: by sequence number, and by TCP timestamp where there is one.
struct SharedSyn {
  bool sequence = false, timestamp = false, timestamp_differs = false;
};
SharedSyn shared_syn(const LegState& a, const LegState& b) {
  SharedSyn shared;
  for (const PacketFacts& x : a.attempts) {
    for (const PacketFacts& y : b.attempts) {
      if (x.seq != y.seq) continue;
      shared.sequence = true;
      shared.timestamp |= x.tsval == y.tsval && x.tsval != 0;
      shared.timestamp_differs |= x.tsval != y.tsval && x.tsval != 0 && y.tsval != 0;
    }
  }
  // A leg that was met with its SYN-ACK knows the ISN from it.
  if (a.attempts.empty() || b.attempts.empty()) shared.sequence |= a.client_isn == b.client_isn && !a.midstream && !b.midstream;
  return shared;
}

}  // namespace

const LegState* Correlator::find_leg(uint64_t leg_id) const {
  const auto place = places_.find(leg_id);
  if (place == places_.end()) return nullptr;
  return &connections_.at(place->second.connection_id).legs[place->second.leg];
}

bool Correlator::known_to_pair(const LegState& a, const LegState& b) const {
  const LegState& outer = a.point < b.point ? a : b;
  const LegState& inner = a.point < b.point ? b : a;
  const auto is = [](const LegState& leg, PointIndex point, const Endpoint& client, const Endpoint& server) {
    return leg.point == point &&
           ((leg.client == client && leg.server == server) || (leg.client == server && leg.server == client));
  };
  return std::any_of(known_.begin(), known_.end(), [&](const KnownPairing& k) {
    return (is(outer, k.first_point, k.first_client, k.first_server) &&
            is(inner, k.second_point, k.second_client, k.second_server)) ||
           (is(inner, k.first_point, k.first_client, k.first_server) &&
            is(outer, k.second_point, k.second_client, k.second_server));
  });
}

Correlator::Match Correlator::match(const LegState& leg, const LegState& other) const {
  if (leg.protocol != other.protocol) return {};
  const bool same = same_ends(leg, other);
  if (known_to_pair(leg, other)) return {same ? PairingMethod::five_tuple : PairingMethod::sequence, 0.99};
  if (leg.protocol != ip_protocol::tcp || (leg.midstream && other.midstream)) {
    return same ? Match{PairingMethod::five_tuple, 0.95} : Match{};
  }
  if (leg.midstream != other.midstream) return same ? Match{PairingMethod::five_tuple, 0.9} : Match{};
  const SharedSyn shared = shared_syn(leg, other);
  if (same) return {PairingMethod::five_tuple, shared.sequence ? 0.99 : 0.9};
  if (!shared.sequence) return {};
  // 32 bits agree by chance once in 4e9 pairs of openings; a timestamp that agrees as well leaves no doubt.
  if (shared.timestamp) return {PairingMethod::sequence, 0.99};
  return {PairingMethod::sequence, shared.timestamp_differs ? 0.7 : 0.95};
}

bool Correlator::may_pair(const LegState& leg, const LegState& other) const {
  if (leg.point + 1 != other.point && other.point + 1 != leg.point) return false;
  const bool leg_taken = leg.paired[slot_toward(leg.point, other.point)],
             other_taken = other.paired[slot_toward(other.point, leg.point)];
  if (!leg_taken && !other_taken) return true;
  // A NAT may give each retry a new port: the same SYN again, on a leg of its own, while nothing is established.
  return leg_taken != other_taken && leg.protocol == ip_protocol::tcp && !leg.midstream && !other.midstream && !leg.established &&
         !other.established && !same_ends(leg, other);
}

void Correlator::find_partner(Connection& connection, size_t leg_index, int64_t now_ns) {
  const LegState& leg = connection.legs[leg_index];
  const uint64_t leg_id = leg.id.value();
  std::vector<uint64_t> candidates = index_.by_five_tuple(leg);
  if (leg.protocol == ip_protocol::tcp && !leg.midstream) {
    const auto more = index_.by_sequence(leg);
    candidates.insert(candidates.end(), more.begin(), more.end());
  }
  for (int neighbour = -1; neighbour <= 1; neighbour += 2) {
    const int point = connections_.at(places_.at(leg_id).connection_id).legs[places_.at(leg_id).leg].point + neighbour;
    Match best;
    uint64_t best_id = 0;
    uint32_t rivals = 0;
    std::vector<uint64_t> seen;
    for (const uint64_t id : candidates) {
      const LegState* own = find_leg(leg_id);
      const LegState* other = find_leg(id);
      if (!other || id == leg_id || other->point != point || std::find(seen.begin(), seen.end(), id) != seen.end()) continue;
      if (places_.at(id).connection_id == places_.at(leg_id).connection_id || !may_pair(*own, *other)) continue;
      seen.push_back(id);
      Match found = match(*own, *other);
      if (own->tunnel_key != other->tunnel_key) found.confidence -= kOtherTunnel;  // one with the same key goes first
      if (found.confidence < kPairingThreshold) continue;
      if (found.confidence > best.confidence) {
        rivals = best.confidence > found.confidence - 0.03 && best_id != 0 ? rivals + 1 : 0;
        best = found;
        best_id = id;
      } else if (found.confidence > best.confidence - 0.03) {
        ++rivals;
      }
    }
    if (best_id == 0) continue;
    best.confidence /= 1 + rivals;
    if (best.confidence >= kPairingThreshold) pair(leg_id, best_id, best, rivals, now_ns);
  }
  const LegPlace place = places_.at(leg_id);
  Connection& now_in = connections_.at(place.connection_id);
  index_.add(now_in.legs[place.leg], now_ns);
  schedule(now_in);
}

// The younger connection goes into the older.
void Correlator::merge(uint64_t into_id, uint64_t from_id) {
  Connection& into = connections_.at(into_id);
  Connection& from = connections_.at(from_id);
  const size_t offset = into.legs.size();
  for (size_t i = 0; i < from.legs.size(); ++i) {
    places_[from.legs[i].id.value()] = {into_id, offset + i};
    into.legs.push_back(std::move(from.legs[i]));
  }
  for (Crossing& crossing : from.crossings) {
    crossing.client_leg += offset;
    crossing.server_leg += offset;
    if (const auto owner = pair_owner_.find(static_cast<uint64_t>(crossing.home) << 32 | crossing.pair);
        owner != pair_owner_.end())
      owner->second = into_id;
    into.crossings.push_back(crossing);
  }
  into.finding_ids.insert(into.finding_ids.end(), from.finding_ids.begin(), from.finding_ids.end());
  into.evicted |= from.evicted;
  into.judged_failed |= from.judged_failed;
  into.legs_over += from.legs_over;
  connections_.erase(from_id);
  --totals_.connections;
  if (from_id + 1 == next_connection_id_) --next_connection_id_;  // it was made for the leg that has just opened
}

void Correlator::pair(uint64_t leg_id, uint64_t other_id, const Match& found, uint32_t rivals, int64_t now_ns) {
  const uint64_t a = places_.at(leg_id).connection_id, b = places_.at(other_id).connection_id;
  merge(std::min(a, b), std::max(a, b));
  Connection& connection = connections_.at(std::min(a, b));
  settle_client_side(connection);

  size_t client_leg = places_.at(leg_id).leg, server_leg = places_.at(other_id).leg;
  const bool leg_is_outer = connection.legs[client_leg].point < connection.legs[server_leg].point;
  if (leg_is_outer != connection.client_outer) std::swap(client_leg, server_leg);
  LegState& client_side = connection.legs[client_leg];
  LegState& server_side = connection.legs[server_leg];
  for (auto [leg, neighbour] : {std::pair{&client_side, &server_side}, std::pair{&server_side, &client_side}}) {
    if (!leg->paired[0] && !leg->paired[1]) ++totals_.legs_paired[leg->point];
    leg->paired[slot_toward(leg->point, neighbour->point)] = true;
  }
  if (connection.crossings.empty()) ++totals_.paired_connections;
  Crossing& crossing = connection.crossings.emplace_back();
  crossing.client_leg = client_leg;
  crossing.server_leg = server_leg;
  crossing.method = found.method;
  crossing.confidence = found.confidence;
  crossing.rivals = rivals;
  ++totals_.pairings[static_cast<size_t>(found.method)];

  const PointIndex outer = std::min(client_side.point, server_side.point);
  DeviceState& device = devices_[outer];
  ++device.connections;
  device.rewrites |= !same_ends(client_side, server_side);
  const auto& outside = connection.client_outer ? client_side : server_side;
  const auto& inside = connection.client_outer ? server_side : client_side;
  const auto mapping = std::pair{outside.server, inside.server};
  if (device.address_map.size() < kAddressMapMax || device.address_map.contains(mapping)) ++device.address_map[mapping];
  if (crossed_[client_side.point].size() < kSidesMax) crossed_[client_side.point].insert(client_side.server.address);
  if (sides_.size() + 2 < kSidesMax) {
    sides_[client_side.client.address] |= connection.client_outer ? kOuterSide : kInnerSide;
    sides_[server_side.server.address] |= connection.client_outer ? kInnerSide : kOuterSide;
  }
  if (client_side.protocol == ip_protocol::tcp) start_fates(crossing, connection, now_ns);
}

void Correlator::start_fates(Crossing& crossing, Connection& connection, int64_t now_ns) {
  const LegState& client_side = connection.legs[crossing.client_leg];
  const LegState& server_side = connection.legs[crossing.server_leg];
  const size_t home = client_side.id.worker();
  auto& free = free_pairs_[home];
  auto& generations = pair_generation_[home];
  if (free.empty() && generations.size() >= pair_capacity(options_)) {
    ++totals_.pairs_refused;
    return;
  }
  uint32_t number;
  if (free.empty()) {
    number = static_cast<uint32_t>(generations.size());
    generations.push_back(0);
  } else {
    number = free.back();
    free.pop_back();
    ++generations[number];
  }
  crossing.home = static_cast<uint8_t>(home);
  crossing.pair = number;
  pair_owner_[static_cast<uint64_t>(home) << 32 | number] = connection.id;
  Command command{.effective_ns = (epoch_of(now_ns) + 2) * kEpochNs,
                  .connection_id = connection.id,
                  .leg = client_side.id,
                  .server_leg = server_side.id,
                  .pair = number,
                  .type = CommandType::open_pair,
                  .home = crossing.home,
                  .pair_generation = generations[number],
                  .client_point = client_side.point,
                  .server_point = server_side.point,
                  .local = server_side.id.worker() == home};
  bool said = commands_[home].send(command);
  if (!command.local) {
    command.type = CommandType::join;
    said &= commands_[client_side.id.worker()].send(command);
    command.leg = server_side.id;
    said &= commands_[server_side.id.worker()].send(command);
  }
  if (!said) ++totals_.pairs_refused;
}

// Which end of the path the client is at: a port that carries one direction says so; else of two legs the one with the higher
// TTL is nearer to the client, and with equal ones the one that saw the opening first; one leg alone is taken to stand on its
// client's side, unless its addresses are known from paired connections.
void Correlator::settle_client_side(Connection& connection) {
  for (const LegState& leg : connection.legs) {
    const PacketFacts& packet = leg.attempts.empty() ? leg.first : leg.attempts.front();
    const PortDirection direction = port_direction(packet.port);
    if (direction == PortDirection::both) continue;
    connection.client_outer = (direction == PortDirection::toward_inside) == (packet.from == Side::client);
    connection.client_side_known = true;
    return;
  }
  const auto [outer, inner] = std::minmax_element(connection.legs.begin(), connection.legs.end(),
                                                  [](const LegState& a, const LegState& b) { return a.point < b.point; });
  if (outer->point != inner->point) {
    connection.client_side_known = true;
    const int ttl_fall = outer->first.from == inner->first.from ? outer->first.ttl - inner->first.ttl : 0;
    const bool from_client = outer->first.from == Side::client;
    if (ttl_fall != 0) {
      connection.client_outer = (ttl_fall > 0) == from_client;
    } else {
      connection.client_outer = (outer->first.order_ns <= inner->first.order_ns) == from_client;
    }
    return;
  }
  const LegState& leg = connection.legs.front();
  const auto side_of = [this](const Address& address) {
    const auto it = sides_.find(address);
    return it == sides_.end() ? uint8_t{0} : it->second;
  };
  const uint8_t client = side_of(leg.client.address), server = side_of(leg.server.address);
  if (client == kOuterSide || server == kInnerSide) {
    connection.client_outer = true;
  } else if (client == kInnerSide || server == kOuterSide) {
    connection.client_outer = false;
  } else {
    connection.client_outer = leg.point == 0 || leg.point + 1u < options_.path.size();
  }
}

bool Correlator::has_rival(const Connection& connection, PointIndex point, int64_t from_ns, int64_t to_ns) const {
  const LegState& own = connection.client_leg();
  const auto& openings = recent_openings_[point];
  const auto begin =
      std::lower_bound(openings.begin(), openings.end(), from_ns, [](const Opening& o, int64_t t) { return o.order_ns < t; });
  for (auto it = begin; it != openings.end() && it->order_ns <= to_ns; ++it) {
    const LegState* leg = find_leg(it->leg_id);
    if (!leg || leg->paired[0] || leg->paired[1] || places_.at(it->leg_id).connection_id == connection.id) continue;
    if (leg->server.port == own.server.port || leg->client.address == own.client.address ||
        leg->server.address == own.server.address)
      return true;
  }
  return false;
}

}  // namespace parallax
