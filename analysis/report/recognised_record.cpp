#include "analysis/report/recognised_record.h"

#include <algorithm>
#include <set>

#include "analysis/protocol/dhcp_message.h"
#include "analysis/protocol/dns_message.h"
#include "analysis/protocol/tls_hello.h"

namespace parallax {
namespace {

// A name, or where there is none the number: "TYPE65280", as RFC 3597 writes types.
std::string named(std::string_view name, const char* prefix, unsigned number) {
  return name.empty() ? prefix + std::to_string(number) : std::string(name);
}

TlsRecord record_of(const RecognisedTls& tls) {
  TlsRecord r;
  r.sni = tls.sni;
  r.alpn = tls.alpn_chosen.empty() ? tls.alpn_offered : tls.alpn_chosen;
  if (tls.server_version_known) r.version = named(tls_version_name(tls.server_version), "version ", tls.server_version);
  r.server_names = tls.certificate_names;
  if (tls.alert) r.alert = named(tls_alert_name(*tls.alert & 0xff), "alert ", *tls.alert & 0xff);
  return r;
}

HttpRequestRecord record_of(const RecognisedRequest& request) {
  HttpRequestRecord r{request.method, request.target, request.status,
                      request.forwarded_for.empty() ? request.forwarded : request.forwarded_for, request.host};
  r.access_log_line = request.log_line;
  if (r.forwarded_for.empty() && !request.logged_client.empty()) {
    r.forwarded_for = request.logged_client;
    r.forwarded_for_is_logged = true;
  }
  return r;
}

DnsRecord record_of(const RecognisedDns& dns) {
  DnsRecord r;
  r.id = dns.id;
  r.name = dns_name_text(dns.name);
  r.type = named(dns_type_name(dns.type), "TYPE", dns.type);
  if (dns.answered) r.rcode = named(dns_rcode_name(dns.rcode), "RCODE", dns.rcode);
  return r;
}

std::string hexadecimal(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    if (!text.empty()) text += ':';
    text += kDigits[static_cast<uint8_t>(c) >> 4];
    text += kDigits[c & 15];
  }
  return text;
}

DhcpRecord record_of(const RecognisedDhcp& dhcp) {
  static constexpr Address kNone4{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  DhcpRecord r;
  r.transaction_id = dhcp.transaction_id;
  const auto message = [&](uint8_t type) {
    return type == 0 ? std::string()
                     : named(dhcp.version == 4 ? dhcp_message_name(type) : dhcpv6_message_name(type), "message ", type);
  };
  r.first_message = message(dhcp.first_type);
  r.last_message = message(dhcp.last_type);
  r.hardware_address = hexadecimal(dhcp.hardware_address);
  if (dhcp.assigned_address != Address{} && dhcp.assigned_address != kNone4)
    r.assigned_address = to_string(dhcp.assigned_address);
  r.host_name = dhcp.host_name;
  return r;
}

// The access log may tell of a request as another leg has shown it: of those that say the same the first that none has taken.
void fill_log_lines(const std::vector<const Recognised*>& legs, std::vector<HttpRequestRecord>& records) {
  const bool is_any_logged = std::any_of(legs.begin(), legs.end(), [](const Recognised* leg) {
    return leg != nullptr &&
           std::any_of(leg->requests.begin(), leg->requests.end(), [](const auto& r) { return r.log_line != 0; });
  });
  if (!is_any_logged) return;
  std::set<uint64_t> taken;
  for (const HttpRequestRecord& record : records) taken.insert(record.access_log_line);
  for (HttpRequestRecord& record : records) {
    for (size_t i = 0; i < legs.size() && record.access_log_line == 0; ++i) {
      if (legs[i] == nullptr) continue;
      for (const RecognisedRequest& other : legs[i]->requests) {
        if (other.log_line == 0 || other.method != record.method || other.target != record.target ||
            other.status != record.status)
          continue;
        if (!taken.insert(other.log_line).second) continue;
        record.access_log_line = other.log_line;
        break;
      }
    }
  }
}

}  // namespace

void fill_record(const Recognised& recognised, LegRecord& record) {
  if (recognised.tls) record.tls = record_of(*recognised.tls);
  if (recognised.proxy && recognised.proxy->has_endpoints)
    record.proxied = ProxiedRecord{recognised.proxy->source, recognised.proxy->destination};
}

void fill_messages(const Connection& connection, const std::vector<uint32_t>& order, ConnectionRecord& record) {
  std::vector<const Recognised*> from_client(order.size(), nullptr);
  for (size_t i = 0; i < order.size(); ++i) from_client[order[i]] = connection.legs[i].recognised.get();
  for (const Recognised* leg : from_client) {
    if (leg == nullptr) continue;
    const auto fill = [](const auto& messages, auto& records) {
      if (!records.empty()) return;  // a leg nearer to the client has them
      for (const auto& message : messages) records.push_back(record_of(message));
    };
    fill(leg->requests, record.http_requests);
    fill(leg->dns, record.dns);
    fill(leg->dhcp, record.dhcp);
  }
  fill_log_lines(from_client, record.http_requests);
}

}  // namespace parallax
