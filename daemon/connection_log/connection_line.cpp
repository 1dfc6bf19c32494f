#include "daemon/connection_log/connection_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include "daemon/message/community_id.h"
#include "daemon/message/json_object.h"
#include "daemon/message/utf8.h"

namespace parallax {
namespace {

// splitmix64's last step: every bit of the result depends on every bit of `x`.
uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t seed_of(const ConnectionLineSource& source) {
  uint64_t seed = mixed(static_cast<uint64_t>(source.started_ns));
  for (const char c : source.sensor) seed = mixed(seed ^ static_cast<uint8_t>(c));
  return seed;
}

// Zeek's own: a number of seconds with six decimals.
void append_seconds(std::string& out, int64_t ns) {
  const uint64_t us = static_cast<uint64_t>(ns < 0 ? -ns : ns) / 1000;
  fmt::format_to(std::back_inserter(out), "{}{}.{:06}", ns < 0 ? "-" : "", us / 1'000'000, us % 1'000'000);
}
void add_seconds(JsonObject& line, std::string_view name, int64_t ns) { append_seconds(line.key(name), ns); }

void add_ends(JsonObject& line, const std::string& prefix, const LegRecord& leg) {
  line.add(prefix + ".orig_h", to_string(leg.client.address));
  line.add(prefix + ".orig_p", leg.client.port);
  line.add(prefix + ".resp_h", to_string(leg.server.address));
  line.add(prefix + ".resp_p", leg.server.port);
}

// As Zeek calls it; empty: not recognised.
std::string_view service_of(const ConnectionRecord& c) {
  const auto speaks_tls = [](const LegRecord& leg) { return leg.tls.has_value(); };
  if (std::any_of(c.legs.begin(), c.legs.end(), speaks_tls)) return c.protocol == Protocol::udp ? "quic" : "ssl";
  if (!c.http_requests.empty()) return "http";
  if (!c.dns.empty()) return "dns";
  if (!c.dhcp.empty()) return "dhcp";
  return {};
}

void add_zeeks(JsonObject& line, const ConnectionRecord& c, const LegRecord& leg) {
  line.add("proto", name_of(c.protocol));
  if (const std::string_view service = service_of(c); !service.empty()) line.add("service", service);
  if (leg.last_seen_ns > leg.first_seen_ns) add_seconds(line, "duration", leg.last_seen_ns - leg.first_seen_ns);
  if (leg.packets[Side::client] + leg.packets[Side::server] > 0) {
    line.add("orig_bytes", leg.stream_bytes[Side::client]);
    line.add("resp_bytes", leg.stream_bytes[Side::server]);
    line.add("conn_state", name_of(leg.conn_state));
    // How much is missing is not counted; that nothing is, is known.
    if (leg.is_whole[Side::client] && leg.is_whole[Side::server]) line.add("missed_bytes", 0u);
    if (!leg.history.empty()) line.add("history", leg.history);
    line.add("orig_pkts", leg.packets[Side::client]);
    line.add("resp_pkts", leg.packets[Side::server]);
  }
  line.add("community_id", community_id(c.protocol, leg.client, leg.server));
}

void add_outcome(JsonObject& line, const ConnectionRecord& c, const LegRecord& leg) {
  line.add("outcome", name_of(c.outcome));
  line.add("close", name_of(c.close));
  if (c.closed_by != ClosedBy::unknown) line.add("closed_by", name_of(c.closed_by));
  if (c.protocol != Protocol::tcp) return;
  line.add("syn_attempts", c.syn_attempts);
  line.add("orig_retransmissions", leg.retransmissions[Side::client]);
  line.add("resp_retransmissions", leg.retransmissions[Side::server]);
  if (leg.handshake_client_rtt_ns) add_seconds(line, "orig_handshake_rtt", *leg.handshake_client_rtt_ns);
  if (leg.handshake_server_rtt_ns) add_seconds(line, "resp_handshake_rtt", *leg.handshake_server_rtt_ns);
}

// The leg nearest to the server, where its ends have other names than the client's leg has.
void add_server_side(JsonObject& line, const ConnectionRecord& c) {
  const LegRecord &first = c.legs.front(), &last = c.legs.back();
  if (last.client == first.client && last.server == first.server) return;
  add_ends(line, "server_side", last);
  line.add("server_side.community_id", community_id(c.protocol, last.client, last.server));
}

std::string place(const CrossingRecord& crossing, const MessageNames& names) {
  return names.point(crossing.client_side) + '>' + names.point(crossing.server_side);
}

void add_transit(JsonObject& line, std::string_view name, const std::optional<Distribution>& transit) {
  if (transit) add_seconds(line, name, transit->median_ns);
}

// The lists name the devices from the client's side on; numbers are over all of them.
void add_crossings(JsonObject& line, const ConnectionRecord& c, const MessageNames& names) {
  std::vector<std::string> points;
  for (const LegRecord& leg : c.legs) {
    if (const std::string& name = names.point(leg.point); points.empty() || points.back() != name) points.push_back(name);
  }
  line.add_list("points", points);
  if (c.crossings.empty()) return;
  std::vector<std::string> crossed, lossy;
  std::vector<std::string_view> methods, kinds;
  double confidence = 1;
  PerSide<uint64_t> lost{};
  uint64_t undecided = 0;
  for (const CrossingRecord& crossing : c.crossings) {
    crossed.push_back(place(crossing, names));
    methods.push_back(name_of(crossing.method));
    kinds.push_back(name_of(crossing.device_kind));
    confidence = std::min(confidence, crossing.confidence);
    undecided += crossing.undecided;
    for (const Side side : kSides) lost[side] += crossing.lost[side];
    if (crossing.lost[Side::client] + crossing.lost[Side::server] > 0) lossy.push_back(crossed.back());
  }
  line.add_list("crossed", crossed);
  line.add_list("pairing", methods);
  fmt::format_to(std::back_inserter(line.key("pairing_confidence")), "{:.4g}", confidence);
  line.add_list("device_kind", kinds);
  line.add("orig_lost", lost[Side::client]);
  line.add("resp_lost", lost[Side::server]);
  if (!lossy.empty()) line.add_list("lost_between", lossy);
  if (undecided > 0) line.add("undecided_pkts", undecided);
  if (c.crossings.size() == 1) {
    add_transit(line, "orig_transit", c.crossings.front().transit[Side::client]);
    add_transit(line, "resp_transit", c.crossings.front().transit[Side::server]);
  }
}

// The first of what messages said. They are strangers' words: control characters are replaced.
void add_names(JsonObject& line, const ConnectionRecord& c) {
  const auto tls =
      std::find_if(c.legs.begin(), c.legs.end(), [](const LegRecord& leg) { return leg.tls && !leg.tls->sni.empty(); });
  if (tls != c.legs.end()) line.add("server_name", sanitised(tls->tls->sni));
  if (!c.http_requests.empty() && !c.http_requests.front().host.empty())
    line.add("host", sanitised(c.http_requests.front().host));
  if (!c.dns.empty() && !c.dns.front().name.empty()) line.add("query", sanitised(c.dns.front().name));
}

// What a single point has seen of the network it cannot tell from a device.
void add_waiting(JsonObject& line, const WaitingRecord& waiting, bool are_sides_known) {
  add_seconds(line, "wait.orig", waiting.client_ns);
  if (are_sides_known) {
    add_seconds(line, "wait.before_device", waiting.before_device_ns);
    add_seconds(line, "wait.device", waiting.device_ns);
    add_seconds(line, "wait.after_device", waiting.after_device_ns);
  }
  add_seconds(line, "wait.resp", waiting.server_ns);
}

}  // namespace

std::string connection_uid(const ConnectionLineSource& source, uint64_t connection_id) {
  static constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr int kDigitsEach = 9;  // 53 bits of each half
  const uint64_t seed = seed_of(source);
  std::string uid = "C";
  for (const uint64_t half : {mixed(seed ^ mixed(connection_id)), mixed(~seed + connection_id)}) {
    uint64_t rest = half;
    for (int digit = 0; digit < kDigitsEach; ++digit, rest /= kDigits.size()) uid += kDigits[rest % kDigits.size()];
  }
  return uid;
}

void append_connection_line(const ConnectionLineSource& source, const EndedConnections::Ended& ended, std::string& out) {
  const ConnectionRecord& c = ended.record;
  if (c.legs.empty()) return;
  const LegRecord& leg = c.legs.front();
  JsonObject line(out);
  add_seconds(line, "ts", leg.first_seen_ns);
  line.add("uid", connection_uid(source, c.id));
  add_ends(line, "id", leg);
  add_zeeks(line, c, leg);
  line.add("sensor", source.sensor);
  line.add("connection_id", c.id);
  add_outcome(line, c, leg);
  add_crossings(line, c, source.names);
  add_server_side(line, c);
  if (c.waiting) add_waiting(line, *c.waiting, !c.crossings.empty());
  add_names(line, c);
  if (c.replaced_by) line.add("replaced_by", *c.replaced_by);
  std::vector<uint64_t> shared;
  for (const SharedPairingRecord& other : c.shared_with) shared.push_back(other.connection_id);
  if (!shared.empty()) line.add_list("shared_with", shared);
  if (!c.finding_ids.empty()) line.add_list("finding_ids", c.finding_ids);
  if (ended.is_early) line.add("is_early", true);
  if (ended.is_again) line.add("is_again", true);
  line.end();
  out += '\n';
}

}  // namespace parallax
