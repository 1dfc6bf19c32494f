// The parsers of a direction's first bytes under the promises of analysis/protocol/parse_status.h: nothing outside is read or
// handed out, and what a beginning was found to be, it stays.
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/protocol/byte_reader.h"
#include "analysis/protocol/dhcp_message.h"
#include "analysis/protocol/dns_message.h"
#include "analysis/protocol/http_head.h"
#include "analysis/protocol/named_address.h"
#include "analysis/protocol/proxy_header.h"
#include "analysis/protocol/quic_packet.h"
#include "analysis/protocol/tls_hello.h"
#include "analysis/protocol/x509_names.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/targets.h"

namespace parallax::fuzz {

namespace {

using Bytes = std::span<const uint8_t>;

// What a parser found, as text, so that two findings can be compared when the bytes they point into are gone.
class Facts {
 public:
  // `final`: the status says that nothing will change any more, so that what is provisional counts too.
  Facts(Bytes bytes, bool final) : bytes_(bytes), final_(final) {}

  void number(const char* name, uint64_t value) { facts_.emplace_back(name, std::to_string(value)); }
  void view(const char* name, std::string_view value) {
    if (value.empty()) return;
    const auto* begin = reinterpret_cast<const uint8_t*>(value.data());
    REQUIRE(begin >= bytes_.data() && begin + value.size() <= bytes_.data() + bytes_.size());
    facts_.emplace_back(name, value);
  }
  void copied(const char* name, Bytes value) { facts_.emplace_back(name, as_text(value)); }
  void text(const char* name, const TlsText& value) {
    if (!value.empty()) facts_.emplace_back(name, value.view());
  }
  void endpoint(const char* name, const Endpoint& value) { facts_.emplace_back(name, to_string(value)); }
  bool final() const { return final_; }

  bool operator==(const Facts& other) const { return facts_ == other.facts_; }
  // Whether each of these stands in `other` too.
  bool within(const Facts& other) const {
    size_t at = 0;  // both in the order of the fields
    for (const auto& fact : facts_) {
      while (at < other.facts_.size() && other.facts_[at].first != fact.first) ++at;
      if (at == other.facts_.size() || other.facts_[at].second != fact.second) return false;
      ++at;
    }
    return true;
  }

