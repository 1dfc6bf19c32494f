#include "analysis/connection/connection_store.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

namespace parallax {

Connection& ConnectionStore::open(const LegEvent& event) {
  Connection& connection = connections_[next_id_];
  connection.id = next_id_++;
  ++totals_.connections;
  connection.protocol = protocol_of(event.protocol);
  LegState& leg = connection.legs.emplace_back();
  leg.id = event.leg;
  leg.point = event.packet.point;
  leg.protocol = event.protocol;
  leg.tunnel_key = event.tunnel_key;
  leg.client = event.client;
  leg.server = event.server;
  leg.first = event.packet;
  leg.midstream = event.midstream;
  leg.before = event.news.before;
  places_of(event.leg.value())[event.leg.value()] = {&connection, connection.id, 0};
  ++totals_.legs_opened[leg.point];
  return connection;
}

void ConnectionStore::close(LegState& leg, Connection& connection, int64_t now_ns) {
  leg.over = true;
  connection.over_ns = std::max(connection.over_ns, now_ns);
  if (++connection.legs_over == connection.legs.size()) note_over(connection);
}

void ConnectionStore::note_over(Connection& connection) {
  over_.push_back(connection.id);
  await_taking(connection);
}

void ConnectionStore::await_taking(Connection& connection) {
  constexpr int64_t kSettleNs = 2'000'000'000;  // beyond the time within which a device forwards: verdicts come in batches
  if (!tells_ends_) return;
  ended_.sweep(connections_.size(), [this](uint64_t id) { return connections_.contains(id); });
  ended_.add(connection, connection.over_ns + options_.device_timeout_ns + kSettleNs);
}

uint64_t ConnectionStore::tell_ends(bool tells) {
  tells_ends_ = tells;
  uint64_t dropped = ended_.forgotten().size() + ended_.take_not_kept();
  for (auto& [id, connection] : connections_) {
    dropped += std::exchange(connection.awaits_taking, false);
    if (connection.legs_over == connection.legs.size()) connection.was_taken = true;
  }
  ended_ = {};
  return dropped;
}

void ConnectionStore::evict() {
  if (options_.offline) return;
  while (connections_.size() > options_.connections) {
    uint64_t id = connections_.begin()->first;
    while (!over_.empty()) {
      const uint64_t candidate = over_.front();
      pop_over();
      if (connections_.contains(candidate)) {
        id = candidate;
        break;
      }
    }
    const auto it = connections_.find(id);
    forget_legs(it->second);
    const Connection& gone = it->second;
    const bool is_told = gone.was_taken && !gone.awaits_taking && gone.legs_over == gone.legs.size();
    if (tells_ends_ && !is_told) {
      ended_.add_forgotten(std::move(it->second));
    }
    connections_.erase(it);
    ++totals_.evicted;
  }
}

void ConnectionStore::pop_over() {
  over_.pop_front();
  messages_gone_to_ -= messages_gone_to_ > 0;
}

Connection* ConnectionStore::first_over(int64_t before_ns) {
  for (; !over_.empty(); pop_over()) {
    Connection* connection = find(over_.front());
    if (connection == nullptr || connection->legs_over != connection->legs.size()) continue;  // part of another by now
    return connection->over_ns < before_ns ? connection : nullptr;
  }
  return nullptr;
}

void ConnectionStore::pass_over() { pop_over(); }

Connection ConnectionStore::forget(const Connection& connection) {
  forget_legs(connection);
  return std::move(connections_.extract(connection.id).mapped());
}

void ConnectionStore::forget_legs(const Connection& connection) {
  for (const LegState& leg : connection.legs) {
    forget_messages(leg);
    places_of(leg.id.value()).erase(leg.id.value());
  }
}

Connection& ConnectionStore::connect(uint64_t leg_id, uint64_t other_id) {
  Connection *const a = connection_of(leg_id), *const b = connection_of(other_id);
  Connection &into = a->id < b->id ? *a : *b, &from = a->id < b->id ? *b : *a;
  const uint64_t into_id = into.id, from_id = from.id;
  const bool was_paired = !into.crossings.empty(), other_was_paired = !from.crossings.empty();
  // It was made for the leg that has just opened, and nobody has heard of it: its id is free again.
  const bool is_unknown =
      from_id + 1 == next_id_ && from.legs_over == 0 && from.check_due_ns == kTimeMax && from.finding_ids.empty();
  const size_t offset = into.legs.size();
  into.legs.reserve(offset + from.legs.size());
  for (size_t i = 0; i < from.legs.size(); ++i) {
    places_of(from.legs[i].id.value())[from.legs[i].id.value()] = {&into, into_id, offset + i};
    into.legs.push_back(std::move(from.legs[i]));
  }
  for (Crossing& crossing : from.crossings) {
    crossing.client_leg += offset;
    crossing.server_leg += offset;
    into.crossings.push_back(std::move(crossing));
  }
  into.finding_ids.insert(into.finding_ids.end(), from.finding_ids.begin(), from.finding_ids.end());
  into.evicted |= from.evicted;
  into.is_noted |= from.is_noted;
  into.over_ns = std::max(into.over_ns, from.over_ns);
  into.told |= from.told;
  into.legs_over += from.legs_over;
  into.was_taken |= from.was_taken;
  if (into.legs_over == into.legs.size()) await_taking(into);
  connections_.erase(from_id);
  --totals_.connections;
  if (is_unknown) --next_id_;
  if (was_paired && other_was_paired) --totals_.paired_connections;
  if (!was_paired && !other_was_paired) ++totals_.paired_connections;
  return into;
}

void ConnectionStore::mark_paired(LegState& leg, LegState& other) {
  for (auto [own, neighbour] : {std::pair{&leg, &other}, std::pair{&other, &leg}}) {
    totals_.legs_paired[own->point] += !own->is_paired();
    if (own->point == neighbour->point) {
      own->paired_within = true;
    } else {
      own->paired[path_side(own->point, neighbour->point)] = true;
    }
  }
}

bool ConnectionStore::share(LegState& leg, LegState& beyond, const PairingBasis& basis) {
  const auto add = [&](LegState& to, const LegState& other) {
    auto& others = to.shared_with;
    const auto known =
        std::find_if(others.rbegin(), others.rend(), [&](const Sharing& s) { return s.leg_id == other.id.value(); });
    if (known != others.rend()) {
      if (basis.confidence > known->basis.confidence) known->basis = basis;
      std::rotate(std::prev(known.base()), known.base(), others.end());  // the newest now
      return false;
    }
    if (others.size() >= LegState::kSharedMax)
      others.erase_if([this](const Sharing& s) { return place_of(s.leg_id).connection_id == 0; });  // evicted
    if (others.size() >= LegState::kSharedMax) {
      others.erase(others.begin());
      ++totals_.sharings_forgotten;
    }
    others.push_back({other.id.value(), basis});
    return true;
  };
  const bool is_new = add(leg, beyond);
  add(beyond, leg);
  mark_paired(leg, beyond);
  return is_new;
}

std::vector<Sharing> ConnectionStore::share_no_more(LegState& leg, PointIndex point) {
  const auto is_toward = [](const LegState* other, PointIndex toward) { return other != nullptr && other->point == toward; };
  const auto free_if_alone = [&](LegState& freed, PointIndex toward) {
    const Connection& connection = *connection_of(freed.id.value());
    const bool is_alone = !connection.has_crossing(freed, toward) &&
                          std::none_of(freed.shared_with.begin(), freed.shared_with.end(),
                                       [&](const Sharing& s) { return is_toward(this->leg(s.leg_id), toward); });
    if (is_alone) mark_free(freed, toward);
  };
  std::vector<Sharing> disproved;
  leg.shared_with.erase_if([&](const Sharing& s) {
    if (!is_toward(this->leg(s.leg_id), point)) return false;
    disproved.push_back(s);
    return true;
  });
  for (const Sharing& s : disproved) {
    LegState& other = *this->leg(s.leg_id);
    other.shared_with.erase_if([&](const Sharing& back) { return back.leg_id == leg.id.value(); });
    free_if_alone(other, leg.point);
  }
  if (!disproved.empty()) free_if_alone(leg, point);
  return disproved;
}

std::vector<SharedPairingRecord> ConnectionStore::sharing(const Connection& connection) const {
  std::map<uint64_t, SharedPairingRecord> by_id;
  for (const LegState& leg : connection.legs) {
    for (const Sharing& s : leg.shared_with) {
      const uint64_t id = place_of(s.leg_id).connection_id;
      if (id == 0 || id == connection.id) continue;
      SharedPairingRecord& record = by_id[id];
      if (s.basis.confidence >= record.confidence) record = {id, s.basis.method, s.basis.confidence, s.basis.rivals};
    }
  }
  std::vector<SharedPairingRecord> records;
  for (const auto& [id, record] : by_id) records.push_back(record);
  return records;
}

// REQUIRES: the edge between the two is gone. A leg may have several at a point: retries through a NAT.
void ConnectionStore::mark_unpaired(const Connection& connection, LegState& leg, const LegState& other) {
  leg.not_with.push_back(other.id.value());
  if (!connection.has_crossing(leg, other.point)) mark_free(leg, other.point);
}

// REQUIRES: it is marked as paired toward that point.
void ConnectionStore::mark_free(LegState& leg, PointIndex point) {
  (leg.point == point ? leg.paired_within : leg.paired[path_side(leg.point, point)]) = false;
  totals_.legs_paired[leg.point] -= !leg.is_paired();
}

Connection* ConnectionStore::disconnect(Connection& connection, size_t crossing) {
  LegState& client_side = connection.legs[connection.crossings[crossing].client_leg];
  LegState& server_side = connection.legs[connection.crossings[crossing].server_leg];
  connection.crossings.erase(connection.crossings.begin() + static_cast<std::ptrdiff_t>(crossing));
  mark_unpaired(connection, client_side, server_side);
  mark_unpaired(connection, server_side, client_side);
  // Components by repeated union: connections have a handful of legs.
  std::vector<size_t> component(connection.legs.size());
  std::iota(component.begin(), component.end(), size_t{0});
  for (const Crossing& c : connection.crossings) {
    const size_t from = std::max(component[c.client_leg], component[c.server_leg]);
    const size_t into = std::min(component[c.client_leg], component[c.server_leg]);
    std::replace(component.begin(), component.end(), from, into);
  }
  const bool whole = std::all_of(component.begin(), component.end(), [](size_t c) { return c == 0; });
  if (connection.crossings.empty()) --totals_.paired_connections;
  if (whole) return nullptr;

  Connection& other = connections_[next_id_];
  other.id = next_id_++;
  other.protocol = connection.protocol;
  other.client_outer = connection.client_outer;
  other.was_taken = connection.was_taken;
  ++totals_.connections;
  std::vector<LegState> stay;
  std::vector<size_t> place(connection.legs.size());
  for (size_t i = 0; i < connection.legs.size(); ++i) {
    auto& legs = component[i] == 0 ? stay : other.legs;
    place[i] = legs.size();
    Places& places = places_of(connection.legs[i].id.value());
    if (const auto at = places.find(connection.legs[i].id.value()); at != places.end())
      at->second = component[i] == 0 ? LegPlace{&connection, connection.id, place[i]} : LegPlace{&other, other.id, place[i]};
    legs.push_back(std::move(connection.legs[i]));
  }
  connection.legs = std::move(stay);
  std::vector<Crossing> kept;
  for (Crossing& c : connection.crossings) {
    auto& crossings = component[c.client_leg] == 0 ? kept : other.crossings;
    c.client_leg = place[c.client_leg];
    c.server_leg = place[c.server_leg];
    crossings.push_back(std::move(c));
  }
  connection.crossings = std::move(kept);
  for (Connection* half : {&connection, &other}) {
    half->legs_over =
        static_cast<size_t>(std::count_if(half->legs.begin(), half->legs.end(), [](const LegState& leg) { return leg.over; }));
    if (half->legs_over == half->legs.size()) note_over(*half);
    half->evicted =
        std::any_of(half->legs.begin(), half->legs.end(), [](const LegState& leg) { return leg.evicted && !leg.established; });
  }
  if (!connection.crossings.empty() && !other.crossings.empty()) ++totals_.paired_connections;
  return &other;
}

void ConnectionStore::forget_messages(const LegState& leg) {
  if (leg.recognised) recognised_bytes_ -= sizeof(Recognised) + leg.recognised->bytes();
}

// False: all that is kept is of connections that go on.
bool ConnectionStore::make_room_for_messages() {
  while (recognised_bytes_ >= options_.recognised_bytes) {
    if (messages_gone_to_ == over_.size()) return false;
    Connection* connection = find(over_[messages_gone_to_++]);
    if (connection == nullptr) continue;
    for (LegState& leg : connection->legs) {
      forget_messages(leg);
      leg.recognised.reset();
    }
    ++totals_.messages_forgotten;
  }
  return true;
}

void ConnectionStore::take(const RecognitionEvent& event) {
  LegState* leg = this->leg(event.leg.value());
  if (leg == nullptr) return;  // its connection was evicted
  leg->speaks_tls |= is_tls(event.kind);
  leg->speaks_http |= is_http(event.kind);
  if (!options_.offline && !make_room_for_messages()) {
    ++totals_.recognitions_refused;
    return;
  }
  if (!leg->recognised) {
    leg->recognised = std::make_unique<Recognised>();
    recognised_bytes_ += sizeof(Recognised);
  }
  const size_t before = leg->recognised->bytes();
  if (!leg->recognised->take(event)) ++totals_.messages_over;
  recognised_bytes_ += leg->recognised->bytes() - before;
}

namespace {
constexpr size_t kLine = 64;
[[gnu::always_inline]] inline void prefetch_lines(const void* from, size_t bytes) {
  for (size_t at = 0; at < bytes; at += kLine) __builtin_prefetch(static_cast<const char*>(from) + at, 1);
}
}  // namespace

void ConnectionStore::prefetch_connection(uint64_t leg_id) const {
  if (const Connection* connection = place_of(leg_id).connection) prefetch_lines(connection, sizeof *connection);
}

void ConnectionStore::prefetch_leg(uint64_t leg_id) const {
  const LegPlace place = place_of(leg_id);
  if (place.connection != nullptr) prefetch_lines(&place.connection->legs[place.leg], sizeof(LegState));
}

LegPlace ConnectionStore::place_of(uint64_t leg_id) const {
  const Places& places = places_.of(LegIdHash{}(leg_id));
  const auto it = places.find(leg_id);
  return it == places.end() ? LegPlace{} : it->second;
}

Connection* ConnectionStore::find(uint64_t connection_id) {
  const auto it = connections_.find(connection_id);
  return it == connections_.end() ? nullptr : &it->second;
}
const Connection* ConnectionStore::find(uint64_t connection_id) const {
  const auto it = connections_.find(connection_id);
  return it == connections_.end() ? nullptr : &it->second;
}

}  // namespace parallax
