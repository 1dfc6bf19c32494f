#include "analysis/correlate/hairpin.h"

#include <algorithm>
#include <cstdlib>
#include <span>
#include <utility>

#include "analysis/correlate/pairer.h"

namespace parallax {
namespace {

constexpr int64_t kTransitNs = 20'000'000;
constexpr int kRoutersMax = 8;        // that a TTL shows between the two
constexpr size_t kRoutedLeast = 2;    // packets that agree, where it shows one
constexpr size_t kUnroutedLeast = 3;  // and where it does not

// One packet, shown by both legs.
struct Shared {
  const PacketFacts *own, *others;
};

// The device has lowered the TTL: by that which of the two was first, and that they are not two of one sender.
int ttl_fall(const Shared& s) {
  const int fall = s.own->ttl - s.others->ttl;
  return std::abs(fall) <= kRoutersMax ? fall : 0;
}

// Which of the two was first: above 0 the own. 0: unknown.
int order_of(const Shared& s) {
  const int64_t later_ns = s.others->order_ns - s.own->order_ns;
  const int64_t uncertainty_ns = int64_t{s.own->stamp_uncertainty_ns} + s.others->stamp_uncertainty_ns;
  if (s.own->port == s.others->port) {
    if (later_ns != 0) return later_ns > 0 ? 1 : -1;
    return s.own->frame < s.others->frame ? 1 : -1;
  }
  if (std::abs(later_ns) > uncertainty_ns) return later_ns > 0 ? 1 : -1;
  return ttl_fall(s);
}

enum class IpIds : uint8_t { kept, any };

bool may_be_one(const PacketFacts& a, const PacketFacts& b, IpIds ids) {
  return a.from == b.from && a.tcp_flags == b.tcp_flags && a.payload_length == b.payload_length && a.tsval == b.tsval &&
         (ids == IpIds::any || a.ip_id == b.ip_id) && std::abs(a.order_ns - b.order_ns) < kTransitNs;
}

// What both show of the two lists, each once and in the order of both.
class SharedPackets {
 public:
  template <typename Same>
  SharedPackets(std::span<const PacketFacts> own, std::span<const PacketFacts> others, IpIds ids, Same&& same) {
    auto next = others.begin();
    for (const PacketFacts& x : own) {
      const auto y = std::find_if(next, others.end(), [&](const PacketFacts& p) { return may_be_one(x, p, ids) && same(x, p); });
      if (y == others.end()) continue;
      next = y + 1;
      add({&x, &*y});
    }
  }

  // Packets that differ from one another in `what`.
  template <typename What>
  size_t count(What&& what) const {
    size_t count = 0;
    for (size_t i = 0; i < shared_.size(); ++i) {
      count += std::none_of(shared_.begin(), shared_.begin() + static_cast<std::ptrdiff_t>(i),
                            [&](const Shared& earlier) { return what(*earlier.own) == what(*shared_[i].own); });
    }
    return count;
  }
  // What one leg showed first the client has sent, or what it showed last the server: on all alike, else they are not one.
  bool is_contradictory() const { return own_first_ && others_first_; }
  std::optional<bool> is_own_first() const { return own_first_ == others_first_ ? std::nullopt : std::optional(own_first_); }
  // Each of them lost some of its TTL on its way.
  bool is_routed() const { return !shared_.empty() && is_routed_; }
  bool empty() const { return shared_.empty(); }
  // What either end has sent.
  bool is_of_both_ends() const { return has_[Side::client] && has_[Side::server]; }
  const std::vector<Shared>& all() const { return shared_; }

 private:
  void add(const Shared& s) {
    shared_.push_back(s);
    has_[s.own->from] = true;
    int order = order_of(s);
    const int fall = ttl_fall(s);
    is_routed_ &= fall != 0 && (order > 0) == (fall > 0);
    if (s.own->from == Side::server) order = -order;
    own_first_ |= order > 0;
    others_first_ |= order < 0;
  }

