#include "analysis/correlate/proxy_transits.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

#include "analysis/connection/relayed_stream.h"
#include "analysis/tcp/turns.h"

namespace parallax {
namespace {

// As of a packet's own transit: stamps that may be wrong by more tell nothing of what a device takes.
constexpr int64_t kUncertaintyNsMax = 20'000'000;
// A TLS handshake takes two exchanges at most; with the third one what comes first is what the proxy passes on.
constexpr uint32_t kHandshakeExchanges = 2;
constexpr size_t kSharingMax = 64;  // that may share a connection at the same time

bool contains(const Exchange& own, const Exchange& inner) {
  return own.response_ns != 0 && own.request_ns <= inner.request_ns && inner.response_ns <= own.response_ns;
}
// A PROXY header goes ahead of the first request, when nobody has asked yet.
bool follows_header(const LegState& server, const Exchange& inner) {
  return inner.number == 0 && server.recognised && server.recognised->proxy;
}
bool contains_behind_header(const Exchange& own, const Exchange& inner) {
  return own.response_ns != 0 && inner.request_ns < own.request_ns && own.request_end_ns <= inner.request_end_ns &&
         inner.response_ns <= own.response_ns;
}
bool may_contain(const Exchange& own, const Exchange& inner) {
  return own.request_ns <= inner.request_ns && (own.response_ns == 0 || inner.response_ns <= own.response_ns);
}
bool begins_within(const Exchange& inner, const Exchange& own) {
  return own.request_ns <= inner.request_ns && inner.request_ns <= own.response_ns;
}
// Part of the agreement on keys with the server, made for the exchange `inner` of the same leg.
bool is_handshake_of(const Exchange& exchange, const Exchange& inner, const LegState& server) {
  return server.speaks_tls && exchange.number < kHandshakeExchanges && exchange.number < inner.number && exchange.is_over();
}

template <typename Matches>
bool any_exchange(const LegState& leg, Matches matches) {
  if (!leg.turns) return false;
  const auto exchanges = leg.turns->exchanges();
  return std::any_of(exchanges.begin(), exchanges.end(), matches);
}

// The HTTP request of an exchange; null: none was recognised.
const RecognisedRequest* request_in(const LegState& leg, const Exchange& exchange) {
  if (!leg.recognised) return nullptr;
  for (const RecognisedRequest& request : leg.recognised->requests) {
    if (request.has_request && request.order_ns >= exchange.request_ns && request.order_ns < exchange.response_ns)
      return &request;
  }
  return nullptr;
}

// Whether the client's exchange and the one beyond are the same by what they say, or keep step with those before.
bool are_one(const LegState& client, const LegState& server, const Exchange& own, const Exchange& inner, Crossing& crossing) {
  const RecognisedRequest *asked = request_in(client, own), *passed = request_in(server, inner);
  const bool shows = asked != nullptr && passed != nullptr;
  if (shows && (asked->method != passed->method || asked->target != passed->target)) return false;
  const auto shift = static_cast<int32_t>(own.number - inner.number);
  if (!crossing.turn_shift) crossing.turn_shift = shift;
  return shows || crossing.turn_shift == shift;
}

int64_t overlap(int64_t from_ns, int64_t to_ns, int64_t begin_ns, int64_t end_ns) {
  return std::max<int64_t>(0, std::min(to_ns, end_ns) - std::max(from_ns, begin_ns));
}

// How long the proxy waited between the two times for the server to accept its connection, or to agree on keys.
int64_t waited_for_server(const LegState& server, const Exchange& inner, int64_t from_ns, int64_t to_ns) {
  int64_t waited_ns = 0;
  if (!server.attempts.empty() && server.syn_ack)
    waited_ns += overlap(from_ns, to_ns, server.attempts.front().time_ns, server.syn_ack->time_ns);
  for (const Exchange& exchange : server.turns->exchanges()) {
    if (is_handshake_of(exchange, inner, server))
      waited_ns += overlap(from_ns, to_ns, exchange.request_end_ns, exchange.response_end_ns);
  }
  return waited_ns;
}

// Of a message that enters from `first_ns` to `last_ns`: since when the proxy could have passed on what left at `out_ns`.
std::optional<int64_t> entered_ns(int64_t first_ns, int64_t last_ns, int64_t out_ns, bool is_relayed) {
  if (last_ns <= out_ns) return last_ns;
  // Of a TLS handshake's last messages what comes first is not what leaves first.
  return is_relayed && first_ns <= out_ns ? std::optional(first_ns) : std::nullopt;
}

}  // namespace

void ProxyTransits::take(uint64_t leg_id, const LegEvent& event) {
  LegState& leg = *store_.leg(leg_id);
  if (!leg.turns) leg.turns = std::make_unique<LegTurns>();
  leg.turns->take(event);
  if (event.packet.from == Side::server) return;
  Connection& connection = *store_.connection_of(leg_id);
  for (Crossing& crossing : connection.crossings) {
    if (crossing.is_proxied && connection.legs[crossing.server_leg].id == leg.id) compare(connection, crossing);
  }
}

void ProxyTransits::end(uint64_t leg_id) {
  LegState& leg = *store_.leg(leg_id);
  if (!leg.turns) return;
  leg.turns->end(leg.summary);
  Connection& connection = *store_.connection_of(leg_id);
  for (Crossing& crossing : connection.crossings) {
    if (crossing.is_proxied && connection.legs[crossing.server_leg].id == leg.id) compare(connection, crossing);
  }
}

void ProxyTransits::paired(Connection& connection, Crossing& crossing) {
  if (connection.legs[crossing.server_leg].over) compare(connection, crossing);
}

void ProxyTransits::compare(Connection& connection, Crossing& crossing) {
  LegState& server = connection.legs[crossing.server_leg];
  if (!server.turns || !connection.legs[crossing.client_leg].turns) return;
  for (Exchange& inner : server.turns->exchanges()) {
    if (!inner.is_over() || inner.is_compared) continue;
    inner.is_compared = true;
    compare(connection, crossing, inner);
  }
}

void ProxyTransits::compare(Connection& connection, Crossing& crossing, const Exchange& inner) {
  const LegState &client = connection.legs[crossing.client_leg], &server = connection.legs[crossing.server_leg];
  // Its turns may begin with what is no request, and whose exchange it is on a connection of many is then not known.
  if (client.is_multiplexed && !server.shared_with.empty()) return;
  const auto exchanges = client.turns->exchanges();
  const auto found = std::find_if(exchanges.begin(), exchanges.end(), [&](const Exchange& e) {
    return contains(e, inner) || (follows_header(server, inner) && contains_behind_header(e, inner));
  });
  if (found == exchanges.end()) return;
  const Exchange& own = *found;
  if (own.is_disturbed || inner.is_disturbed || own.uncertainty_ns + int64_t{inner.uncertainty_ns} > kUncertaintyNsMax) return;
  if (!is_alone(connection, client, server, own, inner) || !are_one(client, server, own, inner, crossing)) return;
  for (const PointIndex point : {client.point, server.point}) {
    const int64_t to_ns = std::max(own.response_ns, inner.response_end_ns);
    if (!sensor_.saw_everything(point, own.request_ns, to_ns) ||
        !sensor_.in_time(point, PortDirection::both, own.request_ns, to_ns))
      return;
  }

  const bool is_handshake =
      (client.speaks_tls && own.number < kHandshakeExchanges) || (server.speaks_tls && inner.number < kHandshakeExchanges);
  const bool is_relayed = !is_handshake || relays_tls(client, server);
  // Behind a header it is from last byte to last byte.
  const bool has_begun = own.request_ns <= inner.request_ns;
  const int64_t out_ns = has_begun ? inner.request_ns : inner.request_end_ns;
  if (const auto in_ns = entered_ns(own.request_ns, own.request_end_ns, out_ns, is_relayed))
    add(connection, crossing, Side::client, out_ns - *in_ns - waited_for_server(server, inner, *in_ns, out_ns));
  if (const auto in_ns = entered_ns(inner.response_ns, inner.response_end_ns, own.response_ns, is_relayed))
    add(connection, crossing, Side::server, own.response_ns - *in_ns);
}

bool ProxyTransits::is_alone(const Connection& connection, const LegState& client, const LegState& server, const Exchange& own,
                             const Exchange& inner) const {
  const auto competes = [&](const LegState& leg) {
    if (leg.point == server.point) {
      return any_exchange(leg, [&](const Exchange& e) {
        return &e != &inner && begins_within(e, own) && !(&leg == &server && is_handshake_of(e, inner, server));
      });
    }
    return leg.point == client.point && &leg != &client &&
           any_exchange(leg, [&](const Exchange& e) { return may_contain(e, inner); });
  };
  const auto competes_by_id = [&](const Sharing& sharing) {
    const LegState* leg = store_.leg(sharing.leg_id);
    return leg != nullptr && competes(*leg);
  };
  // Whoever shares it just now is among the newest.
  const auto competes_by_sharing = [&](const LegState& leg) {
    const auto newest = std::span(leg.shared_with).last(std::min(leg.shared_with.size(), kSharingMax));
    return std::any_of(newest.begin(), newest.end(), competes_by_id);
  };
  return std::none_of(connection.legs.begin(), connection.legs.end(), competes) && !competes_by_sharing(client) &&
         !competes_by_sharing(server);
}

void ProxyTransits::add(const Connection& connection, Crossing& crossing, Side sender, int64_t transit_ns) {
  if (transit_ns < 0) return;
  crossing.turn_transits[sender].add(transit_ns);
  const PointIndex outer = std::min(connection.legs[crossing.client_leg].point, connection.legs[crossing.server_leg].point);
  sums_[outer][connection.direction_of(sender)].add(transit_ns);
}

}  // namespace parallax
