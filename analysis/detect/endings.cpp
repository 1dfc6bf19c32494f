#include "analysis/detect/endings.h"

#include <algorithm>

#include "analysis/connection/relayed_stream.h"
#include "analysis/model/absence_proof.h"
#include "analysis/tcp/tcp_leg.h"

namespace parallax {
namespace {

// What a device has in hand of an answer of which nothing has left it, or less than has entered where it passes the bytes on as
// they are.
bool holds_answer(const Connection& c, const Crossing& crossing, const DetectorView& view) {
  const LegSummary &a = c.legs[crossing.client_leg].summary, &b = c.legs[crossing.server_leg].summary;
  if (a.bytes[Side::server] == 0) return b.bytes[Side::server] > 0;
  if (crossing.is_proxied) return bytes_kept(c, crossing, Side::server, view.sensor).value_or(0) > 0;
  return a.is_whole[Side::server] && b.is_whole[Side::server] && stream_bytes(a, Side::server) < stream_bytes(b, Side::server);
}

// Each end saw the other one close first. Where both close at once each sees itself first.
bool both_were_closed(const LegSummary& client_side, const LegSummary& server_side) {
  const char toward_client = first_end(client_side), toward_server = first_end(server_side);
  return (toward_client == 'f' || toward_client == 'r') && (toward_server == 'F' || toward_server == 'R');
}

}  // namespace

char first_end(const LegSummary& summary) {
  const std::string_view history = history_of(summary);
  const size_t at = history.find_first_of("FfRr");
  return at == history.npos ? '\0' : history[at];
}

std::optional<DeviceClose> device_close(const Connection& c, const DetectorView& view) {
  if (c.evicted || c.side_basis == SideBasis::guessed) return std::nullopt;
  for (const Crossing& crossing : c.crossings) {
    const LegState &client_side = c.legs[crossing.client_leg], &server_side = c.legs[crossing.server_leg];
    const LegSummary &a = client_side.summary, &b = server_side.summary;
    const bool is_known = client_side.has_summary && server_side.has_summary && client_side.established &&
                          server_side.established && b.times.valid && b.fin_ns[Side::client] != 0;
    if (!is_known || !both_were_closed(a, b) || !holds_answer(c, crossing, view)) continue;
    const int64_t closed_ns = b.fin_ns[Side::client];
    // Neither may the client's own FIN have come before it, nor the server's before the one toward the client.
    const int64_t from_ns = std::max(a.first_ns, b.first_ns), to_ns = std::max(a.last_ns, b.last_ns);
    AbsenceProof no_fin_of_client(view.sensor, client_side.point, c.direction_of(Side::client));
    AbsenceProof no_fin_of_server(view.sensor, server_side.point, c.direction_of(Side::server));
    if (!no_fin_of_client.expect(from_ns, to_ns).holds() || !no_fin_of_server.expect(from_ns, to_ns).holds()) continue;
    DeviceClose close{.crossing = &crossing,
                      .entered = b.bytes[Side::server],
                      .left = a.bytes[Side::server],
                      .closed_ns = closed_ns,
                      .reaction_ns = 0,
                      .client_ns = std::nullopt};
    // What an end still says when it has been closed need not be passed on.
    if (b.times.last_data_ns == 0 || b.times.last_data_ns > closed_ns) continue;
    close.reaction_ns = closed_ns - b.times.last_data_ns;
    if (a.syn_stamp_ns != 0 && a.ack_stamp_ns > a.syn_stamp_ns) close.client_ns = a.ack_stamp_ns - a.syn_stamp_ns;
    return close;
  }
  return std::nullopt;
}

}  // namespace parallax
