#include "analysis/connection/device_changes.h"

namespace parallax {

uint32_t changes_between(const LegState& client_side, const LegState& server_side, const CrossingStats& stats) {
  uint32_t changes = stats.changes;
  const auto differ = [&changes](DeviceChange change, bool different) {
    if (different) changes |= bit(change);
  };
  differ(DeviceChange::client_address, client_side.client.address != server_side.client.address);
  differ(DeviceChange::client_port, client_side.client.port != server_side.client.port);
  differ(DeviceChange::server_address, client_side.server.address != server_side.server.address);
  differ(DeviceChange::server_port, client_side.server.port != server_side.server.port);
  const auto compare = [&](const OfferedOptions& a, const OfferedOptions& b) {
    // An option that one side lacks differs only if that side's options were captured whole.
    const auto differ_if_known = [&](DeviceChange change, auto offered, auto absent) {
      const auto in_a = offered(a), in_b = offered(b);
      const bool unknown = (a.cut && in_a == absent) || (b.cut && in_b == absent);
      differ(change, !unknown && in_a != in_b);
    };
    differ_if_known(
        DeviceChange::mss, [](const OfferedOptions& o) { return o.mss; }, uint16_t{0});
    differ_if_known(
        DeviceChange::window_scale, [](const OfferedOptions& o) { return o.window_scale; }, int16_t{-1});
    differ_if_known(
        DeviceChange::sack, [](const OfferedOptions& o) { return o.sack; }, false);
    differ_if_known(
        DeviceChange::timestamps, [](const OfferedOptions& o) { return o.timestamps; }, false);
    differ(DeviceChange::ecn, a.ecn != b.ecn);
  };
  if (client_side.has_syn() && server_side.has_syn()) {
    compare(client_side.client_options, server_side.client_options);
    differ(DeviceChange::isn, client_side.client_isn != server_side.client_isn);
  }
  if (client_side.syn_ack && server_side.syn_ack) {
    compare(client_side.server_options, server_side.server_options);
    differ(DeviceChange::isn, client_side.syn_ack->seq != server_side.syn_ack->seq);
  }
  return changes;
}

DeviceKind kind_of(uint32_t changes) {
  constexpr uint32_t addresses = bit(DeviceChange::client_address) | bit(DeviceChange::client_port) |
                                 bit(DeviceChange::server_address) | bit(DeviceChange::server_port);
  if (changes & bit(DeviceChange::isn)) return DeviceKind::sequence_rewriter;
  if (changes & addresses) return DeviceKind::nat;
  return changes & bit(DeviceChange::ttl) ? DeviceKind::router : DeviceKind::unknown;
}

bool opens_its_own(const LegState& client_side, const LegState& server_side) {
  return client_side.has_syn() && server_side.has_syn() && client_side.client_isn != server_side.client_isn &&
         server_side.attempts.front().ttl > client_side.attempts.front().ttl;
}

}  // namespace parallax
