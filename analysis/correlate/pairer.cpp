#include "analysis/correlate/pairer.h"

#include <algorithm>
#include <cstdlib>
#include <span>

#include "analysis/correlate/hairpin.h"
#include "analysis/leg/leg.h"
#include "analysis/model/keyed_hash.h"

namespace parallax {
namespace {

constexpr double kThresholdAmongMany = 0.95;
constexpr double kThreshold = 0.8;     // below, legs stay unpaired and are counted
constexpr double kRivalMargin = 0.03;  // a candidate that is so close to the best is its rival
constexpr double kOtherTunnel = 0.05;  // less for a leg with another tunnel key: more than makes a rival, and no reason by itself
constexpr double kKnown = 0.99;
// What takes over from an earlier pairing is sure, and that was less so by more than the order of arrival explains. Where that is
// by likelihood, it is enough that packets are the same.
constexpr double kTakesOver = kConfirmedNumber, kTakesOverBy = 0.036;
constexpr size_t kTakenBackMax = 8;  // pairings of one leg

uint64_t client_key(const LegState& leg) { return KeyedHash().add(8).add(leg.protocol).add(leg.client).value(); }

bool contains(std::span<const uint64_t> ids, const LegState& leg) {
  return std::find(ids.begin(), ids.end(), leg.id.value()) != ids.end();
}

// The surest of several, and how many come close to it.
class Best {
 public:
  void add(const Pairer::Match& found) {
    if (found.confidence > best_.confidence) {
      const bool is_close = best_.leg_id != 0 && best_.confidence > found.confidence - kRivalMargin;
      const uint32_t rivals = is_close ? best_.rivals + 1 : 0;
      best_ = found;
      best_.rivals = rivals;
    } else if (found.confidence > best_.confidence - kRivalMargin) {
      ++best_.rivals;
    }
  }
  // leg_id 0: none of them is clear.
  Pairer::Match match() const {
    Pairer::Match match = best_;
    match.confidence /= 1 + match.rivals;
    return match.confidence >= kThreshold ? match : Pairer::Match{};
  }

