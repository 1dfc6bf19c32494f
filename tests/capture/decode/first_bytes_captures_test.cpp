// The parsers of first bytes on packets that nobody here made, beside what Wireshark reads in them. The captures are not part of
// the project (PARALLAX_CAPTURES); without them or without tshark these tests are skipped.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "analysis/model/model.h"
#include "analysis/protocol/dhcp_message.h"
#include "analysis/protocol/dns_message.h"
#include "analysis/protocol/http_head.h"
#include "analysis/protocol/tls_hello.h"
#include "capture/decode/decode.h"
#include "capture/source/file_source.h"
#include "tests/support/captures.h"
#include "tests/support/command.h"

namespace parallax {
namespace {

using test::captures_directory;
using test::split;

using Bytes = std::vector<uint8_t>;

// Those in which Wireshark sees one of these protocols; of the many alike, one.
const char* const kFiles[] = {"TS-3proxy_https1__client.pcap",
                              "TS-3proxy_https1__relay.pcap",
                              "TS-base_http1__server.pcap",
                              "TS-wg_https1__server.pcap",
                              "TS-dnsrec__dns_recursivequery_server.pcapng",
                              "arkime__no-syn-ack.pcap",
                              "arkime__socks5-reverse.pcap",
                              "arkime__tls-split-client-hello.pcap",
                              "arkime__twovlan.pcap",
                              "ndpi__long_tls_certificate.pcap",
                              "ndpi__psiphon3.pcap",
                              "ndpi__tls_multiple_synack_different_seq.pcapng",
                              "ng-be__test001.pcapng",
                              "pktv__dns_ipv4_tcp.pcap",
                              "pp__DisplayFilters.pcapng",
                              "pp__dhcp.pcapng",
                              "pp__dns_over_tcp.pcapng",
                              "pp__tlsbroken.pcapng",
                              "ppa__evilprogram.pcap",
                              "ppp__example.pcap",
                              "ppp__many_interfaces-1.pcapng",
                              "ppp__one_tcp_stream_max_seq.pcap",
                              "ppp__sll2.pcap",
                              "ppp__unidirectional_tcp_stream_with_missing_packet.pcap",
                              "retina__tls_ciphers.pcap",
                              "suri__bug-7657-01__input.pcap",
                              "suri__http-async-cli__input.pcap",
                              "ws__challenge01_ooo_stream.pcapng.gz",
                              "ws__dhcp-nanosecond.pcap",
                              "ws__http-ooo.pcap",
                              "ws__tcp-badsegments.pcap",
                              "ws__tls13-rfc8446.pcap",
                              "zeek__dhcp.pcap",
                              "zeek__handshake-reorder.pcap",
                              "zeek__http-vlan-0.pcap",
                              "zeek__m57-long-49600-80.pcap",
                              "zeek__missing-syn.pcap",
                              "zeek__modbus-and-non-modbus-p502.pcap",
                              "zeek__payload-syn.pcap",
                              "zeek__quicv2-http3-443.pcap",
                              "zeek__radiotap.pcap",
                              "zeek__smtp.pcap",
                              "zeek__wikipedia.pcap"};

// One line for each message, the same whoever read it.
using Facts = std::multiset<std::string>;
template <typename... Parts>
std::string fact(const Parts&... parts) {
  std::ostringstream line;
  ((line << parts << ' '), ...);
  return line.str();
}

std::string hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes) text.append({"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]});
  return text;
}

// --- what we read ---

struct Packet {
  Sighting sighting;
  Bytes payload;
};

std::vector<Packet> packets_of(const std::string& name) {
  std::vector<Packet> packets;
  auto source = FileSource::open(captures_directory() + "/" + name);
  if (!source.ok()) return packets;
  RawPacket burst[32];
  while (!(*source)->finished()) {
    const size_t count = (*source)->poll(burst);
    for (size_t i = 0; i < count; ++i) {
      DecodedFrame frame;
      if (decode({burst[i].data, burst[i].captured_length, burst[i].wire_length, burst[i].link_type}, frame) != DecodeError::none)
        continue;
      if (frame.payload_captured > 0) packets.push_back({frame, Bytes(frame.payload, frame.payload + frame.payload_captured)});
    }
  }
  return packets;
}

using Direction = std::tuple<Address, Address, uint16_t, uint16_t>;
using Segments = std::map<int64_t, Bytes>;  // by offset from the first one seen

std::map<Direction, Segments> directions_of(const std::vector<Packet>& packets) {
  std::map<Direction, Segments> directions;
  std::map<Direction, uint32_t> starts;
  for (const auto& [s, payload] : packets) {
    if (!s.is_tcp()) continue;
    const Direction direction{s.source, s.destination, s.source_port, s.destination_port};
    const uint32_t start = starts.emplace(direction, s.seq).first->second;
    Bytes& segment = directions[direction][static_cast<int32_t>(s.seq - start)];
    if (payload.size() > segment.size()) segment = payload;
  }
  return directions;
}

// From a segment on, as far as there is no gap.
Bytes stream_from(const Segments& segments, Segments::const_iterator at) {
  constexpr size_t kEnough = 40'000;
  Bytes stream;
  const int64_t start = at->first;
  for (; at != segments.end() && stream.size() < kEnough; ++at) {
    const int64_t overlap = start + static_cast<int64_t>(stream.size()) - at->first;
    if (overlap < 0) break;
    if (overlap < static_cast<int64_t>(at->second.size()))
      stream.insert(stream.end(), at->second.begin() + overlap, at->second.end());
  }
  return stream;
}

void read_stream(const Bytes& stream, Facts& facts) {
  TlsClientHello client;
  const bool whole = parse_tls_client_hello(stream, client) == ParseStatus::done;
  if (whole && client.ssl2_format) facts.insert(fact("old client hello", client.version));
  if (whole && !client.ssl2_format) {
    facts.insert(fact("client hello", hex(client.random), client.legacy_version, client.version, client.sni.view(),
                      client.alpn.view(), client.cipher_suite_count,
                      hex({client.session_id.bytes.data(), client.session_id.length})));
  }
  TlsServerFlight server;
  const ParseStatus flight = parse_tls_server_flight(stream, server);
  if (server.has_hello)
    facts.insert(fact("server hello", hex(server.random), server.version, server.cipher_suite, server.alpn.view()));
  if (flight == ParseStatus::done && server.has_certificate) {
    std::string names;
    for (const std::string_view name : server.certificate.kept_dns_names()) names += std::string(name) + ' ';
    facts.insert(fact("certificate", server.certificate.common_name, names, server.certificate.dns_name_count));
  }
  HttpRequestHead request;
  if (parse_http_request(stream, request) == ParseStatus::done) {
    facts.insert(fact("request", request.method, request.target, request.fields.host, request.fields.forwarded_for));
  }
  HttpResponseHead response;
  if (parse_http_response(stream, response) == ParseStatus::done)
    facts.insert(fact("response", response.status, response.reason));
}

void read_dns(const DnsMessage& message, Facts& facts) {
  facts.insert(fact("dns", message.id, message.flags, message.question_count, message.answer_count,
                    message.has_question ? dns_name_text(message.name) : "", message.type));
}

void read_datagram(const Packet& packet, Facts& facts) {
  const auto port = [&](uint16_t wanted) {
    return packet.sighting.source_port == wanted || packet.sighting.destination_port == wanted;
  };
  DnsMessage dns;
  if ((port(53) || port(5353) || port(5355)) && parse_dns_message(packet.payload, dns) == ParseStatus::done) read_dns(dns, facts);
  DhcpMessage dhcp;
  if ((port(67) || port(68)) && parse_dhcp_message(packet.payload, dhcp) == ParseStatus::done) {
    facts.insert(fact("dhcp", dhcp.transaction_id, hex({dhcp.hardware_address.data(), dhcp.hardware_length}),
                      to_string(dhcp.your_address), int{dhcp.message_type}, dhcp.host_name,
                      dhcp.has_requested_address ? to_string(dhcp.requested_address) : "",
                      dhcp.has_server_id ? to_string(dhcp.server_id) : ""));
  }
}

Facts ours(const std::string& name) {
  Facts facts;
  const std::vector<Packet> packets = packets_of(name);
  for (const auto& [direction, segments] : directions_of(packets)) {
    for (auto at = segments.begin(); at != segments.end(); ++at) {
      const Bytes stream = stream_from(segments, at);
      read_stream(stream, facts);
      DnsMessage dns;
      uint16_t length;
      const bool port = std::get<2>(direction) == 53 || std::get<3>(direction) == 53;
      if (port && parse_dns_stream(stream, dns, length) == ParseStatus::done) read_dns(dns, facts);
    }
  }
  for (const Packet& packet : packets) {
    if (packet.sighting.protocol == ip_protocol::udp) read_datagram(packet, facts);
  }
  return facts;
}

// --- what Wireshark reads ---

using Row = std::map<std::string, std::string>;

const char* const kFields[] = {"tls.handshake.type",
                               "tls.handshake.random",
                               "tls.handshake.version",
                               "tls.handshake.extensions.supported_version",
                               "tls.handshake.extensions_server_name",
                               "tls.handshake.extensions_alpn_str",
                               "tls.handshake.ciphersuite",
                               "tls.handshake.session_id",
                               "http.request.method",
                               "http.request.uri",
                               "http.host",
                               "http.x_forwarded_for",
                               "http.response.code",
                               "http.response.phrase",
                               "dns.id",
                               "dns.flags",
                               "dns.count.queries",
                               "dns.count.answers",
                               "dns.qry.name",
                               "dns.qry.type",
                               "dhcp.id",
                               "dhcp.hw.mac_addr",
                               "dhcp.ip.your",
                               "dhcp.option.dhcp",
                               "dhcp.option.hostname",
                               "dhcp.option.requested_ip_address",
                               "dhcp.option.dhcp_server_id",
                               "x509ce.dNSName",
                               "tls.handshake.certificate"};

std::vector<Row> wireshark_rows(const std::string& name) {
  std::string command =
      "tshark -n -r '" + captures_directory() + "/" + name +
      "' -Y 'tls.handshake.type in {1,2,11} || http || dns || mdns || llmnr || dhcp' -T fields -E separator=/t -E occurrence=a"
      " -E 'aggregator=;'";
  for (const char* field : kFields) command += std::string(" -e ") + field;
  std::vector<Row> rows;
  std::istringstream lines(run(command).output);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream in(line);
    Row row;
    for (const char* field : kFields) std::getline(in, row[field], '\t');
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string trimmed(const std::string& text) { return text.substr(0, text.find_last_not_of(' ') + 1); }

std::string first_of(const std::string& text) { return text.substr(0, text.find(';')); }
uint32_t number(const std::string& text) { return text.empty() ? 0 : static_cast<uint32_t>(std::stoul(text, nullptr, 0)); }
std::string without(std::string text, char unwanted) {
  std::erase(text, unwanted);
  return text;
}

// What OpenSSL reads in a certificate written in hexadecimal digits.
std::string common_name(const std::string& digits) {
  static std::map<std::string, std::string> known;
  const auto [entry, fresh] = known.try_emplace(digits);
  if (!fresh) return entry->second;
  Bytes der;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    der.push_back(static_cast<uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
  const TemporaryFile file("certificate.der", der);
  const std::string label = "commonName";
  std::istringstream lines(run("openssl x509 -inform DER -noout -subject -nameopt multiline -in " + file.path()).output);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(label) != line.npos) entry->second = line.substr(line.find("= ") + 2);
  }
  return entry->second;
}

uint32_t highest_version(const std::string& offered, uint32_t legacy) {
  uint32_t highest = 0;
  for (const std::string& version : split(offered, ';')) {
    if (!is_tls_grease(static_cast<uint16_t>(number(version))) && number(version) >> 8 != 0x7f)
      highest = std::max(highest, number(version));
  }
  return highest ? highest : legacy;
}

void wireshark_facts(const Row& row, Facts& facts) {
  const auto at = [&](const char* field) { return row.at(field); };
  const std::string type = first_of(at("tls.handshake.type")), versions = at("tls.handshake.extensions.supported_version");
  const std::string random = without(first_of(at("tls.handshake.random")), ':');
  const uint32_t legacy = number(at("tls.handshake.version"));
  if (type == "1" && random.empty()) facts.insert(fact("old client hello", legacy));
  if (type == "1" && !random.empty()) {
    facts.insert(fact("client hello", random, legacy, highest_version(versions, legacy),
                      at("tls.handshake.extensions_server_name"), first_of(at("tls.handshake.extensions_alpn_str")),
                      split(at("tls.handshake.ciphersuite"), ';').size(), without(at("tls.handshake.session_id"), ':')));
  }
  if (type == "2") {
    facts.insert(fact("server hello", random, highest_version(versions, legacy), number(at("tls.handshake.ciphersuite")),
                      at("tls.handshake.extensions_alpn_str")));
  }
  if (!at("tls.handshake.certificate").empty()) {
    const auto names = split(at("x509ce.dNSName"), ';');
    std::string kept;
    for (size_t i = 0; i < std::min(names.size(), kX509DnsNamesMax); ++i) kept += names[i] + ' ';
    facts.insert(fact("certificate", common_name(without(first_of(at("tls.handshake.certificate")), ':')), kept, names.size()));
  }
  if (!at("http.request.method").empty()) {
    facts.insert(fact("request", at("http.request.method"), at("http.request.uri"), at("http.host"),
                      first_of(at("http.x_forwarded_for"))));
  }
  if (!at("http.response.code").empty())
    facts.insert(fact("response", at("http.response.code"), trimmed(at("http.response.phrase"))));
  if (!at("dns.id").empty()) {
    const std::string dns_name = first_of(at("dns.qry.name"));
    facts.insert(fact("dns", number(at("dns.id")), number(at("dns.flags")), number(at("dns.count.queries")),
                      number(at("dns.count.answers")), dns_name == "<Root>" ? "." : dns_name,
                      number(first_of(at("dns.qry.type")))));
  }
  if (!at("dhcp.id").empty()) {
    facts.insert(fact("dhcp", number(at("dhcp.id")), without(first_of(at("dhcp.hw.mac_addr")), ':'), at("dhcp.ip.your"),
                      at("dhcp.option.dhcp"), at("dhcp.option.hostname"), at("dhcp.option.requested_ip_address"),
                      at("dhcp.option.dhcp_server_id")));
  }
}

// Wireshark hands the head of a message to its reader when the whole is there: with a body that the capture does not hold, never.
// And it reads what we do not: inside of TLS and QUIC, and frames of link types that we refuse.
const std::map<std::string, int> kDifferences = {
    {"arkime__no-syn-ack.pcap we alone: response", 1},  // body cut off
    {"arkime__twovlan.pcap we alone: response", 1},
    {"ppa__evilprogram.pcap we alone: response", 1},
    {"ppp__example.pcap we alone: response", 2},
    {"ppp__unidirectional_tcp_stream_with_missing_packet.pcap we alone: request", 1},
    {"pp__DisplayFilters.pcapng we alone: request", 1},  // sent to port 139, where Wireshark looks for NetBIOS
    // SYN-ACKs with several sequence numbers, after which Wireshark takes all that the server says for retransmissions.
    {"ndpi__tls_multiple_synack_different_seq.pcapng we alone: server", 1},
    {"ndpi__tls_multiple_synack_different_seq.pcapng we alone: certificate", 1},
    {"ws__http-ooo.pcap we alone: request", 6},  // segments out of order, which Wireshark by default does not put into order
    // Decrypted with the keys in the file.
    {"ws__challenge01_ooo_stream.pcapng.gz Wireshark alone: request", 12},
    {"ws__challenge01_ooo_stream.pcapng.gz Wireshark alone: response", 1},
    {"ws__challenge01_ooo_stream.pcapng.gz Wireshark alone: server", 1},  // the ALPN of its encrypted extensions
    {"ws__challenge01_ooo_stream.pcapng.gz we alone: server", 1},
    {"zeek__quicv2-http3-443.pcap Wireshark alone: client", 1},
    {"zeek__quicv2-http3-443.pcap Wireshark alone: server", 1},
};

// First words of the facts that both found, and how many.
const std::map<std::string, int> kAlike = {{"certificate", 83}, {"client", 93},   {"dhcp", 26},      {"dns", 261},
                                           {"old", 3},          {"request", 406}, {"response", 401}, {"server", 92}};

std::string kind(const std::string& fact) { return fact.substr(0, fact.find(' ')); }

TEST(FirstBytesCaptures, AreReadAsWiresharkDoes) {
  NEEDS_CAPTURES();
  NEEDS_COMMAND("tshark");
  NEEDS_COMMAND("openssl");
  std::map<std::string, int> alike, differences;
  std::string unlike;
  for (const char* name : kFiles) {
    Facts expected;
    for (const Row& row : wireshark_rows(name)) wireshark_facts(row, expected);
    const auto differs = [&](const char* who, const std::string& line) {
      ++differences[std::string(name) + who + kind(line)];
      unlike += std::string(name) + who + line + '\n';
    };
    for (const std::string& found : ours(name)) {
      const auto same = expected.find(found);
      if (same == expected.end()) {
        differs(" we alone: ", found);
        continue;
      }
      expected.erase(same);
      ++alike[kind(found)];
    }
    for (const std::string& line : expected) differs(" Wireshark alone: ", line);
  }
  EXPECT_EQ(differences, kDifferences) << unlike;
  EXPECT_EQ(alike, kAlike);
}

}  // namespace
}  // namespace parallax
