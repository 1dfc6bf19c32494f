// The methods by which legs are paired, strongest first.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "analysis/correlate/hairpin.h"
#include "analysis/correlate/pairer.h"
#include "analysis/model/keyed_hash.h"
#include "capture/core/port.h"

namespace parallax {
namespace {

bool is_tcp(const LegState& leg) { return leg.protocol == ip_protocol::tcp; }

constexpr int64_t kTransitNs = 20'000'000;  // the same SYN, twice within so long, has gone through a device

// ---- same five-tuple: nothing rewritten ----

uint64_t five_tuple_key(uint8_t protocol, const Endpoint& client, const Endpoint& server) {
  return KeyedHash().add(protocol).add(client).add(server).value();
}
std::optional<uint64_t> five_tuple_key(const LegState& leg) { return five_tuple_key(leg.protocol, leg.client, leg.server); }

// Whether one SYN was seen as both: by sequence number, by TCP timestamp where there is one, by IP ID, and how far apart in time.
struct SharedSyn {
  bool sequence = false, timestamp = false, timestamp_differs = false, ip_id = false;
  int64_t apart_ns = kTimeMax;
};
SharedSyn shared_syn(const LegState& a, const LegState& b) {
  SharedSyn shared;
  for (const PacketFacts& x : a.attempts) {
    for (const PacketFacts& y : b.attempts) {
      if (x.seq != y.seq) continue;
      shared.sequence = true;
      shared.timestamp |= x.tsval == y.tsval && x.tsval != 0;
      shared.timestamp_differs |= x.tsval != y.tsval && x.tsval != 0 && y.tsval != 0;
      shared.ip_id |= x.ip_id == y.ip_id && x.ip_id != 0;
      shared.apart_ns = std::min(shared.apart_ns, std::abs(x.order_ns - y.order_ns));
    }
  }
  // A leg that was met with its SYN-ACK knows the ISN from it.
  if (a.attempts.empty() || b.attempts.empty()) shared.sequence |= a.client_isn == b.client_isn && !a.midstream && !b.midstream;
  return shared;
}

// What the SYN offers, but for the MSS, which many devices lower.
bool offer_the_same(const OfferedOptions& a, const OfferedOptions& b) {
  return a.cut || b.cut ||
         (a.window_scale == b.window_scale && a.sack == b.sack && a.timestamps == b.timestamps &&
          a.initial_window == b.initial_window);
}

// The last SYN of each, seen twice within so long, and as far from where it was sent but for a few routers.
bool may_be_one_syn(const LegState& a, const LegState& b, int64_t within_ns) {
  constexpr int kRouters = 8;
  if (a.attempts.empty() || b.attempts.empty()) return false;
  const PacketFacts &x = a.attempts.back(), &y = b.attempts.back();
  return x.seq != y.seq && std::abs(x.order_ns - y.order_ns) < within_ns && std::abs(int{x.ttl} - int{y.ttl}) <= kRouters &&
         x.payload_length == y.payload_length && offer_the_same(a.client_options, b.client_options);
}

// One shows how its connection began, long after the other was met in the midst of one: they have had the same names in turn.
bool is_of_names_before(const LegState& opening, const LegState& midstream) {
  constexpr int64_t kClocksApartNs = 5'000'000'000;  // such as cannot be aligned
  return midstream.first.order_ns < opening.first.order_ns - kClocksApartNs;
}

double five_tuple_score(const LegState& leg, const LegState& other) {
  if (!same_ends(leg, other)) return 0;
  if (!is_tcp(leg) || (leg.midstream && other.midstream)) return 0.95;
  if (leg.midstream != other.midstream)
    return is_of_names_before(leg.midstream ? other : leg, leg.midstream ? leg : other) ? 0 : 0.9;
  if (shared_syn(leg, other).sequence) return 0.99;
  return may_be_one_syn(leg, other, kTransitNs) ? 0.98 : 0.9;  // renumbered: surer than an IP ID that happens to agree
}

// ---- initial sequence number, and TCP timestamp: a NAT keeps them ----

std::optional<uint64_t> sequence_key(const LegState& leg) {
  if (!is_tcp(leg) || leg.midstream) return std::nullopt;
  return KeyedHash().add(1).add(leg.client_isn).value();
}

// The one had been refused when the other began: no device tries again for a client that it has told so.
bool is_refused_before(const LegState& leg, const LegState& other) {
  const bool is_later = leg.first.order_ns > other.first.order_ns;
  const LegState &earlier = is_later ? other : leg, &later = is_later ? leg : other;
  return earlier.refused && earlier.refused->order_ns < later.first.order_ns;
}

double sequence_score(const LegState& leg, const LegState& other) {
  if (!is_tcp(leg) || leg.midstream || other.midstream || same_ends(leg, other)) return 0;
  const SharedSyn shared = shared_syn(leg, other);
  if (!shared.sequence) return 0;
  // 32 bits agree by chance once in 4e9 pairs of openings; a timestamp that agrees as well leaves no doubt. Many clients may
  // share an initial sequence number on purpose, 0 above all: then it is the IP ID, or that one crossed at once, that tells which
  // is which, and it takes one of these where the two do not even offer the same.
  if (shared.timestamp_differs && !shared.timestamp) return 0.7;
  const bool is_near = shared.ip_id || shared.apart_ns < kTransitNs;
  const bool are_both_offers = leg.has_syn() && other.has_syn();  // else there is a SYN-ACK alone
  const bool may_be_chosen =
      leg.client_isn == 0 || (are_both_offers && !offer_the_same(leg.client_options, other.client_options));
  if (may_be_chosen && !is_near && !shared.timestamp) return 0.7;
  if (!is_near && !shared.timestamp && is_refused_before(leg, other)) return 0;
  // Who scans gives all its openings one number, and then it is the server or the IP ID that tells which is which: by more than a
  // rival may be apart, and less sure than where all ends are the same.
  if (is_near && !shared.timestamp) return shared.ip_id || leg.server == other.server ? kConfirmedNumber : 0.92;
  return is_near ? 0.99 : shared.timestamp ? 0.95 : 0.9;
}

// ---- what a device leaves of a SYN whose sequence number it rewrites: TCP timestamp, IP ID ----

std::optional<uint64_t> timestamp_key(const LegState& leg) {
  if (!is_tcp(leg) || leg.attempts.empty() || leg.attempts.back().tsval == 0) return std::nullopt;
  return KeyedHash().add(3).add(leg.attempts.back().tsval).value();
}

// What both ends say of it, that is left where the SYN alone says too little.
std::optional<uint64_t> answered_timestamp_key(const LegState& leg) {
  if (!is_tcp(leg) || leg.attempts.empty() || !leg.syn_ack || leg.syn_ack->tsval == 0) return std::nullopt;
  return KeyedHash().add(10).add(leg.attempts.back().tsval).add(leg.syn_ack->tsval).value();
}
std::optional<uint64_t> answered_number_key(const LegState& leg) {
  if (!is_tcp(leg) || leg.attempts.empty() || !leg.syn_ack) return std::nullopt;
  return KeyedHash().add(11).add(leg.client_isn).add(leg.syn_ack->seq).value();
}

std::optional<uint64_t> ip_id_key(const LegState& leg) {
  if (!is_tcp(leg) || leg.attempts.empty() || leg.attempts.back().ip_id == 0) return std::nullopt;
  return KeyedHash().add(4).add(leg.attempts.back().ip_id).value();
}

// Stacks begin each connection's timestamps anywhere, or share one clock for all: then the IP ID tells which of them it is.
double timestamp_score(const LegState& leg, const LegState& other) {
  constexpr int64_t kHeldNs = 1'000'000'000;  // the client would have sent another by then
  if (same_ends(leg, other) || !may_be_one_syn(leg, other, kHeldNs)) return 0;
  const PacketFacts &x = leg.attempts.back(), &y = other.attempts.back();
  if (x.tsval != y.tsval) return 0;
  return x.ip_id == y.ip_id && x.ip_id != 0 ? 0.98 : 0.9;
}

// 16 bits agree by chance with one in 65,536 of the openings within a transit: only for who has no timestamps.
double ip_id_score(const LegState& leg, const LegState& other) {
  if (same_ends(leg, other) || !may_be_one_syn(leg, other, kTransitNs)) return 0;
  const PacketFacts &x = leg.attempts.back(), &y = other.attempts.back();
  return x.ip_id == y.ip_id && x.tsval == 0 && y.tsval == 0 ? 0.95 : 0;
}

// ---- a packet of a connection met in midstream: what a device leaves of it unchanged ----

// Any that has it is the same: addresses, ports, IP ID and TTL may be the device's.
bool say_the_same(const PacketFacts& a, const PacketFacts& b) {
  return a.from == b.from && a.tcp_flags == b.tcp_flags && a.payload_length == b.payload_length && a.tsval == b.tsval;
}

std::optional<uint64_t> sighted_key(const LegState& leg) {
  if (!is_tcp(leg) || !leg.midstream || leg.sighted.empty() || !(leg.sighted.back().tcp_flags & tcp_flag::ack))
    return std::nullopt;
  const PacketFacts& last = leg.sighted.back();
  // What refuses a SYN has no number of its own, and acknowledges one that who scans gives to all.
  if ((last.tcp_flags & tcp_flag::rst) && last.seq == 0) return std::nullopt;
  return KeyedHash().add(5).add(last.seq).add(last.ack).add(last.payload_length).add(last.tsval).value();
}

// 64 bits and more that agree.
double sighted_score(const LegState& leg, const LegState& other) {
  if (!sighted_key(leg) || !other.midstream || same_ends(leg, other)) return 0;
  const PacketFacts& last = leg.sighted.back();
  return std::any_of(other.sighted.begin(), other.sighted.end(),
                     [&](const PacketFacts& p) { return p.seq == last.seq && p.ack == last.ack && say_the_same(p, last); })
             ? 0.99
             : 0;
}

// Where the sequence numbers are rewritten as well, timestamp and IP ID are left.
std::optional<uint64_t> sighted_timestamp_key(const LegState& leg) {
  if (!is_tcp(leg) || !leg.midstream || leg.sighted.empty() || leg.sighted.back().tsval == 0) return std::nullopt;
  const PacketFacts& last = leg.sighted.back();
  return KeyedHash().add(6).add(last.tsval).add(last.ip_id).add(last.payload_length).value();
}

// One packet may agree by chance where a host has one clock for all its connections: it takes several, and that they are as far
// from one another in sequence space on both sides.
double sighted_timestamp_score(const LegState& leg, const LegState& other) {
  if (!sighted_timestamp_key(leg) || !other.midstream || same_ends(leg, other)) return 0;
  constexpr int kAgree = 3;
  std::optional<uint32_t> shift;
  int agree = 0;
  for (const PacketFacts& x : leg.sighted) {
    const auto y = std::find_if(other.sighted.begin(), other.sighted.end(),
                                [&](const PacketFacts& p) { return p.ip_id == x.ip_id && say_the_same(p, x); });
    if (x.from != leg.sighted.back().from || x.tsval == 0 || y == other.sighted.end()) continue;
    if (shift && *shift != y->seq - x.seq) return 0;
    shift = y->seq - x.seq;
    ++agree;
  }
  return agree >= kAgree ? 0.95 : 0;
}

// ---- the first segments of a connection whose numbers and IDs are rewritten: place in the stream, length, sum of the payload
// ----

uint32_t place_of(const LegState& leg, const PacketFacts& packet) {
  return packet.seq - (packet.from == Side::client ? leg.attempts.back().seq : leg.syn_ack->seq);
}

std::optional<uint64_t> summed_key(const LegState& leg) {
  if (!is_tcp(leg) || leg.midstream || leg.sighted.empty() || !leg.has_syn() || !leg.syn_ack) return std::nullopt;
  const PacketFacts& last = leg.sighted.back();
  return KeyedHash().add(9).add(place_of(leg, last)).add(last.payload_length).add(last.tsval).value();
}

// Many clients ask the same and are answered the same, so that it takes several segments of both directions, no two of them
// alike; and one of the same place and length with another sum is another connection's. Only a segment seen leaving finds:
// whoever else says the same has been seen entering by then, and is a rival.
double summed_score(const LegState& leg, const LegState& other) {
  constexpr size_t kAgree = 3;
  constexpr int64_t kHeldNs = 100'000'000;  // in a device, at the most
  if (!summed_key(leg) || !summed_key(other) || same_ends(leg, other) || !may_be_one_syn(leg, other, kHeldNs)) return 0;
  std::array<const PacketFacts*, LegState::kSightedMax> agree{};
  size_t count = 0;
  PerSide<bool> has{};
  for (const PacketFacts& x : leg.sighted) {
    const auto y = std::find_if(other.sighted.begin(), other.sighted.end(), [&](const PacketFacts& p) {
      return p.from == x.from && place_of(other, p) == place_of(leg, x) && p.payload_length == x.payload_length;
    });
    if (y == other.sighted.end()) continue;
    if (y->tsval != x.tsval) return 0;
    if (std::abs(x.order_ns - y->order_ns) >= kHeldNs) continue;
    if (&x == &leg.sighted.back() && x.order_ns < y->order_ns) return 0;
    const bool is_new = std::none_of(agree.begin(), agree.begin() + count, [&](const PacketFacts* p) {
      return p->payload_length == x.payload_length && p->tsval == x.tsval;
    });
    if (!is_new) continue;
    has[x.from] = true;
    agree[count++] = &x;
  }
  return count >= kAgree && has[Side::client] && has[Side::server] ? 0.97 : 0;
}

// ---- datagrams: length and sum of the payload, which a NAT leaves alone; without a checksum length and IP ID ----

std::optional<uint64_t> datagram_key(const LegState& leg) {
  if (leg.protocol != ip_protocol::udp || leg.sighted.empty()) return std::nullopt;
  const PacketFacts& last = leg.sighted.back();
  if (last.seq == 0 && last.ip_id == 0) return std::nullopt;
  return KeyedHash().add(7).add(last.seq).add(last.seq == 0 ? last.ip_id : 0).add(last.payload_length).value();
}

// Of a hairpin the first datagram may do, which at neighbouring points it does not: hence a key of its own.
std::optional<uint64_t> hairpin_datagram_key(const LegState& leg) {
  const std::optional<uint64_t> key = datagram_key(leg);
  return key ? std::optional(KeyedHash().add(9).add(*key).value()) : std::nullopt;
}

// An IP ID alone says something only where it is not always the same.
bool may_be_one_datagram(const PacketFacts& a, const PacketFacts& b, uint16_t last_id) {
  if (a.seq != b.seq || !say_the_same(a, b) || std::abs(a.order_ns - b.order_ns) >= kTransitNs) return false;
  return a.seq != 0 || (a.ip_id != 0 && a.ip_id == b.ip_id && a.ip_id != last_id);
}

// Many clients say the same to a server, so that it takes the IP ID as well, or several datagrams: each another, in their order.
// Where there is no ID (IPv6), a question and its answer will do.
double datagram_score(const LegState& leg, const LegState& other) {
  if (!datagram_key(leg) || same_ends(leg, other)) return 0;
  constexpr int kAgree = 3;
  int agree = 0;
  bool same_id = false, has_ids = false;
  PerSide<bool> from{};
  uint16_t last_id = 0;
  auto next = other.sighted.begin();
  for (const PacketFacts& x : leg.sighted) {
    const auto y =
        std::find_if(next, other.sighted.end(), [&](const PacketFacts& p) { return may_be_one_datagram(x, p, last_id); });
    if (y == other.sighted.end()) continue;
    next = y + 1;
    last_id = x.ip_id;
    ++agree;
    same_id |= x.seq != 0 && x.ip_id != 0 && y->ip_id == x.ip_id;
    has_ids |= x.ip_id != 0 || y->ip_id != 0;
    from[x.from] = true;
  }
  const bool is_answered = from[Side::client] && from[Side::server] && !has_ids;
  return same_id ? 0.97 : agree >= kAgree || is_answered ? 0.95 : 0;
}

// ---- ClientHello random: passes whatever passes TLS through ----

std::optional<uint64_t> tls_random_key(const LegState& leg) {
  if (!leg.recognised || !leg.recognised->tls || !leg.recognised->tls->client_hello) return std::nullopt;
  KeyedHash hash;
  hash.add(2);
  for (const uint8_t byte : leg.recognised->tls->client_random) hash.add(byte);
  return hash.value();
}

double tls_random_score(const LegState& leg, const LegState& other) {
  if (!tls_random_key(leg) || !tls_random_key(other)) return 0;
  const RecognisedTls &a = *leg.recognised->tls, &b = *other.recognised->tls;
  return a.client_random == b.client_random && a.client_session_id == b.client_session_id ? 0.97 : 0;
}

// ---- QUIC's connection IDs: pass whatever passes datagrams ----

const RecognisedQuic* quic_of(const LegState& leg) {
  return leg.recognised && leg.recognised->quic ? &*leg.recognised->quic : nullptr;
}

KeyedHash& add_id(KeyedHash& hash, const QuicId& id) {
  hash.add(id.length);
  for (const uint8_t byte : id.bytes) hash.add(byte);
  return hash;
}

// As the client begins: with an ID of at least eight random bytes (RFC 9000, 7.2).
std::optional<uint64_t> quic_key(const LegState& leg) {
  constexpr uint8_t kRandomBytesLeast = 8;
  const RecognisedQuic* quic = quic_of(leg);
  if (quic == nullptr || !quic->has_begun || quic->goes_on || quic->first.length < kRandomBytesLeast) return std::nullopt;
  KeyedHash hash;
  return add_id(add_id(hash.add(10), quic->first), quic->client).value();
}

double quic_score(const LegState& leg, const LegState& other) {
  if (!quic_key(leg) || !quic_key(other)) return 0;
  return quic_of(leg)->first == quic_of(other)->first && quic_of(leg)->client == quic_of(other)->client ? 0.97 : 0;
}

// From then on by the ID that the server has chosen, which tells its connections apart; of a leg that goes on with a connection
// it is known from the leg before. Less sure, so that what shows the same datagrams on both sides takes over.
std::optional<uint64_t> quic_server_key(const LegState& leg) {
  constexpr uint8_t kBytesLeast = 4;
  const RecognisedQuic* quic = quic_of(leg);
  if (quic == nullptr || quic->server.length < kBytesLeast) return std::nullopt;
  KeyedHash hash;
  return add_id(hash.add(11), quic->server).value();
}

double quic_server_score(const LegState& leg, const LegState& other) {
  if (!quic_server_key(leg) || !quic_server_key(other)) return 0;
  return quic_of(leg)->server == quic_of(other)->server && quic_of(leg)->client == quic_of(other)->client ? 0.9 : 0;
}

// ---- PROXY header: it names the ends of the client's own connection ----

std::optional<uint64_t> proxy_key(const LegState& leg) {
  if (!leg.recognised || !leg.recognised->proxy || !leg.recognised->proxy->has_endpoints) return std::nullopt;
  return five_tuple_key(leg.protocol, leg.recognised->proxy->source, leg.recognised->proxy->destination);
}

double proxy_score(const LegState& leg, const LegState& other) {
  if (!proxy_key(leg)) return 0;
  const RecognisedProxy& named = *leg.recognised->proxy;
  return other.client == named.source && other.server == named.destination ? 0.98 : 0;
}

using pairing_trigger::answer;
using pairing_trigger::message;
using pairing_trigger::opening;
using pairing_trigger::packet;
constexpr auto kAcross = PairingReach::neighbours, kWithin = PairingReach::same_point;

constexpr std::array kMethods = {
    PairingMethodRow{PairingMethod::five_tuple, kAcross, opening, true, true, five_tuple_key, five_tuple_score},
    PairingMethodRow{PairingMethod::sequence, kAcross, opening, true, true, sequence_key, sequence_score},
    PairingMethodRow{PairingMethod::sequence, kWithin, opening, true, false, sequence_key, hairpin_sequence_score},
    PairingMethodRow{PairingMethod::tcp_timestamp, kAcross, opening, true, true, timestamp_key, timestamp_score},
    PairingMethodRow{PairingMethod::tcp_timestamp, kWithin, opening, true, false, timestamp_key, hairpin_timestamp_score},
    PairingMethodRow{PairingMethod::ip_id, kAcross, opening, true, true, ip_id_key, ip_id_score},
    PairingMethodRow{PairingMethod::sequence, kWithin, answer, true, true, answered_number_key, hairpin_answered_score},
    PairingMethodRow{PairingMethod::tcp_timestamp, kWithin, answer, true, true, answered_timestamp_key, hairpin_answered_score},
    PairingMethodRow{PairingMethod::sequence, kAcross, packet, true, true, sighted_key, sighted_score},
    PairingMethodRow{PairingMethod::sequence, kWithin, packet, true, false, sighted_key, hairpin_sighted_score},
    PairingMethodRow{PairingMethod::tcp_timestamp, kAcross, packet, true, true, sighted_timestamp_key, sighted_timestamp_score},
    PairingMethodRow{PairingMethod::tcp_timestamp, kWithin, packet, true, false, sighted_timestamp_key, hairpin_shifted_score},
    PairingMethodRow{PairingMethod::payload, kAcross, packet, true, true, summed_key, summed_score},
    PairingMethodRow{PairingMethod::payload, kAcross, opening | packet, true, true, datagram_key, datagram_score},
    PairingMethodRow{PairingMethod::payload, kWithin, opening | packet, true, true, hairpin_datagram_key, hairpin_datagram_score},
    PairingMethodRow{PairingMethod::proxy_protocol, kAcross, message, false, false, proxy_key, proxy_score},
    PairingMethodRow{PairingMethod::tls_random, kAcross, message, false, true, tls_random_key, tls_random_score},
    PairingMethodRow{PairingMethod::application_id, kAcross, message, true, true, quic_key, quic_score},
    PairingMethodRow{PairingMethod::application_id, kAcross, message, true, true, quic_server_key, quic_server_score},
};

}  // namespace

std::span<const PairingMethodRow> pairing_methods() { return kMethods; }

}  // namespace parallax
