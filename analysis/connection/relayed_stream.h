// What a proxy that relays the bytes of a connection as they are has taken in and not passed on, told by stream offsets.
//
// Retransmissions count once, for it is by sequence numbers. Only where it is known that the bytes are passed on as they are: TLS
// that is not the proxy's own, or a protocol that is not recognised, whose first bytes were the same on both sides and of which
// the other direction has as many bytes on one side as on the other.
#pragma once

#include <cstdint>
#include <optional>

#include "analysis/connection/connection.h"
#include "analysis/model/sensor_view.h"

namespace parallax {

// What `sender` has sent, each byte once: of its payload less than 4 GiB was sent again.
uint64_t stream_bytes(const LegSummary& leg, Side sender);
// Both ends of the same TLS connection: no byte in it can be altered unnoticed.
bool relays_tls(const LegState& client_side, const LegState& server_side);
// Whether the bytes of what `sender` sends are passed on as they are.
bool relays_bytes(const LegState& client_side, const LegState& server_side, const Crossing& crossing, Side sender);
// Of what `sender` has sent, once both legs are over: how many bytes entered the proxy and never left it. Empty: not known.
std::optional<uint64_t> bytes_kept(const Connection& connection, const Crossing& crossing, Side sender, const SensorView& sensor);

}  // namespace parallax
