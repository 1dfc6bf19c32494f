#include "daemon/message/to_proto.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <array>
#include <limits>

#include "config/enum_text.h"
#include "daemon/message/community_id.h"
#include "daemon/message/utf8.h"

namespace parallax {
namespace {

const std::string kNoName;

double seconds(int64_t ns) { return static_cast<double>(ns) / 1e9; }

// Word (of analysis/model/vocabulary.h, kCount of them) -> enumerator of the same name. A word without one is 0, "unspecified".
template <typename Enumerator, typename Word, size_t kCount>
Enumerator same_name(Word word) {
  static const std::array<Enumerator, kCount> table = [] {
    std::array<Enumerator, kCount> made{};
    for (size_t i = 0; i < kCount; ++i) {
      const std::string name(name_of(static_cast<Word>(i)));
      const auto* value = find_enum_value(*google::protobuf::GetEnumDescriptor<Enumerator>(), name);
      if (value != nullptr) made[i] = static_cast<Enumerator>(value->number());
    }
    return made;
  }();
  const auto index = static_cast<size_t>(word);
  return index < kCount ? table[index] : Enumerator{};
}

void set_distribution(const Distribution& from, v1::Distribution& to) {
  to.set_min(seconds(from.min_ns));
  to.set_median(seconds(from.median_ns));
  to.set_p99(seconds(from.p99_ns));
  to.set_max(seconds(from.max_ns));
}

void set_endpoint(const Endpoint& from, v1::Endpoint& to) {
  to.set_address(to_string(from.address));
  to.set_port(from.port);
}

void set_time(int64_t time_ns, google::protobuf::Timestamp& to) {
  constexpr int64_t kSecondNs = 1'000'000'000;
  const int64_t nanos = time_ns % kSecondNs;
  to.set_seconds(time_ns / kSecondNs - (nanos < 0 ? 1 : 0));
  to.set_nanos(static_cast<int32_t>(nanos < 0 ? nanos + kSecondNs : nanos));
}

void set_options(const OfferedOptions& from, v1::TcpOptions& to) {
  to.set_mss(from.mss);
  to.set_window_scale(from.window_scale);
  to.set_sack(from.sack);
  to.set_timestamps(from.timestamps);
  to.set_ecn(from.ecn);
  to.set_fast_open(from.fast_open);
  to.set_initial_window(from.initial_window);
  to.set_window_scale_at_least(from.window_scale_at_least);
}

void set_round_trip(const RoundTripRecord& from, v1::RoundTrip& to) {
  to.set_min(seconds(from.min_ns));
  to.set_smoothed(seconds(from.smoothed_ns));
  to.set_max(seconds(from.max_ns));
  to.set_samples(from.samples);
}

void set_turn_totals(const TurnTotals& from, v1::TurnTotals& to) {
  to.set_waited_for_client_seconds(seconds(from.wait_ns[Side::client]));
  to.set_waited_for_server_seconds(seconds(from.wait_ns[Side::server]));
  to.set_network_to_client_seconds(seconds(from.network_ns[Side::client]));
  to.set_network_to_server_seconds(seconds(from.network_ns[Side::server]));
  to.set_longest_wait_for_client_seconds(seconds(from.longest_wait_ns[Side::client]));
  to.set_longest_wait_for_server_seconds(seconds(from.longest_wait_ns[Side::server]));
  to.set_request_seconds(seconds(from.transfer_ns[Side::client]));
  to.set_response_seconds(seconds(from.transfer_ns[Side::server]));
  to.set_largest_request_bytes(from.largest_message_bytes[Side::client]);
  to.set_largest_response_bytes(from.largest_message_bytes[Side::server]);
  to.set_in_flight_max_from_client(from.in_flight_max_bytes[Side::client]);
  to.set_in_flight_max_from_server(from.in_flight_max_bytes[Side::server]);
  to.set_outstanding_max(from.outstanding_max);
  to.set_outstanding_mean(from.outstanding_mean);
}

void set_waiting(const WaitingRecord& from, v1::Waiting& to) {
  to.set_client_seconds(seconds(from.client_ns));
  to.set_before_device_seconds(seconds(from.before_device_ns));
  to.set_device_seconds(seconds(from.device_ns));
  to.set_after_device_seconds(seconds(from.after_device_ns));
  to.set_server_seconds(seconds(from.server_ns));
}

template <typename List>
void set_changes(uint32_t bits, List* list) {
  for (int i = 0; i < kDeviceChangeCount; ++i) {
    const auto change = static_cast<DeviceChange>(i);
    if (bits & bit(change)) list->Add(to_proto(change));
  }
}

// What messages said comes from strangers.
void set_tls(const TlsRecord& from, v1::Tls& to) {
  to.set_sni(sanitised(from.sni));
  to.set_alpn(sanitised(from.alpn));
  to.set_version(from.version);
  for (const std::string& name : from.server_names) to.add_server_names(sanitised(name));
  to.set_alert(from.alert);
}

template <typename Record>
void set_pairing(const Record& from, v1::Pairing& to) {
  to.set_method(to_proto(from.method));
  to.set_confidence(from.confidence);
  to.set_rivals(from.rivals);
}

void set_messages(const ConnectionRecord& from, v1::Connection& to) {
  if (from.replaced_by) to.set_replaced_by(*from.replaced_by);
  for (const SharedPairingRecord& shared : from.shared_with) {
    to.add_shared_with(shared.connection_id);
    v1::SharedPairing& message = *to.add_shared_pairings();
    message.set_connection_id(shared.connection_id);
    set_pairing(shared, *message.mutable_pairing());
  }
  for (const HttpRequestRecord& request : from.http_requests) {
    v1::HttpRequest& message = *to.add_http_requests();
    message.set_method(sanitised(request.method));
    message.set_target(sanitised(request.target));
    message.set_status(request.status);
    message.set_forwarded_for(sanitised(request.forwarded_for));
    message.set_host(sanitised(request.host));
    if (request.access_log_line != 0) message.set_access_log_line(request.access_log_line);
    if (request.forwarded_for_is_logged) message.set_forwarded_for_is_logged(true);
  }
  for (const DnsRecord& dns : from.dns) {
    v1::DnsExchange& message = *to.add_dns();
    message.set_name(sanitised(dns.name));
    message.set_type(dns.type);
    message.set_rcode(dns.rcode);
    message.set_id(dns.id);
  }
  for (const DhcpRecord& dhcp : from.dhcp) {
    v1::DhcpExchange& message = *to.add_dhcp();
    message.set_transaction_id(dhcp.transaction_id);
    message.set_first_message(dhcp.first_message);
    message.set_last_message(dhcp.last_message);
    message.set_hardware_address(dhcp.hardware_address);
    message.set_assigned_address(dhcp.assigned_address);
    message.set_host_name(sanitised(dhcp.host_name));
  }
}

void set_leg(const LegRecord& from, const MessageNames& names, Protocol protocol, v1::Leg& to) {
  to.set_point(names.point(from.point));
  set_endpoint(from.client, *to.mutable_client());
  set_endpoint(from.server, *to.mutable_server());
  to.set_conn_state(std::string(name_of(from.conn_state)));
  set_time(from.first_seen_ns, *to.mutable_first_seen());
  set_time(from.last_seen_ns, *to.mutable_last_seen());
  to.set_packets_from_client(from.packets[Side::client]);
  to.set_packets_from_server(from.packets[Side::server]);
  to.set_bytes_from_client(from.bytes[Side::client]);
  to.set_bytes_from_server(from.bytes[Side::server]);
  to.set_retransmissions_from_client(from.retransmissions[Side::client]);
  to.set_retransmissions_from_server(from.retransmissions[Side::server]);
  to.set_client_isn(from.isn[Side::client]);
  to.set_server_isn(from.isn[Side::server]);
  if (from.handshake_client_rtt_ns) to.set_handshake_client_rtt_seconds(seconds(*from.handshake_client_rtt_ns));
  if (from.handshake_server_rtt_ns) to.set_handshake_server_rtt_seconds(seconds(*from.handshake_server_rtt_ns));
  if (from.hops_to_client) to.set_hops_to_client(*from.hops_to_client);
  if (from.hops_to_server) to.set_hops_to_server(*from.hops_to_server);
  to.set_history(from.history);
  to.mutable_options();
  if (protocol == Protocol::tcp) {
    set_options(from.client_options, *to.mutable_options()->mutable_client());
    set_options(from.server_options, *to.mutable_options()->mutable_server());
  }
  if (from.tls) set_tls(*from.tls, *to.mutable_tls());
  if (from.proxied) {
    set_endpoint(from.proxied->client, *to.mutable_proxied_client());
    set_endpoint(from.proxied->server, *to.mutable_proxied_server());
  }
  to.set_community_id(community_id(protocol, from.client, from.server));
  to.set_turns(from.turns);
  if (from.rtt[Side::client]) set_round_trip(*from.rtt[Side::client], *to.mutable_rtt_client_seconds());
  if (from.rtt[Side::server]) set_round_trip(*from.rtt[Side::server], *to.mutable_rtt_server_seconds());
  if (from.first_flight_bytes[Side::client]) to.set_first_flight_from_client(*from.first_flight_bytes[Side::client]);
  if (from.first_flight_bytes[Side::server]) to.set_first_flight_from_server(*from.first_flight_bytes[Side::server]);
  if (from.turn_totals) set_turn_totals(*from.turn_totals, *to.mutable_turn_totals());
  to.set_ttl_changes_from_client(from.ttl_changes[Side::client]);
  to.set_ttl_changes_from_server(from.ttl_changes[Side::server]);
}

void set_crossing(const CrossingRecord& from, const MessageNames& names, v1::Crossing& to) {
  to.add_between(names.point(from.client_side));
  to.add_between(names.point(from.server_side));
  set_pairing(from, *to.mutable_pairing());
  to.set_device_kind(to_proto(from.device_kind));
  set_changes(from.changes, to.mutable_device_changes());
  to.set_lost_from_client(from.lost[Side::client]);
  to.set_lost_from_server(from.lost[Side::server]);
  if (from.transit[Side::client]) set_distribution(*from.transit[Side::client], *to.mutable_transit_from_client_seconds());
  if (from.transit[Side::server]) set_distribution(*from.transit[Side::server], *to.mutable_transit_from_server_seconds());
  if (from.isn_offset[Side::client]) to.set_isn_offset_from_client(*from.isn_offset[Side::client]);
  if (from.isn_offset[Side::server]) to.set_isn_offset_from_server(*from.isn_offset[Side::server]);
  to.set_undecided_packets(from.undecided);
  if (from.bytes_kept[Side::client]) to.set_bytes_kept_from_client(*from.bytes_kept[Side::client]);
  if (from.bytes_kept[Side::server]) to.set_bytes_kept_from_server(*from.bytes_kept[Side::server]);
}

void set_where(const Where& from, const MessageNames& names, v1::Where& to) {
  switch (from.kind) {
    case Where::Kind::unknown:
      to.set_unknown(true);
      return;
    case Where::Kind::beyond:
      to.set_beyond(names.point(from.first));
      return;
    case Where::Kind::between:
      to.add_between(names.point(from.first));
      to.add_between(names.point(from.second));
      return;
  }
}

// Each once: behind a router both legs bear the same names.
void set_community_ids(const std::vector<FindingLeg>& legs, v1::Finding& to) {
  for (const FindingLeg& leg : legs) {
    std::string id = community_id(leg.protocol, leg.client, leg.server);
    const auto& known = to.community_ids();
    if (std::find(known.begin(), known.end(), id) == known.end()) to.add_community_ids(std::move(id));
  }
}

void set_evidence(const Evidence& from, const MessageNames& names, v1::Evidence& to) {
  to.set_kind(from.kind);
  to.set_point(names.point(from.point));
  if (from.port) (names.offline ? to.mutable_file() : to.mutable_port())->assign(names.port(*from.port));
  if (names.offline) to.set_frame(from.frame);
  set_time(from.time_ns, *to.mutable_time());
  to.set_detail(from.detail);
}

}  // namespace

const std::string& MessageNames::point(PointIndex index) const { return index < points.size() ? points[index] : kNoName; }
const std::string& MessageNames::port(PortIndex index) const { return index < ports.size() ? ports[index] : kNoName; }

google::protobuf::Timestamp to_timestamp(int64_t time_ns) {
  google::protobuf::Timestamp time;
  set_time(time_ns, time);
  return time;
}

int64_t from_timestamp(const google::protobuf::Timestamp& time) {
  int64_t ns = 0;
  if (__builtin_mul_overflow(time.seconds(), int64_t{1'000'000'000}, &ns) ||
      __builtin_add_overflow(ns, int64_t{time.nanos()}, &ns)) {
    return time.seconds() < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
  }
  return ns;
}

v1::FindingKind to_proto(FindingKind word) { return same_name<v1::FindingKind, FindingKind, kFindingKindCount>(word); }
v1::PacketLabel to_proto(PacketLabel word) { return same_name<v1::PacketLabel, PacketLabel, kPacketLabelCount>(word); }
v1::FindingState to_proto(FindingState word) { return same_name<v1::FindingState, FindingState, 4>(word); }
v1::Severity to_proto(Severity word) { return same_name<v1::Severity, Severity, 4>(word); }
v1::Origin to_proto(Origin word) { return same_name<v1::Origin, Origin, 6>(word); }
v1::FindingDirection to_proto(FindingDirection word) { return same_name<v1::FindingDirection, FindingDirection, 4>(word); }
v1::Protocol to_proto(Protocol word) { return same_name<v1::Protocol, Protocol, 2>(word); }
v1::Outcome to_proto(Outcome word) { return same_name<v1::Outcome, Outcome, 7>(word); }
v1::Close to_proto(Close word) { return same_name<v1::Close, Close, 4>(word); }
v1::ClosedBy to_proto(ClosedBy word) { return same_name<v1::ClosedBy, ClosedBy, 4>(word); }
v1::PairingMethod to_proto(PairingMethod word) { return same_name<v1::PairingMethod, PairingMethod, 11>(word); }
v1::DeviceKind to_proto(DeviceKind word) { return same_name<v1::DeviceKind, DeviceKind, 5>(word); }
v1::DeviceChange to_proto(DeviceChange word) { return same_name<v1::DeviceChange, DeviceChange, kDeviceChangeCount>(word); }

v1::Endpoint to_proto(const Endpoint& endpoint) {
  v1::Endpoint message;
  set_endpoint(endpoint, message);
  return message;
}

v1::Connection to_proto(const ConnectionRecord& record, const MessageNames& names) {
  v1::Connection message;
  set_connection(record, names, message);
  return message;
}

void set_connection(const ConnectionRecord& record, const MessageNames& names, v1::Connection& message) {
  message.set_id(record.id);
  message.set_protocol(to_proto(record.protocol));
  set_endpoint(record.client, *message.mutable_client());
  set_endpoint(record.server, *message.mutable_server());
  message.set_outcome(to_proto(record.outcome));
  message.set_syn_attempts(record.syn_attempts);
  message.set_close(to_proto(record.close));
  message.set_closed_by(to_proto(record.closed_by));
  for (const LegRecord& leg : record.legs) set_leg(leg, names, record.protocol, *message.add_legs());
  for (const CrossingRecord& crossing : record.crossings) set_crossing(crossing, names, *message.add_crossings());
  if (record.waiting) set_waiting(*record.waiting, *message.mutable_waiting());
  set_messages(record, message);
  message.mutable_finding_ids()->Add(record.finding_ids.begin(), record.finding_ids.end());
}

v1::Finding to_proto(const FindingRecord& record, const MessageNames& names) {
  v1::Finding message;
  message.set_id(record.id);
  message.set_kind(to_proto(record.kind));
  message.set_state(to_proto(record.state));
  message.set_severity(to_proto(record.severity));
  message.set_confidence(record.confidence);
  set_where(record.where, names, *message.mutable_where());
  message.set_origin(to_proto(record.origin));
  message.set_direction(to_proto(record.direction));
  message.mutable_connection_ids()->Add(record.connection_ids.begin(), record.connection_ids.end());
  message.mutable_related_connection_ids()->Add(record.related_connection_ids.begin(), record.related_connection_ids.end());
  set_community_ids(record.legs, message);
  message.set_count(record.count);
  set_time(record.first_seen_ns, *message.mutable_first_seen());
  set_time(record.last_seen_ns, *message.mutable_last_seen());
  if (record.rate_per_second) message.set_rate_per_second(*record.rate_per_second);
  if (record.period_seconds) message.set_period_seconds(*record.period_seconds);
  if (record.time_lost_seconds) message.set_time_lost_seconds(*record.time_lost_seconds);
  if (record.service) message.set_service(*record.service);
  for (const Evidence& evidence : record.evidence) set_evidence(evidence, names, *message.add_evidence());
  message.set_summary(record.summary);
  return message;
}

void set_traffic(const DeviceTraffic& traffic, v1::DeviceTraffic& message) {
  message.set_entered(traffic.entered);
  message.set_forwarded(traffic.forwarded);
  message.set_lost(traffic.lost);
  message.set_answered_by_device(traffic.answered_by_device);
  message.set_superseded(traffic.superseded);
  message.set_undecided(traffic.undecided);
}

static void set_transit_at(const TransitAtLoad& at, v1::TransitAtLoad& message) {
  message.set_packets_per_second_from(at.packets_per_second_from);
  message.set_packets_per_second_below(at.packets_per_second_below);
  message.set_seconds(at.seconds);
  if (const auto& mean_ns = at.mean_ns[Direction::toward_inside]) message.set_toward_inside_seconds(seconds(*mean_ns));
  if (const auto& mean_ns = at.mean_ns[Direction::toward_outside]) message.set_toward_outside_seconds(seconds(*mean_ns));
}

v1::Device to_proto(const DeviceRecord& record, const MessageNames& names) {
  v1::Device message;
  message.add_between(names.point(record.outer));
  message.add_between(names.point(record.inner));
  message.set_kind(to_proto(record.kind));
  message.set_connections(record.connections);
  set_changes(record.changes, message.mutable_changes());
  if (const auto& transit = record.transit[Direction::toward_inside]) {
    set_distribution(*transit, *message.mutable_transit_toward_inside_seconds());
    if (!record.transit_is_by_turns) message.set_crossed_toward_inside(transit->count);
  }
  if (const auto& transit = record.transit[Direction::toward_outside]) {
    set_distribution(*transit, *message.mutable_transit_toward_outside_seconds());
    if (!record.transit_is_by_turns) message.set_crossed_toward_outside(transit->count);
  }
  message.set_lost_toward_inside(record.segments_lost[Direction::toward_inside]);
  message.set_lost_toward_outside(record.segments_lost[Direction::toward_outside]);
  set_traffic(record.traffic[Direction::toward_inside], *message.mutable_toward_inside());
  set_traffic(record.traffic[Direction::toward_outside], *message.mutable_toward_outside());
  message.set_transit_is_by_turns(record.transit_is_by_turns);
  for (const TransitAtLoad& at : record.transit_by_load) set_transit_at(at, *message.add_transit_by_load());
  message.set_resets_originated(record.resets_originated);
  for (const AddressMapEntry& entry : record.address_map) {
    v1::AddressMapEntry& to = *message.add_address_map();
    set_endpoint(entry.outside, *to.mutable_outside());
    set_endpoint(entry.inside, *to.mutable_inside());
    to.set_connections(entry.connections);
  }
  return message;
}

v1::Packet to_proto(const PacketRecord& record, const MessageNames& names) {
  v1::Packet message;
  message.set_point(names.point(record.point));
  message.set_file(names.port(record.port));
  message.set_frame(record.frame);
  set_time(record.time_ns, *message.mutable_time());
  message.set_connection_id(record.connection_id);
  message.set_leg_index(record.leg_index);
  for (int i = 0; i < kPacketLabelCount; ++i) {
    const auto label = static_cast<PacketLabel>(i);
    if (record.labels & bit(label)) message.add_labels(to_proto(label));
  }
  return message;
}

v1::Point to_proto(const PointRecord& record) {
  v1::Point message;
  message.set_name(record.name);
  message.set_packets(record.packets);
  message.set_bytes(record.bytes);
  set_time(record.first_seen_ns, *message.mutable_first_seen());
  set_time(record.last_seen_ns, *message.mutable_last_seen());
  message.set_capture_loss_segments(record.capture_loss_segments);
  message.set_decode_errors(record.decode_errors);
  for (const auto& [reason, count] : record.decode_errors_by_reason) (*message.mutable_decode_errors_by_reason())[reason] = count;
  for (const NotFollowed which : kNotFollowed) {
    if (const uint64_t count = record.not_followed[which]; count > 0)
      (*message.mutable_not_followed())[std::string(name_of(which))] = count;
  }
  return message;
}

namespace {

void set_access_log(const AccessLogRecord& record, v1::AccessLog& message) {
  message.set_file(sanitised(record.file));
  message.set_format(record.format);
  message.set_client_fields(record.client_fields);
  message.set_requests(record.requests);
  message.set_joined(record.joined);
  message.set_ambiguous(record.ambiguous);
  message.set_not_captured(record.not_captured);
  message.set_outside_capture(record.outside_capture);
  message.set_without_request(record.without_request);
  message.set_malformed_lines(record.malformed);
  message.set_first_malformed_line(record.first_malformed_line);
  message.set_clients_named(record.clients_named);
  message.set_pairings(record.pairings);
  message.set_pairings_confirmed(record.pairings_confirmed);
  message.set_pairings_taken_back(record.pairings_taken_back);
  message.set_foreign_requests(record.foreign_requests);
  if (record.clock_is_known) message.set_clock_offset_seconds(static_cast<double>(record.clock_offset_ns) / 1e9);
}

}  // namespace

v1::Summary to_proto(const SummaryRecord& record) {
  v1::Summary message;
  message.set_packets(record.packets);
  message.set_connections(record.connections);
  message.set_paired_connections(record.paired_connections);
  message.set_unpaired_legs(record.unpaired_legs);
  for (const auto& [kind, count] : record.findings_by_kind) (*message.mutable_findings_by_kind())[kind] = count;
  message.set_sensor_loss(record.sensor_loss);
  for (const std::string& bound : record.bounds_hit) message.add_bounds_hit(bound);
  for (const FindingKind kind : record.not_looked_for) message.add_not_looked_for(to_proto(kind));
  if (record.access_log) set_access_log(*record.access_log, *message.mutable_access_log());
  return message;
}

std::string where_text(const v1::Where& where) {
  if (where.between_size() == 2 && where.between(0) == where.between(1)) return "at " + where.between(0);
  if (where.between_size() == 2) return "between " + where.between(0) + " and " + where.between(1);
  if (!where.beyond().empty()) return "beyond " + where.beyond();
  return "at an unknown place";
}

}  // namespace parallax
