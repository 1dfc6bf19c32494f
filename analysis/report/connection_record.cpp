#include "analysis/report/connection_record.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "analysis/connection/device_changes.h"
#include "analysis/connection/relayed_stream.h"
#include "analysis/connection/waiting.h"
#include "analysis/detect/icmp_errors.h"
#include "analysis/report/recognised_record.h"
#include "analysis/tcp/tcp_leg.h"

namespace parallax {
namespace {

// Hops that a packet has made, from the least common initial TTL (or hop limit) that is not below what is left. Paths of more
// than 32 hops are rarer than hosts that begin with 32.
std::optional<uint32_t> hops_of(uint8_t ttl) {
  if (ttl == 0) return std::nullopt;
  for (const uint32_t initial : {32u, 64u, 128u, 255u}) {
    if (ttl <= initial) return initial - ttl;
  }
  return std::nullopt;
}

LegRecord record_of(const LegState& leg) {
  LegRecord r;
  r.point = leg.point;
  r.client = leg.client;
  r.server = leg.server;
  r.first_seen_ns = r.last_seen_ns = leg.first.time_ns;
  r.client_options = leg.client_options;
  r.server_options = leg.server_options;
  r.isn = {leg.client_isn, leg.syn_ack ? leg.syn_ack->seq : 0};
  if (leg.recognised) fill_record(*leg.recognised, r);
  if (!leg.has_summary) return r;
  const LegSummary& s = leg.summary;
  r.conn_state = s.conn_state;
  r.client_options.window_scale_at_least = s.window_scale_at_least[Side::client];
  r.server_options.window_scale_at_least = s.window_scale_at_least[Side::server];
  r.first_seen_ns = s.first_ns;
  r.last_seen_ns = s.last_ns;
  for (const Side side : kSides) {
    r.packets[side] = s.packets[side];
    r.bytes[side] = s.bytes[side];
    r.stream_bytes[side] = s.stream_bytes[side];
    r.is_whole[side] = s.is_whole[side];
    r.retransmissions[side] = s.retransmissions[side];
    r.isn[side] = s.isn[side];
  }
  // An answer that is stamped before what it answers says nothing of how long it took.
  if (s.syn_stamp_ns != 0 && s.syn_ack_stamp_ns >= s.syn_stamp_ns)
    r.handshake_server_rtt_ns = s.syn_ack_stamp_ns - s.syn_stamp_ns;
  if (s.syn_ack_stamp_ns != 0 && s.ack_stamp_ns >= s.syn_ack_stamp_ns)
    r.handshake_client_rtt_ns = s.ack_stamp_ns - s.syn_ack_stamp_ns;
  // Data comes from the end itself; the handshake may have been answered by a device for it.
  const auto ttl = [&s](Side side) { return s.times.ttl[side] != 0 ? s.times.ttl[side] : s.ttl[side]; };
  r.hops_to_client = hops_of(ttl(Side::client));
  r.hops_to_server = hops_of(ttl(Side::server));
  set_times(s.times, r);
  r.history = history_of(s);
  return r;
}

CrossingRecord record_of(const Crossing& crossing, const Connection& c, const SensorView& sensor) {
  const LegState& client_side = c.legs[crossing.client_leg];
  const LegState& server_side = c.legs[crossing.server_leg];
  const CrossingStats stats = crossing.stats.get();
  CrossingRecord r;
  r.client_side = client_side.point;
  r.server_side = server_side.point;
  r.method = crossing.method;
  r.confidence = crossing.confidence;
  r.rivals = crossing.rivals;
  r.changes = changes_between(client_side, server_side, stats);
  r.device_kind = crossing.is_proxied || opens_its_own(client_side, server_side) ? DeviceKind::proxy : kind_of(r.changes);
  for (const Side side : kSides) {
    r.lost[side] = stats.lost[side] - std::min(stats.lost[side], crossing.cleared[side]);
    if (stats.transit[side].count > 0) r.transit[side] = stats.transit[side];
    if (crossing.is_proxied) {
      // Whose exchange it is on a connection of many is not known; that it is one may have shown after they were compared.
      const bool are_many = client_side.is_multiplexed && !server_side.shared_with.empty();
      if (!are_many) r.transit[side] = crossing.turn_transits[side].distribution();
      r.bytes_kept[side] = bytes_kept(c, crossing, side, sensor);
    }
  }
  if (crossing.is_proxied) {  // numbers of its own: how far apart they are says nothing
    r.undecided = stats.undecided;
    return r;
  }
  if (client_side.has_syn() && server_side.has_syn() && client_side.client_isn != server_side.client_isn)
    r.isn_offset[Side::client] = static_cast<int32_t>(server_side.client_isn - client_side.client_isn);
  if (client_side.syn_ack && server_side.syn_ack && client_side.syn_ack->seq != server_side.syn_ack->seq)
    r.isn_offset[Side::server] = static_cast<int32_t>(client_side.syn_ack->seq - server_side.syn_ack->seq);
  r.undecided = stats.undecided;
  return r;
}

Outcome outcome_of(const Connection& c) {
  const LegState& a = c.client_leg();
  if (c.protocol == Protocol::udp)
    return a.established || (a.has_summary && a.summary.packets[Side::client] > 0 && a.summary.packets[Side::server] > 0)
               ? Outcome::answered
               : Outcome::one_way;
  if (a.established) return Outcome::established;
  if (a.midstream) return Outcome::midstream;
  if (a.refused || (!a.refusal && !a.syn_ack && icmp_refusal(a) != nullptr)) return Outcome::refused;
  if (a.syn_ack || a.reset || !a.has_syn()) return Outcome::incomplete;
  return Outcome::unanswered;
}

}  // namespace

std::vector<uint32_t> leg_order(const Connection& c) {
  std::vector<uint32_t> legs(c.legs.size()), order(c.legs.size());
  std::iota(legs.begin(), legs.end(), 0u);
  std::stable_sort(legs.begin(), legs.end(), [&](uint32_t i, uint32_t j) {
    const LegState &x = c.legs[i], &y = c.legs[j];
    if (x.point != y.point) return (x.point < y.point) == c.client_outer;
    if (c.is_behind(x, y) || c.is_behind(y, x)) return c.is_behind(y, x);
    return x.first.order_ns < y.first.order_ns;
  });
  for (uint32_t place = 0; place < legs.size(); ++place) order[legs[place]] = place;
  return order;
}

ConnectionRecord record_of(const Connection& c, const SensorView& sensor) {
  ConnectionRecord r;
  const LegState& a = c.client_leg();
  r.id = c.id;
  r.protocol = c.protocol;
  r.client = a.client;
  r.server = a.server;
  r.outcome = outcome_of(c);
  r.syn_attempts = a.attempt_count;
  if (a.has_summary) {
    r.close = a.summary.close;
    r.closed_by = a.summary.closed_by;
  }
  // A RST of the server's has passed the leg nearest to it; else it may be a device's, in the server's name.
  const LegState& nearest = c.server_leg();
  if (r.close == Close::rst && r.closed_by == ClosedBy::server && nearest.has_summary &&
      nearest.summary.closed_by != ClosedBy::server)
    r.closed_by = ClosedBy::unknown;
  if (r.close == Close::rst && c.told.contains(FindingKind::reset_by_device)) r.closed_by = ClosedBy::device;
  const std::vector<uint32_t> order = leg_order(c);
  r.legs.resize(c.legs.size());
  for (size_t i = 0; i < c.legs.size(); ++i) r.legs[order[i]] = record_of(c.legs[i]);
  // One crossing a device: of several legs on a side (retries through a NAT) the last one paired is the one that was used.
  std::vector<const Crossing*> crossings;
  for (const Crossing& crossing : c.crossings) {
    const auto points = [&](const Crossing& x) { return std::pair{c.legs[x.client_leg].point, c.legs[x.server_leg].point}; };
    const auto same =
        std::find_if(crossings.begin(), crossings.end(), [&](const Crossing* x) { return points(*x) == points(crossing); });
    if (same == crossings.end()) {
      crossings.push_back(&crossing);
    } else {
      *same = &crossing;
    }
  }
  std::sort(crossings.begin(), crossings.end(),
            [&](const Crossing* x, const Crossing* y) { return order[x->client_leg] < order[y->client_leg]; });
  for (const Crossing* crossing : crossings) r.crossings.push_back(record_of(*crossing, c, sensor));
  r.waiting = waiting_of(c, sensor);
  fill_messages(c, order, r);
  r.finding_ids = c.finding_ids;
  return r;
}

std::vector<DeviceRecord> device_records(const Knowledge& knowledge, size_t points) {
  std::vector<DeviceRecord> records;
  const auto add = [&](size_t outer, size_t inner) {
    DeviceRecord r;
    r.outer = static_cast<PointIndex>(outer);
    r.inner = static_cast<PointIndex>(inner);
    const Knowledge::Device& device = knowledge.device(r.outer, r.inner);
    r.connections = device.connections;
    r.resets_originated = device.resets;
    r.changes = device.changes;
    r.kind = 2 * device.proxied > device.connections ? DeviceKind::proxy : kind_of(device.changes);
    for (const auto& [ends, connections] : device.address_map.entries())
      r.address_map.push_back({ends.outside, ends.inside, connections});
    std::sort(r.address_map.begin(), r.address_map.end(), [](const AddressMapEntry& x, const AddressMapEntry& y) {
      return std::tuple(y.connections, x.outside, x.inside) < std::tuple(x.connections, y.outside, y.inside);
    });
    records.push_back(std::move(r));
  };
  for (size_t i = 0; i + 1 < points; ++i) add(i, i + 1);
  for (size_t i = 0; i < points; ++i) {
    const auto point = static_cast<PointIndex>(i);
    if (knowledge.device(point, point).connections > 0) add(i, i);
  }
  return records;
}

}  // namespace parallax
