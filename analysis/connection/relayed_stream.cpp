#include "analysis/connection/relayed_stream.h"

#include <algorithm>

namespace parallax {
namespace {

const RecognisedTls* hello_of(const LegState& leg) {
  return leg.recognised && leg.recognised->tls && leg.recognised->tls->client_hello ? &*leg.recognised->tls : nullptr;
}
bool is_recognised(const LegState& leg) { return leg.speaks_tls || leg.speaks_http; }
// With a PROXY header the connection beyond begins with bytes that the client has not sent.
bool has_proxy_header(const LegState& leg) { return leg.recognised && leg.recognised->proxy; }

bool is_whole(const LegState& leg) {
  return leg.over && !leg.evicted && leg.has_summary && leg.summary.times.valid && leg.summary.times.first_flight_known &&
         leg.summary.is_whole[Side::client] && leg.summary.is_whole[Side::server];
}

// Of PROXY headers: version 1 has 107 bytes at most, version 2 some more with what it may add.
constexpr int64_t kProxyHeaderMax = 536;

// How many bytes of what `sender` has sent entered the proxy and did not leave it.
int64_t difference(const LegState& client_side, const LegState& server_side, Side sender) {
  const LegState& in = sender == Side::client ? client_side : server_side;
  const LegState& out = sender == Side::client ? server_side : client_side;
  return static_cast<int64_t>(stream_bytes(in.summary, sender) - stream_bytes(out.summary, sender));
}

// All of the other direction has passed, neither more nor less.
bool passes_all(const LegState& client_side, const LegState& server_side, Side sender) {
  const int64_t kept = difference(client_side, server_side, sender);
  const bool has_header = sender == Side::client && has_proxy_header(server_side) && !has_proxy_header(client_side);
  return has_header ? kept < 0 && kept >= -kProxyHeaderMax : kept == 0;
}

}  // namespace

uint64_t stream_bytes(const LegSummary& leg, Side sender) {
  return leg.bytes[sender] - static_cast<uint32_t>(leg.bytes[sender] - leg.times.stream_bytes[sender]);
}

bool relays_tls(const LegState& client_side, const LegState& server_side) {
  const RecognisedTls *a = hello_of(client_side), *b = hello_of(server_side);
  return a != nullptr && b != nullptr && a->client_random == b->client_random;
}

bool relays_bytes(const LegState& client_side, const LegState& server_side, const Crossing& crossing, Side sender) {
  if (!crossing.is_proxied || (sender == Side::client && has_proxy_header(client_side) != has_proxy_header(server_side)))
    return false;
  if (relays_tls(client_side, server_side)) return true;
  const bool is_same = crossing.method == PairingMethod::payload || crossing.method == PairingMethod::proxy_protocol;
  return is_same && !is_recognised(client_side) && !is_recognised(server_side);
}

std::optional<uint64_t> bytes_kept(const Connection& connection, const Crossing& crossing, Side sender,
                                   const SensorView& sensor) {
  const LegState &client_side = connection.legs[crossing.client_leg], &server_side = connection.legs[crossing.server_leg];
  if (!relays_bytes(client_side, server_side, crossing, sender) || !is_whole(client_side) || !is_whole(server_side))
    return std::nullopt;
  // Else one point may have stopped listening before the other.
  const int64_t from_ns = std::min(client_side.summary.first_ns, server_side.summary.first_ns);
  const int64_t to_ns = std::max(client_side.summary.last_ns, server_side.summary.last_ns);
  if (!sensor.saw_everything(client_side.point, from_ns, to_ns) || !sensor.saw_everything(server_side.point, from_ns, to_ns))
    return std::nullopt;
  if (!relays_tls(client_side, server_side) && !passes_all(client_side, server_side, opposite(sender))) return std::nullopt;
  const int64_t kept = difference(client_side, server_side, sender);
  return kept < 0 ? std::nullopt : std::optional(static_cast<uint64_t>(kept));
}

}  // namespace parallax
