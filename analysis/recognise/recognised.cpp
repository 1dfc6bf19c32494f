#include "analysis/recognise/recognised.h"

#include <algorithm>
#include <cstring>

#include "analysis/model/sequence.h"
#include "analysis/protocol/byte_reader.h"

namespace parallax {
namespace {

constexpr uint8_t kFatal = 2;
constexpr uint16_t kInterimEnd = 200, kSwitchingProtocols = 101;

template <typename T>
void copy_to(std::string_view bytes, T& value) {
  if (bytes.size() == sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
}

}  // namespace

bool Recognised::take(const RecognitionEvent& event) {
  switch (event.kind) {
    case RecognitionKind::tls_client_hello:
    case RecognitionKind::tls_server_hello:
    case RecognitionKind::tls_alert:
      take_tls(event);
      return true;
    case RecognitionKind::http_request:
      return take_request(event);
    case RecognitionKind::http_response:
      return take_response(event);
    case RecognitionKind::proxy_header: {
      if (proxy) return true;  // only one can be the first
      proxy.emplace();
      proxy->version = static_cast<uint8_t>(event.code);
      proxy->has_endpoints = !event.text(0).empty();
      copy_to(event.text(0), proxy->source);
      copy_to(event.text(1), proxy->destination);
      proxy->authority = event.text(2);
      proxy->unique_id = event.text(3);
      return true;
    }
    case RecognitionKind::first_bytes:
      return true;  // of use while it is new, to find the leg beyond a proxy
    case RecognitionKind::named_address:
      return take_name(event);
    case RecognitionKind::dns:
      return take_dns(event);
    case RecognitionKind::dhcp:
      return take_dhcp(event);
    case RecognitionKind::quic:
      take_quic(event);
      return true;
  }
  return true;
}

bool Recognised::take_name(const RecognitionEvent& event) {
  if (names.size() >= kNamesMax) return false;
  RecognisedName& name = names.emplace_back();
  copy_to(event.text(0), name.end);
  name.code = event.code;
  name.seq = event.seq;
  name.order_ns = event.order_ns;
  return true;
}

void Recognised::take_tls(const RecognitionEvent& event) {
  if (!tls) tls.emplace();
  if (event.kind == RecognitionKind::tls_alert) {
    const bool more_serious = tls->alert && *tls->alert >> 8 != kFatal && event.code >> 8 == kFatal;
    if (!tls->alert || more_serious) tls->alert = event.code;
  } else if (event.kind == RecognitionKind::tls_client_hello) {
    // After a HelloRetryRequest the hello comes again, with the same random.
    tls->client_hello = true;
    tls->client_version = event.version;
    tls->client_version_known = event.version_known;
    copy_to(event.text(0), tls->client_random);
    tls->client_session_id = event.text(1);
    tls->sni = event.text(2);
    tls->alpn_offered = event.text(3);
  } else {
    tls->server_hello = true;
    tls->server_version = event.version;
    tls->server_version_known = event.version_known;
    copy_to(event.text(0), tls->server_random);
    tls->server_session_id = event.text(1);
    tls->alpn_chosen = event.text(2);
    tls->certificate_names.clear();
    for (std::string_view names = event.text(3); !names.empty();) {
      const size_t end = names.find('\0');
      if (end == names.npos) break;  // cut
      tls->certificate_names.emplace_back(names.substr(0, end));
      names.remove_prefix(end + 1);
    }
  }
}

bool Recognised::take_request(const RecognitionEvent& event) {
  if (requests.size() == kRequestsMax) return false;
  RecognisedRequest request;
  request.seq = event.seq;
  request.order_ns = event.order_ns;
  request.method = event.text(0);
  request.host = event.text(1);
  request.forwarded_for = event.text(2);
  request.forwarded = event.text(3);
  request.target = event.text(4);
  // A segment may have overtaken another.
  auto at = requests.end();
  while (at != requests.begin() && (at - 1)->has_request && sequence_before(event.seq, (at - 1)->seq)) --at;
  requests.insert(at, std::move(request));
  return true;
}

// Answers come in the order of the requests (RFC 9112, 9.3.2); what an answer acknowledges, it may be the answer to.
bool Recognised::take_response(const RecognitionEvent& event) {
  if (event.code < kInterimEnd && event.code != kSwitchingProtocols) return true;
  for (RecognisedRequest& request : requests) {
    if (request.status != 0 || !request.has_request) continue;
    if (!event.closing && !sequence_before(request.seq, event.ack)) break;
    request.status = event.code;
    request.answered_ns = event.order_ns;
    return true;
  }
  if (requests.size() == kRequestsMax) return false;
  RecognisedRequest unknown;
  unknown.has_request = false;
  unknown.status = event.code;
  requests.push_back(std::move(unknown));
  return true;
}

bool Recognised::take_dns(const RecognitionEvent& event) {
  const auto same = [&](const RecognisedDns& d) { return d.id == event.id && d.type == event.code && d.name == event.text(0); };
  auto at = std::find_if(dns.begin(), dns.end(), same);
  if (at == dns.end()) {
    if (dns.size() == kExchangesMax) return false;
    at = dns.emplace(dns.end());
    at->id = static_cast<uint16_t>(event.id);
    at->type = event.code;
    at->name = event.text(0);
  }
  if (event.answer && !at->answered) at->rcode = event.rcode;
  (event.answer ? at->answered : at->asked) = true;
  return true;
}

bool Recognised::take_dhcp(const RecognitionEvent& event) {
  const auto same = [&](const RecognisedDhcp& d) { return d.transaction_id == event.id && d.version == event.version; };
  auto at = std::find_if(dhcp.begin(), dhcp.end(), same);
  if (at == dhcp.end()) {
    if (dhcp.size() == kExchangesMax) return false;
    at = dhcp.emplace(dhcp.end());
    at->version = static_cast<uint8_t>(event.version);
    at->transaction_id = event.id;
    at->first_type = static_cast<uint8_t>(event.code);
  }
  at->last_type = static_cast<uint8_t>(event.code);
  if (!event.text(0).empty()) at->hardware_address = event.text(0);
  copy_to(event.text(1), at->client_address);
  copy_to(event.text(2), at->requested_address);
  if (event.answer) copy_to(event.text(3), at->assigned_address);
  if (!event.text(4).empty()) at->host_name = event.text(4);
  return true;
}

// A server may choose anew after a Retry: its clients then use what it says in its own packets (RFC 9000, 7.2).
void Recognised::take_quic(const RecognitionEvent& event) {
  if (!quic) quic.emplace();
  const auto type = static_cast<QuicPacketType>(event.code);
  const bool has_source = type == QuicPacketType::initial || type == QuicPacketType::handshake;
  if (event.from == Side::server && has_source) {
    quic->server = quic_id_of(as_bytes(event.text(1)));
  } else if (event.from == Side::client && type == QuicPacketType::initial && !quic->has_begun && !quic->goes_on) {
    quic->first = quic_id_of(as_bytes(event.text(0)));
    quic->client = quic_id_of(as_bytes(event.text(1)));
    quic->has_begun = true;
  }
}

size_t Recognised::bytes() const {
  const auto of = [](const std::string& text) { return text.capacity() > 15 ? text.capacity() : size_t{0}; };
  size_t sum = requests.capacity() * sizeof(RecognisedRequest) + dns.capacity() * sizeof(RecognisedDns) +
               dhcp.capacity() * sizeof(RecognisedDhcp);
  if (tls) {
    sum += of(tls->client_session_id) + of(tls->server_session_id) + of(tls->sni) + of(tls->alpn_offered) + of(tls->alpn_chosen);
    for (const std::string& name : tls->certificate_names) sum += sizeof(name) + of(name);
  }
  for (const RecognisedRequest& r : requests)
    sum += of(r.method) + of(r.target) + of(r.host) + of(r.forwarded_for) + of(r.forwarded) + of(r.logged_client);
  if (proxy) sum += of(proxy->authority) + of(proxy->unique_id);
  for (const RecognisedDns& d : dns) sum += of(d.name);
  for (const RecognisedDhcp& d : dhcp) sum += of(d.host_name) + of(d.hardware_address);
  return sum;
}

}  // namespace parallax