 private:
  Bytes bytes_;
  bool final_;
  std::vector<std::pair<std::string_view, std::string>> facts_;
};

void describe(const X509Names& x, Facts& facts) {
  facts.view("common_name", x.common_name);
  for (const std::string_view name : x.kept_dns_names()) facts.view("dns_name", name);
  if (facts.final()) facts.number("dns_name_count", x.dns_name_count);
}

void describe(const TlsClientHello& x, Facts& facts) {
  if (x.has_version) facts.number("legacy_version", x.legacy_version);
  if (x.has_version && facts.final()) facts.number("version", x.version);
  if (x.has_random) facts.copied("random", x.random);
  if (x.has_session_id) facts.copied("session_id", {x.session_id.bytes.data(), x.session_id.length});
  facts.text("sni", x.sni);
  facts.text("alpn", x.alpn);
  if (facts.final()) facts.number("counts", x.alpn_count << 16 | x.cipher_suite_count);
  REQUIRE(x.session_id.length <= 32);
  REQUIRE((x.alpn_count > 0) <= !x.alpn.empty());
  REQUIRE(x.has_random <= x.has_version && x.has_session_id <= x.has_random);
}

void describe(const TlsServerFlight& x, Facts& facts) {
  const bool known = facts.final() || x.has_hello;
  if (x.has_version && known) facts.number("legacy_version", x.legacy_version);
  if (x.has_version && known) facts.number("version", x.version);
  if (x.retry_request) facts.number("retry_request", 1);
  if (x.has_random) facts.copied("random", x.random);
  if (x.has_session_id) facts.copied("session_id", {x.session_id.bytes.data(), x.session_id.length});
  if (x.has_cipher_suite) facts.number("cipher_suite", x.cipher_suite);
  facts.text("alpn", x.alpn);
  if (x.has_hello) facts.number("has_hello", 1);
  if (x.has_alert && (facts.final() || x.alert.level == 2)) facts.number("alert", x.alert.level << 8 | x.alert.description);
  if (x.has_certificate) facts.number("has_certificate", 1);
  describe(x.certificate, facts);
  REQUIRE(!x.has_certificate || x.has_hello);
  REQUIRE(!x.has_hello || (x.has_version && x.has_random && x.has_session_id && x.has_cipher_suite));
}

void describe(const TlsAlert& x, Facts& facts) {
  if (facts.final()) facts.number("alert", x.encrypted << 16 | x.level << 8 | x.description);
}

void describe(const TlsRecordHeader& x, Facts& facts) {
  if (facts.final()) facts.number("record", uint64_t{x.type} << 32 | uint32_t{x.version} << 16 | x.length);
}

void describe(const HttpHeaderFields& x, Facts& facts) {
  facts.view("host", x.host);
  facts.view("forwarded_for", x.forwarded_for);
  facts.view("forwarded", x.forwarded);
  if (x.has_content_length) facts.number("content_length", x.content_length);
  if (facts.final()) facts.number("chunked", x.chunked);
  if (facts.final()) facts.number("fields", x.field_count);
  REQUIRE(x.field_count <= kHttpHeaderFieldsMax);
  Endpoint endpoint;
  if (parse_forwarded_for(x.forwarded_for, endpoint)) facts.endpoint("forwarded_for_client", endpoint);
  if (parse_forwarded(x.forwarded, endpoint)) facts.endpoint("forwarded_client", endpoint);
}

void describe(const HttpRequestHead& x, Facts& facts) {
  facts.view("method", x.method);
  if (x.has_version) facts.view("target", x.target);
  if (x.has_version) facts.number("version", x.version_minor);
  describe(x.fields, facts);
  if (x.head_length > 0) facts.number("head_length", x.head_length);
  if (facts.final()) facts.number("truncated", x.truncated);
  REQUIRE(x.head_length <= kHttpHeadBytesMax);
}

void describe(const HttpResponseHead& x, Facts& facts) {
  if (x.status > 0) facts.number("status", x.status);
  if (x.has_status) facts.view("reason", x.reason);
  describe(x.fields, facts);
  if (x.head_length > 0) facts.number("head_length", x.head_length);
  if (facts.final()) facts.number("truncated", x.truncated);
  REQUIRE(x.has_status <= (x.status >= 100 && x.status <= 999));
}

void describe(const ProxyHeader& x, Facts& facts) {
  if (x.version > 0) facts.number("version", x.version);
  if (x.local) facts.number("local", 1);
  if (x.datagram) facts.number("datagram", 1);
  if (x.has_endpoints) facts.endpoint("source", x.source);
  if (x.has_endpoints) facts.endpoint("destination", x.destination);
  facts.view("authority", x.authority);
  facts.view("unique_id", as_text(x.unique_id));
  if (facts.final()) facts.number("tls", x.tls);
  if (x.header_length > 0) facts.number("header_length", x.header_length);
  REQUIRE(x.tlv_count <= kProxyTlvsMax);
  REQUIRE(!x.local || !x.has_endpoints);
}

void describe(const Endpoint& x, Facts& facts) {
  if (facts.final()) facts.endpoint("end", x);
}

void describe(const DnsMessage& x, Facts& facts) {
  if (x.has_header)
    facts.number("header", uint64_t{x.id} << 48 | uint64_t{x.flags} << 32 | uint64_t{x.question_count} << 16 | x.answer_count);
  if (x.has_question) facts.view("name", x.name);
  if (x.has_question) facts.number("question", uint32_t{x.type} << 16 | x.question_class);
  REQUIRE(!x.has_question || (x.has_header && !x.name.empty() && x.name.back() == 0));
  REQUIRE(x.name.size() <= kDnsNameBytesMax);
  for (const char c : dns_name_text(x.name)) REQUIRE(c > ' ' && c < 0x7f);
}

struct DnsStream {
  DnsMessage message;
  uint16_t length = 0;
};
void describe(const DnsStream& x, Facts& facts) {
  if (x.length > 0) facts.number("length", x.length);
  describe(x.message, facts);
}
ParseStatus parse_stream(Bytes bytes, DnsStream& out) { return parse_dns_stream(bytes, out.message, out.length); }

void describe(const DhcpMessage& x, Facts& facts) {
  if (x.has_header) facts.number("header", uint64_t{x.transaction_id} << 8 | x.hardware_length << 1 | x.reply);
  if (x.has_header) facts.copied("hardware_address", x.hardware_address);
  if (x.has_header) facts.copied("your_address", x.your_address);
  if (x.message_type > 0) facts.number("message_type", x.message_type);
  if (x.has_requested_address) facts.copied("requested_address", x.requested_address);
  if (x.has_server_id) facts.copied("server_id", x.server_id);
  facts.view("host_name", x.host_name);
  REQUIRE(x.hardware_length <= 16 && x.option_count <= kDhcpOptionsMax);
}

void describe(const Dhcpv6Message& x, Facts& facts) {
  if (x.message_type > 0) facts.number("message_type", x.message_type);
  if (!facts.final()) return;
  facts.number("transaction_id", x.transaction_id);
  facts.copied("link_address", x.link_address);
  REQUIRE(x.transaction_id < 1 << 24);
}

void describe(const QuicPacket& x, Facts& facts) {
  REQUIRE(x.destination.length <= kQuicIdBytesMax && x.source.length <= kQuicIdBytesMax);
  if (!facts.final()) return;
  facts.number("type", static_cast<uint64_t>(x.type));
  facts.number("version", x.version);
  facts.copied("destination", Bytes(x.destination.bytes).first(x.destination.length));
  facts.copied("source", Bytes(x.source.bytes).first(x.source.length));
}

template <typename Out>
using Parse = ParseStatus (*)(Bytes, Out&);

template <typename Out>
struct Found {
  std::unique_ptr<uint8_t[]> exact;  // the sanitizer sees a read beyond it
  ParseStatus status;
  Facts facts;
};

template <typename Out>
Found<Out> find(Parse<Out> parse, Bytes bytes) {
  std::unique_ptr<uint8_t[]> exact(new uint8_t[bytes.size()]);
  if (!bytes.empty()) std::memcpy(exact.get(), bytes.data(), bytes.size());
  const Bytes copy(exact.get(), bytes.size());
  Out out;
  const ParseStatus status = parse(copy, out);
  REQUIRE(status <= ParseStatus::broken);
  Facts facts(copy, status != ParseStatus::more);
  describe(out, facts);
  return {std::move(exact), status, std::move(facts)};
}

// Whole, and cut to a few lengths: all of the short ones, some of the long ones.
template <typename Out>
void check(Parse<Out> parse, Bytes bytes) {
  const Found<Out> whole = find(parse, bytes);
  const size_t step = 1 + bytes.size() / 16;
  for (size_t size = bytes.empty() ? 0 : (bytes[bytes.size() / 2] + bytes.size()) % step; size < bytes.size(); size += step) {
    const Found<Out> part = find(parse, bytes.first(size));
    if (part.status != ParseStatus::more) {
      REQUIRE(part.status == whole.status);
      REQUIRE(part.facts == whole.facts);
    } else if (whole.status != ParseStatus::foreign) {
      REQUIRE(part.facts.within(whole.facts));
    }
  }
}

}  // namespace

void parse_tls(const uint8_t* data, size_t size) {
  const Bytes bytes(data, size);
  check<TlsClientHello>(parse_tls_client_hello, bytes);
  check<TlsServerFlight>(parse_tls_server_flight, bytes);
  check<TlsAlert>(parse_tls_alert, bytes);
  check<TlsRecordHeader>(parse_tls_record_header, bytes);
  check<X509Names>(parse_x509_names, bytes);
}

void parse_http(const uint8_t* data, size_t size) {
  const Bytes bytes(data, size);
  check<HttpRequestHead>(parse_http_request, bytes);
  check<HttpResponseHead>(parse_http_response, bytes);
  Endpoint endpoint;
  const std::unique_ptr<char[]> exact(new char[size]);
  if (size > 0) std::memcpy(exact.get(), data, size);
  parse_forwarded_for({exact.get(), size}, endpoint);
  parse_forwarded({exact.get(), size}, endpoint);
}

void parse_proxy(const uint8_t* data, size_t size) { check<ProxyHeader>(parse_proxy_header, {data, size}); }

void parse_named(const uint8_t* data, size_t size) {
  check<Endpoint>(parse_ftp_passive_reply, {data, size});
  check<Endpoint>(parse_rpc_endpoint_map, {data, size});
}

void parse_dns(const uint8_t* data, size_t size) {
  check<DnsMessage>(parse_dns_message, {data, size});
  check<DnsStream>(parse_stream, {data, size});
}

void parse_dhcp(const uint8_t* data, size_t size) {
  check<DhcpMessage>(parse_dhcp_message, {data, size});
  check<Dhcpv6Message>(parse_dhcpv6_message, {data, size});
}

void parse_quic(const uint8_t* data, size_t size) { check<QuicPacket>(parse_quic_packet, {data, size}); }

}  // namespace parallax::fuzz