 private:
  Pairer::Match best_;
};

}  // namespace

bool same_ends(const LegState& a, const LegState& b) { return a.client == b.client && a.server == b.server; }

bool Pairer::known_to_pair(const LegState& a, const LegState& b) const {
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

// Who scans gives its openings toward all servers one sequence number, from one port, and many bots share one among them: then
// the number alone does not tell which of them is which, where their ends have nothing in common.
bool Pairer::is_number_of_several(const LegState& leg, const LegState& other, const PairingIndex::Candidates& with_number) const {
  return std::any_of(with_number.legs.begin(), with_number.legs.end(), [&](uint64_t id) {
    const LegState* third = store_.leg(id);
    if (third == nullptr) return false;
    const LegState& own = third->point == leg.point ? leg : other;
    const bool is_of_own = store_.place_of(id).connection_id == store_.place_of(own.id.value()).connection_id;
    if (third->point != own.point || is_of_own) return false;
    return third->client == own.client ? third->server != own.server
                                       : third->client.address != own.client.address && leg.client != other.client;
  });
}

double Pairer::score(const PairingMethodRow& row, const LegState& leg, const LegState& other) const {
  if (leg.protocol != other.protocol) return 0;
  double score = known_to_pair(leg, other) ? kKnown : row.score(leg, other);
  if (leg.tunnel_key != other.tunnel_key) score -= kOtherTunnel;  // one with the same key goes first
  return score;
}

bool Pairer::may_pair(const LegState& leg, const LegState& other, PairingReach reach) const {
  if (contains(leg.not_with, other)) return false;
  if (reach == PairingReach::same_point) return leg.point == other.point && !leg.paired_within && !other.paired_within;
  if (std::abs(int{leg.point} - int{other.point}) != 1) return false;
  const bool leg_taken = leg.paired[path_side(leg.point, other.point)],
             other_taken = other.paired[path_side(other.point, leg.point)];
  if (!leg_taken && !other_taken) return true;
  if (leg_taken && other_taken) return false;
  const LegState &taken = leg_taken ? leg : other, &free = leg_taken ? other : leg;
  return is_retry_of(taken, free) || goes_on_as(taken, free);
}

// What comes from a neighbouring point passes one leg of a hairpin there, and goes on by the other: the two are no rivals.
bool Pairer::faces(const LegState& leg, const LegState& neighbour) const {
  const Connection& connection = *store_.connection_of(leg.id.value());
  const Crossing* hairpin = connection.hairpin();
  if (hairpin == nullptr || !leg.paired_within) return true;
  const LegState &client_side = connection.legs[hairpin->client_leg], &server_side = connection.legs[hairpin->server_leg];
  const LegState& facing = goes_on_at(client_side, server_side, neighbour);
  return &facing == &leg;
}

// A NAT may give a client of QUIC another port in the midst of its connection: then what the client's leg is paired with there
// has a successor, and the client's leg has none.
bool Pairer::goes_on_as(const LegState& taken, const LegState& other) const {
  if (taken.successor != 0 || !other.recognised || !other.recognised->quic || !other.recognised->quic->goes_on) return false;
  const Connection& connection = *store_.connection_of(taken.id.value());
  return std::any_of(connection.legs.begin(), connection.legs.end(), [&](const LegState& leg) {
    return leg.successor == other.id.value() && leg.point == other.point && connection.is_behind(leg, taken);
  });
}

// A NAT may give each retry a new port: the same SYN again, on a leg of its own, while nothing is established. Each SYN of the
// leg that is taken already explains one on the far side: there must be one left that does not.
bool Pairer::is_retry_of(const LegState& taken, const LegState& retry) const {
  if (taken.protocol != ip_protocol::tcp || taken.midstream || retry.midstream || taken.established || retry.established ||
      same_ends(taken, retry))
    return false;
  uint32_t explained = 0;
  for (const LegState& leg : store_.connection_of(taken.id.value())->legs) {
    if (leg.point == retry.point) explained += leg.attempt_count;
  }
  return explained < taken.attempt_count;
}

// Whether what the leg is paired with toward that point, if anything, has clearly less in common with it than `to`, by whatever
// method. Retries that a NAT gave ports of their own are several, and stay.
bool Pairer::gives_way(const LegState& leg, PointIndex toward, const PairingMethodRow& row, double to) const {
  if (!leg.paired[path_side(leg.point, toward)]) return true;
  if (leg.not_with.size() >= kTakenBackMax) return false;
  if (row.keeps_packets && is_likely(leg, toward)) return true;
  if (to < kTakesOver) return false;
  const Connection& connection = *store_.connection_of(leg.id.value());
  const LegState* partner = nullptr;
  for (const Crossing& crossing : connection.crossings) {
    const LegState* own = connection.other_end(crossing, leg);
    if (own == nullptr || own->point != toward) continue;
    if (partner != nullptr) return false;
    partner = own;
  }
  const auto methods = pairing_methods();
  return partner != nullptr && std::all_of(methods.begin(), methods.end(), [&](const PairingMethodRow& held_by) {
           return held_by.reach != PairingReach::neighbours || score(held_by, leg, *partner) + kTakesOverBy <= to;
         });
}

// Whether all that holds the leg toward that point does so by likelihood.
bool Pairer::is_likely(const LegState& leg, PointIndex toward) const {
  const Connection& connection = *store_.connection_of(leg.id.value());
  const bool pairs = std::all_of(connection.crossings.begin(), connection.crossings.end(), [&](const Crossing& crossing) {
    const LegState* partner = connection.other_end(crossing, leg);
    return partner == nullptr || partner->point != toward || crossing.is_likely();
  });
  return pairs && std::all_of(leg.shared_with.begin(), leg.shared_with.end(), [&](const Sharing& sharing) {
           const LegState* other = store_.leg(sharing.leg_id);
           return other == nullptr || other->point != toward || is_likelihood(sharing.basis.method);
         });
}

bool Pairer::may_take_over(const PairingMethodRow& row, const LegState& leg, const LegState& other, double found) const {
  return found >= kThresholdAmongMany && std::abs(int{leg.point} - int{other.point}) == 1 && !contains(leg.not_with, other) &&
         gives_way(leg, other.point, row, found) && gives_way(other, leg.point, row, found);
}

Pairer::Match Pairer::find(uint64_t leg_id, int point, uint8_t trigger) const {
  const LegPlace own = store_.place_of(leg_id);
  const LegState& leg = *store_.leg(own);
  const PairingReach reach = leg.point == point ? PairingReach::same_point : PairingReach::neighbours;
  const bool is_across = reach == PairingReach::neighbours;
  Best free, taken;
  absl::InlinedVector<uint64_t, PairingIndex::kCandidatesMax> seen;
  for (const PairingMethodRow& row : pairing_methods()) {
    if (!(row.triggers & trigger) || row.reach != reach) continue;
    const std::optional<uint64_t> key = row.key(leg);
    if (!key) continue;
    const PairingIndex::Candidates candidates = index_.find(*key);
    // What very many legs share is itself no evidence: it takes more then.
    const double threshold = candidates.others > 0 ? kThresholdAmongMany : kThreshold;
    for (const uint64_t id : candidates.legs) {
      if (id == leg_id || std::find(seen.begin(), seen.end(), id) != seen.end()) continue;
      seen.push_back(id);  // the strongest method that finds it has its say
      const LegPlace place = store_.place_of(id);
      const LegState* other = store_.leg(place);
      if (other == nullptr || other->point != point || place.connection_id == own.connection_id) continue;
      const double found = score(row, leg, *other);
      if (found < threshold) continue;
      const bool is_free = may_pair(leg, *other, reach);
      if (!is_free && !(is_across && may_take_over(row, leg, *other, found))) continue;  // a hairpin takes no leg from another
      if (is_across && !(faces(leg, *other) && faces(*other, leg))) continue;
      if (is_across && row.method == PairingMethod::sequence && found < kConfirmedNumber &&
          is_number_of_several(leg, *other, candidates))
        continue;
      (is_free ? free : taken).add({id, row.method, row.keeps_packets, found, 0, !is_free});
    }
  }
  const Match match = free.match();
  return match.leg_id != 0 ? match : taken.match();
}

Pairer::Match Pairer::surer(const LegState& leg, const LegState& partner, uint8_t trigger) const {
  for (const PairingMethodRow& row : pairing_methods()) {
    const std::optional<uint64_t> key = (row.triggers & trigger) && row.keeps_packets ? row.key(leg) : std::nullopt;
    if (!key) continue;
    const double found = score(row, leg, partner);
    if (found < kThresholdAmongMany) continue;
    const PairingIndex::Candidates candidates = index_.find(*key);
    const bool has_rivals =
        candidates.others > 0 || std::any_of(candidates.legs.begin(), candidates.legs.end(), [&](uint64_t id) {
          const LegState* other = store_.leg(id);
          return other != nullptr && other != &partner && other != &leg && other->point == partner.point &&
                 score(row, leg, *other) > found - kRivalMargin;
        });
    if (!has_rivals) return {partner.id.value(), row.method, true, found, 0, false};
  }
  return {};
}

size_t Pairer::keys_shown(const LegState& leg, uint8_t trigger) {
  const auto methods = pairing_methods();
  return static_cast<size_t>(std::count_if(methods.begin(), methods.end(), [&](const PairingMethodRow& row) {
    return (row.triggers & trigger) && row.key(leg).has_value();
  }));
}

PairingIndex::Candidates Pairer::with_client_of(const LegState& leg) const { return index_.find(client_key(leg)); }

void Pairer::add(const LegState& leg, uint8_t trigger, int64_t now_ns) {
  const auto window =
      leg.midstream || leg.protocol != ip_protocol::tcp ? PairingIndex::Window::midstream : PairingIndex::Window::opening;
  if (leg.protocol == ip_protocol::udp && (trigger & pairing_trigger::opening))
    index_.add(client_key(leg), leg.id.value(), window, now_ns);
  const auto methods = pairing_methods();
  for (auto row = methods.begin(); row != methods.end(); ++row) {
    if (!(row->triggers & trigger) || !row->is_shown) continue;
    const auto window_of = [window](const PairingMethodRow& method) {
      return method.reach == PairingReach::same_point ? PairingIndex::Window::opening : window;
    };
    // Rows of the two reaches look for the same key: one entry does for both.
    const bool is_there = std::any_of(methods.begin(), row, [&](const PairingMethodRow& before) {
      return before.key == row->key && (before.triggers & trigger) && before.is_shown && window_of(before) == window_of(*row);
    });
    if (is_there) continue;
    if (const std::optional<uint64_t> key = row->key(leg)) index_.add(*key, leg.id.value(), window_of(*row), now_ns);
  }
}

}  // namespace parallax
