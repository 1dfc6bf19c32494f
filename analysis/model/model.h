// What the engine knows, as plain values: connections, findings, devices, points, packets. The daemon maps them one to
// one onto the messages of proto/parallax/v1/types.proto; see contract fields there.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/model/access_log.h"
#include "analysis/model/sides.h"
#include "analysis/model/vocabulary.h"
#include "capture/core/sighting.h"

namespace parallax {

// Legs are of one or the other; `number`: as in an IP header.
constexpr Protocol protocol_of(uint8_t number) { return number == ip_protocol::udp ? Protocol::udp : Protocol::tcp; }

struct Endpoint {
  Address address{};
  uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
};
std::string to_string(const Address& address);    // "192.0.2.1" or "2001:db8::1"
std::string to_string(const Endpoint& endpoint);  // "192.0.2.1:80" or "[2001:db8::1]:80"

struct Distribution {  // nanoseconds; quantiles within 5 %
  int64_t min_ns = 0, median_ns = 0, p99_ns = 0, max_ns = 0;
  uint64_t count = 0;
};

struct OfferedOptions {
  uint16_t mss = 0;
  int16_t window_scale = -1;  // -1: not offered
  bool sack = false, timestamps = false, ecn = false, fast_open = false;
  bool cut = false;                   // by the capture: what is not offered above is unknown (ECN excepted, which is no option)
  uint8_t window_scale_at_least = 0;  // met in midstream, so that the offer was not seen: what explains the bytes in flight
  uint16_t initial_window = 0;        // announced with the offer, never scaled (RFC 7323, 2.2)
};

struct RoundTripRecord {  // see analysis/tcp/round_trip.h
  int64_t min_ns = 0, smoothed_ns = 0, max_ns = 0;
  uint32_t samples = 0;
};

// Turns of a leg, summed; see analysis/tcp/turns.h.
struct TurnTotals {
  PerSide<int64_t> wait_ns{}, network_ns{}, longest_wait_ns{};  // by the side that was waited for
  PerSide<int64_t> transfer_ns{};                               // by sender, as all that follows
  PerSide<uint64_t> largest_message_bytes{}, in_flight_max_bytes{};
  uint32_t outstanding_max = 0;
  double outstanding_mean = 0;  // over the time in which a request was under way
};

// What messages have said. Texts are as they came: bounded, not sanitised.
struct TlsRecord {
  std::string sni, alpn, version;         // alpn: chosen, or the first offered; version: chosen
  std::vector<std::string> server_names;  // of the certificate, up to TLS 1.2
  std::string alert;
};

struct ProxiedRecord {  // what a PROXY header says of the client's own connection
  Endpoint client, server;
};

struct HttpRequestRecord {
  std::string method, target;
  uint16_t status = 0;  // 0: no answer seen
  std::string forwarded_for, host;
  uint64_t access_log_line = 0;          // that tells of it; 0: none
  bool forwarded_for_is_logged = false;  // forwarded_for is from there, and not from the packet
};

struct DnsRecord {
  std::string name, type, rcode;  // rcode empty: not answered
  uint16_t id = 0;
};

struct DhcpRecord {
  uint32_t transaction_id = 0;
  std::string first_message, last_message, hardware_address, assigned_address, host_name;
};

struct LegRecord {
  PointIndex point = 0;
  Endpoint client, server;
  ConnState conn_state = ConnState::OTH;
  int64_t first_seen_ns = 0, last_seen_ns = 0;
  // By the side that sends.
  PerSide<uint64_t> packets{}, bytes{}, retransmissions{};
  PerSide<uint64_t> stream_bytes{};  // of these each byte once, by sequence numbers
  PerSide<bool> is_whole{};          // TCP: nothing of what the side has sent is known to be missing
  PerSide<uint32_t> isn{};
  std::optional<int64_t> handshake_client_rtt_ns, handshake_server_rtt_ns;
  std::optional<uint32_t> hops_to_client, hops_to_server;
  PerSide<uint32_t> ttl_changes{};
  PerSide<std::optional<RoundTripRecord>> rtt;  // to the side and back
  PerSide<std::optional<uint32_t>> first_flight_bytes;
  std::string history;
  OfferedOptions client_options, server_options;
  std::optional<TlsRecord> tls;
  std::optional<ProxiedRecord> proxied;
  uint32_t turns = 0;
  std::optional<TurnTotals> turn_totals;  // empty: no data was seen
};

struct CrossingRecord {
  PointIndex client_side = 0, server_side = 0;  // neighbouring points, the client's side first; of a hairpin its point twice
  PairingMethod method = PairingMethod::none;
  double confidence = 0;
  uint32_t rivals = 0;
  DeviceKind device_kind = DeviceKind::unknown;
  uint32_t changes = 0;                          // DeviceChange bits
  PerSide<uint64_t> lost{};                      // data segments that entered and never left
  PerSide<std::optional<Distribution>> transit;  // of packets; through a proxy of messages, by turns
  PerSide<std::optional<int64_t>> isn_offset;
  uint64_t undecided = 0;
  PerSide<std::optional<uint64_t>> bytes_kept;  // by a proxy that relays the stream as it is: entered and never left
};

// Another connection whose messages went over one of this one's legs, or the other way round.
struct SharedPairingRecord {
  uint64_t connection_id = 0;
  PairingMethod method = PairingMethod::none;
  double confidence = 0;
  uint32_t rivals = 0;
};

// Where the time between data went, from the client's to the server's end, summed over the turns. With two points or more the
// device (all devices between them) is what a wait took longer at one side of it than at the other; with one, it is not told
// apart from the network.
struct WaitingRecord {
  int64_t client_ns = 0, before_device_ns = 0, device_ns = 0, after_device_ns = 0, server_ns = 0;
};

struct ConnectionRecord {
  uint64_t id = 0;
  Protocol protocol = Protocol::tcp;
  Endpoint client, server;  // as the client sees them
  Outcome outcome = Outcome::incomplete;
  uint32_t syn_attempts = 0;
  Close close = Close::open;
  ClosedBy closed_by = ClosedBy::unknown;
  std::vector<LegRecord> legs;
  std::vector<CrossingRecord> crossings;
  std::optional<WaitingRecord> waiting;          // empty: no turns, or not the same ones at the first and the last point
  std::vector<HttpRequestRecord> http_requests;  // as the leg nearest to the client has seen them
  std::vector<DnsRecord> dns;
  std::vector<DhcpRecord> dhcp;
  std::vector<SharedPairingRecord> shared_with;  // by id
  std::optional<uint64_t> replaced_by;           // the connection that the client opened instead of this one
  std::vector<uint64_t> finding_ids;
};

// What was taken of the ends of connections.
struct EndedConnections {
  struct Ended {
    ConnectionRecord record;
    bool is_early = false;  // it was forgotten before it had ended: a bound was hit
    bool is_again = false;  // a part of it has been told before, as a connection of its own or with what was then known
  };
  std::vector<Ended> connections;
  uint64_t not_kept = 0;  // so many, since the last time, were forgotten before they could be taken
  bool are_more = false;  // some are ready now
};

struct Where {  // exactly one: beyond a point, between two points, or unknown
  enum class Kind : uint8_t { unknown, beyond, between } kind = Kind::unknown;
  PointIndex first = 0;  // beyond; or between, the client's side first; of a hairpin its point twice
  PointIndex second = 0;
  auto operator<=>(const Where&) const = default;
};

struct Evidence {
  std::string kind;  // ttl, ip_id, timing, absent_at, present_at, sequence, option, payload
  PointIndex point = 0;
  std::optional<PortIndex> port;
  uint32_t frame = 0;  // 0: none
  int64_t time_ns = 0;
  std::string detail;
};

// A conversation at a point that a finding is about.
struct FindingLeg {
  uint64_t connection_id = 0;
  Protocol protocol = Protocol::tcp;
  Endpoint client, server;
  bool operator==(const FindingLeg&) const = default;
};

struct FindingRecord {
  uint64_t id = 0;
  uint64_t version = 0;  // grows with every change of any finding: what is newer than a version has changed since
  FindingKind kind{};
  FindingState state = FindingState::open;
  Severity severity = Severity::info;
  double confidence = 0;
  Where where;
  Origin origin = Origin::unknown;
  FindingDirection direction = FindingDirection::none;
  std::vector<uint64_t> connection_ids;  // the first kFindingConnectionsMax
  std::vector<uint64_t> related_connection_ids;
  std::vector<FindingLeg> legs;  // of its first connections, the first kFindingLegsMax
  uint64_t count = 0;
  int64_t first_seen_ns = 0, last_seen_ns = 0;
  std::optional<double> rate_per_second, period_seconds, time_lost_seconds;
  std::optional<std::string> service;
  std::vector<Evidence> evidence;
  std::string summary;
};
inline constexpr size_t kFindingConnectionsMax = 1000;
inline constexpr size_t kFindingEvidenceMax = 16;
inline constexpr size_t kFindingLegsMax = 16;

struct AddressMapEntry {
  Endpoint outside, inside;
  uint64_t connections = 0;
};

// What became of all packets that entered a device in one direction: control packets and those of legs without a pair, too.
struct DeviceTraffic {
  uint64_t entered = 0;
  uint64_t forwarded = 0;           // seen on both sides
  uint64_t lost = 0;                // proved
  uint64_t answered_by_device = 0;  // SYNs, and SYN-ACKs where it had asked the server itself
  uint64_t superseded = 0;          // not forwarded, but a later packet that was says the same: acknowledgements thinned out
  uint64_t undecided = 0;           // all others: not followed, at an edge of the capture, or not proved
};

// What packets took on average while so many crossed in a second, both ways together.
struct TransitAtLoad {
  uint64_t packets_per_second_from = 0, packets_per_second_below = 0;
  uint64_t seconds = 0;
  PerDirection<std::optional<int64_t>> mean_ns{};  // empty: nothing crossed that way of which the stamps tell
};

struct DeviceRecord {
  PointIndex outer = 0, inner = 1;  // neighbouring points in path order; of a hairpin its point twice, and inward is from clients
  DeviceKind kind = DeviceKind::unknown;
  uint64_t connections = 0;
  uint32_t changes = 0;
  PerDirection<std::optional<Distribution>> transit;
  std::vector<TransitAtLoad> transit_by_load;  // by rising load; of packets alone
  bool transit_is_by_turns = false;            // no packet is the same on both sides: of messages through a proxy
  PerDirection<DeviceTraffic> traffic;
  PerDirection<uint64_t> segments_lost{};
  uint64_t resets_originated = 0;
  std::vector<AddressMapEntry> address_map;
};

struct PointRecord {
  std::string name;
  uint64_t packets = 0, bytes = 0;
  int64_t first_seen_ns = 0, last_seen_ns = 0;
  uint64_t capture_loss_segments = 0;  // data that was acknowledged and never seen
  uint64_t decode_errors = 0;
  std::map<std::string, uint64_t> decode_errors_by_reason;
  ForBoth<NotFollowed, uint64_t> not_followed{};
};

struct PacketRecord {  // only where the engine was asked to record packets
  int64_t order_ns = 0, time_ns = 0;
  PortIndex port = 0;
  PointIndex point = 0;
  uint32_t frame = 0;
  uint64_t connection_id = 0;  // 0: belongs to none
  uint32_t leg_index = 0;
  uint32_t labels = 0;     // PacketLabel bits
  uint64_t packet_id = 0;  // the same for the sightings of one packet at different points; 0: seen at one only
};

struct SummaryRecord {
  uint64_t packets = 0, connections = 0, paired_connections = 0, unpaired_legs = 0;
  std::map<std::string, uint64_t> findings_by_kind;
  uint64_t sensor_loss = 0;
  std::vector<std::string> bounds_hit;      // "legs: 12 evicted"
  std::vector<FindingKind> not_looked_for;  // kinds that are off
  std::optional<AccessLogRecord> access_log;
};

}  // namespace parallax
