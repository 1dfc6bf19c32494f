// The fuzz targets with a seeded mutator, a bounded number of runs in every build. PARALLAX_FUZZ_SEED repeats a run (the seed is
// printed), PARALLAX_FUZZ_RUNS lengthens it, PARALLAX_FUZZ_CORPUS names a folder for the well-formed inputs it starts from.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "parallax/v1/sensor.pb.h"
#include "tests/fuzz/targets.h"
#include "tests/support/capture_bytes.h"
#include "tests/support/message_bytes.h"
#include "tests/support/tunnel_wire.h"

namespace parallax {

using namespace test;

namespace {

using Bytes = std::vector<uint8_t>;

uint64_t number(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::vector<Bytes> access_logs() {
  const std::string_view logs[] = {
      R"(10.0.0.1 - - [29/Feb/2024:12:34:56 +0000] "GET /a\x22 HTTP/1.1" 200 10 "-" "lab" "203.0.113.9, 198.51.100.7")"
      "\n"
      R"(example.com:80 ::1 - - [29/Feb/2024:12:34:56 -0130] "-" 400 -)",
      R"(Feb 29 12:34:57 lb haproxy[1]: ::ffff:198.51.100.7:3 [29/Feb/2024:12:34:56.655] f~ b/s 1/0/3/6/+9 200 +27 - - ---- 1/1/1/1/0 0/0 {h|203.0.113.9} {} "GET /#22 HTTP/1.1")",
      "#Date: 2024-02-29\n#Fields: date time c-ip cs-method cs-uri-stem cs-uri-query sc-status time-taken X-Forwarded-For\n"
      "2024-02-29 12:34:56.5 10.0.0.1 GET /a b=1 200 250 203.0.113.9:1,+[2001:db8::1]:2",
  };
  std::vector<Bytes> bytes;
  for (const std::string_view log : logs) bytes.emplace_back(log.begin(), log.end());
  return bytes;
}

std::vector<Bytes> frames() {
  const Wire syn = tcp(2, Wire{2, 4, 5, 0xb4, 4, 2, 8, 10} + be32(1) + be32(0) + Wire{1, 3, 3, 9});
  const Wire timestamps = tcp(16, Wire{1, 1, 8, 10} + be32(1) + be32(2)) + zeros(20);
  const Wire sack = tcp(16, Wire{1, 1, 5, 18} + be32(1) + be32(2) + be32(3) + be32(4));
  const Wire four = ipv4({.payload = 32}) + tcp(16, zeros(12));
  const Wire six =
      ipv6(0, 60) + extension(43) + extension(44) + fragment_header(60, 0, true, 5) + extension(6) + tcp(16) + zeros(8);
  const Wire cooked = be16(0) + be16(1) + be16(6) + zeros(8) + be16(0x0800);
  const Wire with_link_type[] = {
      Wire{0, 0} + ipv4_frame(6, syn),
      Wire{0, 0} + ipv4_frame(6, timestamps),
      Wire{0, 9} + ipv4_frame(6, sack),
      Wire{0, 0} + ethernet(0x88a8) + vlan_tag(7, 0x8100) + vlan_tag(8, 0x86dd) + six,
      Wire{0, 0} + ethernet(0x0028) + Wire{0xaa, 0xaa, 3, 0, 0, 0, 8, 0} + four,
      Wire{0, 0} + ipv4_frame(17, udp(5) + zeros(5)),
      Wire{0, 0} + ipv4_frame(1, icmp(3, 4, 1400) + four),
      Wire{0, 0} + ipv6_frame(58, icmp(2, 0, 1280) + six),
      Wire{0, 0} + ethernet(0x0806) + arp_request(),
      Wire{0, 0} + ethernet(0x0800) + ipv4({.protocol = 17, .payload = 24, .fragment = 0x2000}) + udp(8000) + zeros(16),
      Wire{0, 0} + ethernet(0x0800) + ipv4({.protocol = 17, .payload = 24, .fragment = 3}) + zeros(24),
      Wire{1, 0} + four,
      Wire{1, 0} + six,
      Wire{2, 0} + Wire{2, 0, 0, 0} + four,
      Wire{3, 0} + be32(24) + six,
      Wire{4, 0} + cooked + four,
      Wire{5, 0} + be16(0x86dd) + zeros(18) + six,
      Wire{6, 0} + four,
      Wire{7, 0} + six,
      Wire{0, 0} + ethernet(0x8847) + mpls_label(16, true) + be32(0) + ethernet(0x0800) + four,
      Wire{0, 0} + ethernet(0x8864) + pppoe(1, 2 + four.size()) + ppp(0x0021) + four,
      Wire{0, 0} + ipv4_frame(47, gre(0x2000, 0x6558, be32(7)) + ethernet(0x0800) + four),
      Wire{0, 0} + udp_frame(4789, 4789, vxlan(42) + ethernet(0x0800) + four),
      Wire{1, 0} + ipv6(41, static_cast<uint32_t>(six.size())) + six,
      Wire{4, 0} + be16(0) + be16(1) + be16(6) + zeros(8) + be16(0x8864) + pppoe(1, 2 + four.size()) + ppp(0x0021) + four,
  };
  return {std::begin(with_link_type), std::end(with_link_type)};
}

// What each kind of tunnel may enclose, right and wrong for it; and what stands for a tunnel's own header.
std::vector<Bytes> insides() {
  const Wire four = ipv4({.payload = 40}) + tcp(16, zeros(12)) + zeros(8), six = ipv6(6, 20) + tcp(16);
  const Wire frame = ethernet(0x0800) + four, in_ppp = ppp(0x0021) + four;
  const Wire enclosed[] = {four,
                           six,
                           frame,
                           be32(0) + frame,
                           in_ppp,
                           ppp(0x0057) + six,
                           ethernet(0x8864) + pppoe(1, in_ppp.size()) + in_ppp,
                           ethernet(0x8847) + mpls_label(16, true) + four,
                           mpls_label(16, false) + mpls_label(17, true) + frame,
                           gre(0x2000, 0x6558, be32(7)) + frame,
                           gre(0, 0x86dd) + six,
                           vxlan(5) + frame,
                           geneve(5, 0x0800, zeros(4)) + four,
                           gtp(5, four.size(), 0x34, zeros(3) + Wire{0x85, 1, 0, 0, 0}) + four,
                           l2tp(0x4002, be16(8) + be16(1) + be16(2)) + in_ppp,
                           Wire{0, 1, 2, 2} + zeros(13) + six};
  std::vector<Bytes> all;
  for (uint8_t kind = 0; kind < kTunnelKinds; ++kind) {
    for (const Wire& inside : enclosed) all.push_back(Wire{kind, static_cast<uint8_t>(all.size() % 64), 5} + inside);
  }
  return all;
}

std::vector<Bytes> files() {
  std::vector<Bytes> all;
  const Wire frame = ipv4_frame(6, tcp(2));
  for (const bool big_endian : {false, true}) {
    const CaptureBytes empty(big_endian);
    for (const uint32_t magic : {0xa1b2c3d4u, 0xa1b23c4du}) {
      all.push_back(CaptureBytes(empty).pcap_header(magic).pcap_packet(1, 2, frame, 60).pcap_packet(2, 3, frame, 54).bytes());
    }
    CaptureBytes offset = empty;
    offset.u64(5);
    CaptureBytes options = empty;
    options.option(2, {'e', 't', 'h', '0'}).option(9, {9}).option(14, offset.bytes()).option(0, {});
    CaptureBytes power_of_two = empty;
    power_of_two.option(9, {0x80 | 20});
    CaptureBytes next = empty;
    next.section().interface(1, 96, options).interface(101, 0, power_of_two).enhanced(0, 1, frame, 60).simple(frame, 54);
    next.old_packet(1, 2, frame, 54).block(5, CaptureBytes(big_endian).u32(0)).section().interface().enhanced(0, 3, frame, 54);
    all.push_back(next.bytes());
  }
  return all;
}

std::vector<Bytes> tcp_options() {
  return {
      Wire{0, 2, 4, 5, 0xb4, 4, 2, 8, 10} + be32(1) + be32(0) + Wire{1, 3, 3, 9},
      Wire{0, 1, 1, 8, 10} + be32(1) + be32(2) + Wire{1, 1, 5, 18} + be32(1) + be32(2) + be32(3) + be32(4),
      Wire{9, 34, 10} + zeros(8) + Wire{254, 4, 0xf9, 0x89, 0},
      Wire{0, 1, 1, 5, 34} + zeros(32),
      Wire{0, 30, 12} + zeros(10) + Wire{2, 3, 1},
  };
}

std::vector<Bytes> tls() {
  const Wire hello =
      tls_client_hello(tls_extension(0x2a2a, {}) + tls_server_name("a.example") + tls_alpn({"\x1a\x1a", "h2", "http/1.1"}) +
                       tls_versions_offered({0x3a3a, 0x0304, 0x7f1c, 0x0303}));
  const Wire subject = der_name_part(10, 0x0c, "Ltd") + der_name_part(3, 0x0c, "a.example");
  const Wire leaf = x509_certificate(subject, x509_basic_constraints() + der_dns_names({"a.example", "b.example"}));
  const Wire retry = tls_record(22, tls_server_hello(tls_version_chosen(0x0304), 0x0303, tls_retry_random()));
  const Wire server = tls_server_hello(tls_alpn({"h2"}));
  const Wire old_hello = Wire{1} + be16(0x0301) + be16(6) + be16(0) + be16(16) + zeros(22);
  return {
      tls_record(22, hello),
      tls_record(22, first(hello, 50)) + tls_record(22, first(after(hello, 50), 30)) + tls_record(22, after(hello, 80)),
      Wire{0x80, static_cast<uint8_t>(old_hello.size())} + old_hello,
      tls_record(22, server) + tls_record(22, tls_certificate(leaf)) + tls_record(22, tls_handshake(14, {})),
      tls_record(22, server + tls_certificate(leaf)),
      tls_record(21, {1, 112}) + tls_record(22, tls_server_hello({}, 0x0301)) + tls_record(20, {1}),
      retry + tls_record(20, {1}) + tls_record(22, tls_server_hello(tls_version_chosen(0x0304))) + tls_record(23, zeros(20)),
      tls_record(21, {2, 40}),
      tls_record(21, zeros(26)),
      leaf,
      x509_certificate(subject, {}),
  };
}

std::vector<Bytes> http() {
  return {
      text("GET /a?b HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 192.0.2.7, 10.0.0.1\r\nX-Forwarded-For: [2001:db8::7]:80\r\n"
           "Forwarded: proto=http;for=\"[2001:db8::7]:4711\", for=10.0.0.1\r\n\r\n"),
      text("\r\nPROPFIND /a b HTTP/1.0\nContent-Length: 12\nTransfer-Encoding: gzip, chunked\n folded\n\nhello, world"),
      text("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
      text("HTTP/1.0 200\n\n"),
      text("by=\"a,\\\"\";for=_hidden, for=\"192.0.2.43:_port\""),
      text("[2001:db8::7]:80, unknown"),
  };
}

std::vector<Bytes> proxy() {
  const Wire tlvs = proxy_tlv(1, text("h2")) + proxy_tlv(2, text("a.example")) + proxy_tlv(5, text("id")) +
                    proxy_tlv(0x20, Wire{1, 0, 0, 0, 0});
  return {
      text("PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\nGET /"),
      text("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"),
      text("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"),
      proxy_v2(1, 0x11, proxy_inet() + tlvs),
      proxy_v2(1, 0x22, zeros(36)),
      proxy_v2(1, 0x31, zeros(216) + tlvs),
      proxy_v2(0, 0, zeros(3)),
  };
}

std::vector<Bytes> named() {
  const Wire tower = Wire{1, 0, 7, 2, 0, 0xa1, 0xa0} + Wire{1, 0, 9, 4, 0, 10, 11, 2, 7};
  return {text("227 Entering Passive Mode (10,11,2,7,161,160).\r\n"), text("227 =10,0,0,1,4,1\n"),
          Wire{5, 0, 2, 3, 0x10, 0, 0, 0, 56, 0} + zeros(30) + tower};
}

std::vector<Bytes> dns() {
  const Wire question = dns_header(0x1234, 0x0100, 1, 0) + dns_name({"www", "example", "com"}) + be16(28) + be16(1);
  return {question, counted16(question),
          dns_header(0, 0x8400, 0, 3) + dns_name({"_http", "_tcp", "local"}) + be16(12) + be16(0x8001)};
}

std::vector<Bytes> dhcp_messages() {
  const Wire options = dhcp_option(53, {3}) + Wire{0} + dhcp_option(50, {192, 0, 2, 50}) + dhcp_option(54, {192, 0, 2, 1}) +
                       dhcp_option(12, text("printer"));
  return {dhcp(1, options + Wire{255}), dhcp(2, options), Wire{1, 0xab, 0xcd, 0xef, 0, 1}, Wire{12, 0} + zeros(32)};
}

std::vector<Bytes> quic_packets() {
  const Wire ids = Wire{8, 1, 2, 3, 4, 5, 6, 7, 8} + Wire{4, 9, 10, 11, 12};
  return {Wire{0xc3} + be32(1) + ids + zeros(8), Wire{0xd0} + be32(0x6b3343cf) + ids, Wire{0x80} + be32(0) + ids + be32(1),
          Wire{0x41} + zeros(24)};
}

std::vector<Bytes> configurations() {
  std::vector<Bytes> bytes;
  for (const char* name : {"parallax.yaml", "starting.yaml"}) {
    std::ifstream in(std::string(PARALLAX_SOURCE_DIR) + "/config/" + name, std::ios::binary);
    bytes.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  const std::string_view texts[] = {"path: [a]\nports:\n  - { name: p, point: a, source: \"file:x.pcap\" }\n",
                                    "x: &x { name: p, point: a }\npath: [a, b]\nports:\n  - <<: *x\n    source: pcap:lo\n    "
                                    "direction: both\nworkers: { count: 2, cores: [0, 1] }\n"
                                    "spool: { directory: /tmp, size: 1.5GiB, max_age_seconds: 7d, pinned: { size: 1GiB, rules: "
                                    "[{ kinds: [fan_out], service: \":443\" }] } }\n",
                                    "filter: { analysis: tcp port 443 or vlan }\ndetectors: { off: [arp_burst], severities: [{ "
                                    "kind: slow_server, severity: info }] }\n"};
  for (const std::string_view text : texts) bytes.emplace_back(text.begin(), text.end());
  return bytes;
}

std::vector<Bytes> expressions() {
  std::vector<Bytes> bytes;
  for (const char* expression :
       {"tcp port 443 or vlan", "host 192.0.2.11 and not (net 10.0.0.0/8 or ip6 net 2001:db8::/32)", "less 700",
        "mpls 5 && udp portrange 1-99", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "ether host 02:00:00:00:00:01", "ip proto 50",
        "geneve or pppoes and icmp", "ip[2:2] > 576 >> 1"}) {
    bytes.push_back(Wire{60} + ipv4_frame(6, tcp(2)) + zeros(6) + text(expression));
  }
  return bytes;
}

std::vector<Bytes> record_filters() {
  v1::RecordFilter ends, service;
  ends.set_client("192.0.2.0/24");
  ends.set_host("2001:db8::1");
  ends.set_port(443);
  service.set_service("203.0.113.80:80");
  service.mutable_from()->set_seconds(1'700'000'000);
  service.mutable_to()->set_nanos(5);
  std::vector<Bytes> bytes;
  for (const v1::RecordFilter& filter : {ends, service}) {
    const std::string wire = filter.SerializeAsString();
    bytes.emplace_back(wire.begin(), wire.end());
  }
  return bytes;
}

// What long runs of libFuzzer found worth keeping: tests/fuzz/seeds.
std::vector<Bytes> with_kept(const char* name, std::vector<Bytes> seeds) {
  std::vector<std::filesystem::path> paths;
  std::error_code none;  // there need not be any
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(PARALLAX_SOURCE_DIR) + "/tests/fuzz/seeds/" + name, none)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());  // a seed of the mutator means the same everywhere
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return seeds;
}

// Small changes as they do harm: bits, interesting numbers, pieces cut out, doubled, taken from another input.
class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  Bytes mutated(const std::vector<Bytes>& corpus) {
    Bytes bytes = corpus[below(corpus.size())];
    for (size_t changes = 1 + below(6); changes > 0; --changes) change(bytes, corpus[below(corpus.size())]);
    return bytes;
  }

 private:
  size_t below(size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  void change(Bytes& bytes, const Bytes& other) {
    constexpr uint8_t kInteresting[] = {0, 1, 4, 5, 6, 8, 12, 16, 20, 34, 40, 0x45, 0x4f, 0x7f, 0x80, 0xff};
    if (bytes.empty()) return;
    const size_t at = below(bytes.size()), length = 1 + below(16);
    const auto from = bytes.begin() + static_cast<ptrdiff_t>(at);
    switch (below(7)) {
      case 0:
        bytes[at] ^= static_cast<uint8_t>(1 << below(8));
        break;
      case 1:
        bytes[at] = static_cast<uint8_t>(random_());
        break;
      case 2:
        bytes[at] = kInteresting[below(std::size(kInteresting))];
        break;
      case 3:
        bytes.resize(at);
        break;
      case 4:
        bytes.erase(from, from + static_cast<ptrdiff_t>(std::min(length, bytes.size() - at)));
        break;
      case 5: {
        const Bytes piece(from, from + static_cast<ptrdiff_t>(std::min(length, bytes.size() - at)));
        bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(at), piece.begin(), piece.end());
        break;
      }
      default: {
        const size_t start = below(other.size());
        const size_t count = std::min({length * 4, other.size() - start, bytes.size() - at});
        std::copy_n(other.begin() + static_cast<ptrdiff_t>(start), count, from);
      }
    }
  }

  std::mt19937_64 random_;
};

void run(const char* name, const std::vector<Bytes>& corpus, void (*target)(const uint8_t*, size_t), uint64_t runs) {
  if (const char* folder = std::getenv("PARALLAX_FUZZ_CORPUS")) {
    for (size_t i = 0; i < corpus.size(); ++i) {
      std::ofstream(std::string(folder) + "/" + name + "_" + std::to_string(i), std::ios::binary)
          .write(reinterpret_cast<const char*>(corpus[i].data()), static_cast<std::streamsize>(corpus[i].size()));
    }
  }
  for (const Bytes& bytes : corpus) target(bytes.data(), bytes.size());
  const uint64_t seed = number("PARALLAX_FUZZ_SEED", 20261121);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  Mutator mutator(seed);
  for (uint64_t i = 0; i < number("PARALLAX_FUZZ_RUNS", runs); ++i) {
    const Bytes bytes = mutator.mutated(corpus);
    target(bytes.data(), bytes.size());
  }
}

}  // namespace

TEST(Fuzz, NoFrameHarmsTheDecoder) { run("decode", with_kept("decode", frames()), fuzz::decode_frame, 200'000); }

TEST(Fuzz, NothingInATunnelHarmsTheDecoder) { run("tunnels", with_kept("tunnels", insides()), fuzz::decode_tunnelled, 200'000); }

TEST(Fuzz, NoFileHarmsTheReader) { run("capture_file", files(), fuzz::read_capture_file, 5'000); }

TEST(Fuzz, NoTcpOptionHarmsItsReader) {
  run("tcp_options", with_kept("tcp_options", tcp_options()), fuzz::read_tcp_options, 50'000);
}

TEST(Fuzz, AccessLogReaderSurvivesArbitraryLines) {
  run("access_log", with_kept("access_log", access_logs()), fuzz::read_access_log, 20'000);
}

TEST(Fuzz, NoConfigurationHarmsTheLoader) { run("configuration", configurations(), fuzz::load_configuration, 2'000); }

TEST(Fuzz, NoExpressionHarmsTheFilter) { run("filter", expressions(), fuzz::compile_filter, 500); }

TEST(Fuzz, NoRequestHarmsTheFilterOfRecords) { run("record_filter", record_filters(), fuzz::read_record_filter, 50'000); }

TEST(Fuzz, TlsParserSurvivesArbitraryBytes) { run("tls", with_kept("tls", tls()), fuzz::parse_tls, 10'000); }

TEST(Fuzz, HttpParserSurvivesArbitraryBytes) { run("http", with_kept("http", http()), fuzz::parse_http, 20'000); }

TEST(Fuzz, ProxyHeaderParserSurvivesArbitraryBytes) { run("proxy", with_kept("proxy", proxy()), fuzz::parse_proxy, 30'000); }

TEST(Fuzz, NamedAddressParsersSurviveArbitraryBytes) { run("named", with_kept("named", named()), fuzz::parse_named, 30'000); }

TEST(Fuzz, NoMessageHarmsTheParserOfDns) { run("dns", with_kept("dns", dns()), fuzz::parse_dns, 20'000); }

TEST(Fuzz, NoMessageHarmsTheParserOfDhcp) { run("dhcp", with_kept("dhcp", dhcp_messages()), fuzz::parse_dhcp, 20'000); }

TEST(Fuzz, QuicPacketParserSurvivesArbitraryBytes) { run("quic", with_kept("quic", quic_packets()), fuzz::parse_quic, 20'000); }

}  // namespace parallax