  std::vector<Shared> shared_;
  PerSide<bool> has_{};
  bool own_first_ = false, others_first_ = false, is_routed_ = true;
};

bool has_same_numbers(const PacketFacts& a, const PacketFacts& b) { return a.seq == b.seq && a.ack == b.ack; }
std::pair<uint32_t, uint32_t> numbers_of(const PacketFacts& packet) { return {packet.seq, packet.ack}; }
// Length and sum of a datagram.
std::pair<uint32_t, uint32_t> payload_of(const PacketFacts& packet) { return {packet.seq, packet.payload_length}; }

std::vector<PacketFacts> handshake_of(const LegState& leg) {
  std::vector<PacketFacts> packets(leg.attempts.begin(), leg.attempts.end());
  if (leg.syn_ack) packets.push_back(*leg.syn_ack);
  return packets;
}

bool are_openings(const LegState& leg, const LegState& other) {
  return leg.protocol == ip_protocol::tcp && !leg.midstream && !other.midstream && !same_ends(leg, other);
}
bool are_midstream(const LegState& leg, const LegState& other) {
  return leg.protocol == ip_protocol::tcp && leg.midstream && other.midstream && !same_ends(leg, other);
}
bool are_datagrams(const LegState& leg, const LegState& other) {
  return leg.protocol == ip_protocol::udp && !same_ends(leg, other);
}

SharedPackets shared_syns(const LegState& leg, const LegState& other) {
  return {leg.attempts, other.attempts, IpIds::kept,
          [](const PacketFacts& a, const PacketFacts& b) { return a.seq == b.seq && a.ip_id != 0; }};
}
// Without an ID the timestamp must tell one packet from the next.
SharedPackets shared_segments(const LegState& leg, const LegState& other) {
  return {leg.sighted, other.sighted, IpIds::kept,
          [](const PacketFacts& a, const PacketFacts& b) { return has_same_numbers(a, b) && (a.ip_id != 0 || a.tsval != 0); }};
}
SharedPackets shared_datagrams(const LegState& leg, const LegState& other) {
  return {leg.sighted, other.sighted, IpIds::kept,
          [](const PacketFacts& a, const PacketFacts& b) { return a.seq == b.seq && (a.seq != 0 || a.ip_id != 0); }};
}

bool offer_the_same(const OfferedOptions& a, const OfferedOptions& b) {
  return a.cut || b.cut ||
         (a.window_scale == b.window_scale && a.sack == b.sack && a.timestamps == b.timestamps &&
          a.initial_window == b.initial_window);
}

// Some say the same to several servers at once: of these each has an ID of its own, and none has lost more of its TTL than
// another.
double kept_datagram_score(const LegState& leg, const LegState& other) {
  const SharedPackets shared = shared_datagrams(leg, other);
  if (shared.empty() || shared.is_contradictory()) return 0;
  const auto has_sum_and_id = [](const Shared& s) { return s.own->seq != 0 && s.own->ip_id != 0; };
  if (shared.is_routed() && std::any_of(shared.all().begin(), shared.all().end(), has_sum_and_id)) return 0.97;
  const size_t ids = shared.count([](const PacketFacts& p) { return p.ip_id; });
  const size_t sums = shared.count(payload_of);
  if (ids >= kUnroutedLeast) return 0.95;
  return shared.is_routed() && sums >= kUnroutedLeast ? 0.95 : 0;
}

// With other IDs: what both ends say, and that all of it has lost some of its TTL, as none has that one says to several.
double renamed_datagram_score(const LegState& leg, const LegState& other) {
  const SharedPackets shared(leg.sighted, other.sighted, IpIds::any,
                             [](const PacketFacts& a, const PacketFacts& b) { return a.seq == b.seq && a.seq != 0; });
  const bool agree = shared.is_of_both_ends() && shared.count(payload_of) >= kUnroutedLeast;
  return agree && shared.is_routed() && !shared.is_contradictory() ? 0.95 : 0;
}

}  // namespace

// Some clients share an initial sequence number on purpose: without a timestamp the TTL must show that one has passed something.
double hairpin_sequence_score(const LegState& leg, const LegState& other) {
  if (!are_openings(leg, other)) return 0;
  const SharedPackets shared = shared_syns(leg, other);
  if (shared.empty() || shared.is_contradictory()) return 0;
  const bool has_timestamp = shared.all().back().own->tsval != 0;
  if (!has_timestamp && !(shared.is_routed() && offer_the_same(leg.client_options, other.client_options))) return 0;
  return 0.95;
}

double hairpin_timestamp_score(const LegState& leg, const LegState& other) {
  if (!are_openings(leg, other) || !offer_the_same(leg.client_options, other.client_options)) return 0;
  const SharedPackets shared(leg.attempts, other.attempts, IpIds::kept, [](const PacketFacts& a, const PacketFacts& b) {
    return a.seq != b.seq && a.tsval != 0 && a.ip_id != 0;
  });
  return shared.is_routed() && !shared.is_contradictory() ? 0.95 : 0;
}

// 64 bits that both ends have chosen: numbers, or timestamps where the TTL shows a router between the two both ways; for hosts
// with one clock for all are no routers of their own packets.
double hairpin_answered_score(const LegState& leg, const LegState& other) {
  if (!are_openings(leg, other) || !leg.syn_ack || !other.syn_ack) return 0;
  if (!offer_the_same(leg.client_options, other.client_options)) return 0;
  const auto own = handshake_of(leg), others = handshake_of(other);
  const SharedPackets numbered(own, others, IpIds::any, has_same_numbers);
  if (numbered.is_of_both_ends() && !numbered.is_contradictory()) return 0.95;
  const SharedPackets timed(own, others, IpIds::any, [](const PacketFacts& a, const PacketFacts&) { return a.tsval != 0; });
  return timed.is_of_both_ends() && timed.is_routed() && !timed.is_contradictory() ? 0.95 : 0;
}

double hairpin_sighted_score(const LegState& leg, const LegState& other) {
  if (!are_midstream(leg, other)) return 0;
  const SharedPackets shared = shared_segments(leg, other);
  const size_t least = shared.is_routed() ? kRoutedLeast : kUnroutedLeast;
  if (shared.is_contradictory()) return 0;
  if (shared.count(numbers_of) >= least) return 0.99;
  const SharedPackets renamed(leg.sighted, other.sighted, IpIds::any, has_same_numbers);
  const bool agree = renamed.is_of_both_ends() && renamed.count(numbers_of) >= kUnroutedLeast;
  return agree && !renamed.is_contradictory() ? 0.95 : 0;
}

double hairpin_shifted_score(const LegState& leg, const LegState& other) {
  if (!are_midstream(leg, other) || leg.sighted.empty()) return 0;
  const Side from = leg.sighted.back().from;
  std::optional<uint32_t> shift;
  bool is_one_shift = true;
  const SharedPackets shared(leg.sighted, other.sighted, IpIds::kept, [&](const PacketFacts& a, const PacketFacts& b) {
    if (a.from != from || a.tsval == 0 || a.ip_id == 0) return false;
    is_one_shift &= !shift || *shift == b.seq - a.seq;
    shift = b.seq - a.seq;
    return true;
  });
  if (!is_one_shift || shared.is_contradictory()) return 0;
  return shared.count([](const PacketFacts& p) { return p.ip_id; }) >= kUnroutedLeast ? 0.95 : 0;
}

double hairpin_datagram_score(const LegState& leg, const LegState& other) {
  if (!are_datagrams(leg, other)) return 0;
  const double kept = kept_datagram_score(leg, other);
  return kept > 0 ? kept : renamed_datagram_score(leg, other);
}

std::optional<bool> is_on_client_side(const LegState& leg, const LegState& other) {
  const auto shown = [](const LegState& l) { return l.attempts.empty() ? std::span(l.sighted) : std::span(l.attempts); };
  const SharedPackets shared(shown(leg), shown(other), IpIds::kept, [](const PacketFacts&, const PacketFacts&) { return true; });
  if (!shared.empty()) return shared.is_own_first();
  const bool are_timed = !leg.attempts.empty() && !other.attempts.empty();
  const auto all_of = [](const LegState& l) {
    return l.attempts.empty() ? std::vector(l.sighted.begin(), l.sighted.end()) : handshake_of(l);
  };
  const auto own = all_of(leg), others = all_of(other);
  return SharedPackets(
             own, others, IpIds::any,
             [&](const PacketFacts& a, const PacketFacts& b) { return has_same_numbers(a, b) || (are_timed && a.tsval != 0); })
      .is_own_first();
}

const LegState& goes_on_at(const LegState& client_side, const LegState& server_side, const LegState& neighbour) {
  for (const LegState* leg : {&client_side, &server_side}) {
    if (same_ends(*leg, neighbour)) return *leg;
  }
  const bool came_before = (neighbour.first.order_ns < client_side.first.order_ns) == (neighbour.first.from == Side::client);
  return is_on_client_side(neighbour, client_side).value_or(came_before) ? client_side : server_side;
}

std::optional<PathSide> side_of_hairpin(const LegState& client_side, const LegState& server_side) {
  for (const PathSide side : {PathSide::inner, PathSide::outer}) {
    if (!client_side.paired[side] && !server_side.paired[opposite(side)]) return side;
  }
  return std::nullopt;
}

bool turns_back(const Connection& connection, const LegState& client_side, const LegState& server_side) {
  const Crossing* hairpin = connection.hairpin();
  if (hairpin == nullptr || client_side.point == server_side.point) return false;
  const auto has_neighbour = [&](size_t i) {
    const LegState& leg = connection.legs[i];
    return leg.paired[path_side(leg.point, leg.point == client_side.point ? server_side.point : client_side.point)];
  };
  return has_neighbour(hairpin->client_leg) && has_neighbour(hairpin->server_leg);
}

void orient(Crossing& crossing, const Connection& connection) {
  const LegState &a = connection.legs[crossing.client_leg], &b = connection.legs[crossing.server_leg];
  const bool in_order = a.point == b.point ? is_on_client_side(a, b).value_or(a.first.order_ns <= b.first.order_ns)
                                           : (a.point < b.point) == connection.client_outer;
  if (!in_order) std::swap(crossing.client_leg, crossing.server_leg);
}

}  // namespace parallax
