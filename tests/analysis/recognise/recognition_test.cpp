// From packets to what their messages say, through the whole pipeline: in several segments, in any order, twice, cut, hostile.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "analysis/leg/leg.h"
#include "analysis/recognise/protocol_parser.h"
#include "tests/support/message_bytes.h"
#include "tests/support/pipeline.h"
#include "tests/support/random.h"

namespace parallax {
namespace {

using namespace test;
using testing::Contains;
using testing::ElementsAre;
using testing::StartsWith;

// One TCP connection at one point (or at two, with a NAT between), spoken segment by segment.
class Talk {
 public:
  explicit Talk(bool two_points = false, uint16_t server_port = 443) : two_points_(two_points), server_port_(server_port) {}

  Talk& open() {
    segment(Side::client, 0, {}, tcp_flag::syn);
    segment(Side::server, 0, {}, tcp_flag::syn | tcp_flag::ack);
    sent_ = {1, 1};
    return segment(Side::client, 1, {}, tcp_flag::ack);
  }
  Talk& close() {
    segment(Side::client, sent_[Side::client], {}, tcp_flag::fin | tcp_flag::ack);
    return segment(Side::server, sent_[Side::server], {}, tcp_flag::fin | tcp_flag::ack);
  }
  // The next bytes of a side's stream, in order.
  Talk& say(Side from, const Wire& bytes) { return segment(from, sent_[from], bytes, tcp_flag::ack | tcp_flag::psh); }
  Talk& say(Side from, std::string_view bytes) { return say(from, text(bytes)); }
  // Bytes of a side's stream at an offset from its first.
  Talk& say_at(Side from, uint32_t offset, const Wire& bytes) { return segment(from, 1 + offset, bytes, tcp_flag::ack); }

  PipelineInput input() const {
    PipelineInput input;
    input.options.path = two_points_ ? std::vector<std::string>{"outside", "inside"} : std::vector<std::string>{"here"};
    input.options.offline = true;
    input.options.legs = 1024;  // tables are not what is tested, and under a sanitizer they are dear
    for (PointIndex point = 0; point < input.options.path.size(); ++point)
      input.ports.push_back({{.name = "p" + std::to_string(point), .point = point, .source = {}}, frames_[point], {}});
    return input;
  }
  // The one connection; the same with any number of workers.
  ConnectionRecord connection() const {
    const PipelineInput all = input();
    const PipelineOutput one = run(all, 1);
    for (const size_t workers : {2, 4}) EXPECT_EQ(run(all, workers).text(all.options.path), one.text(all.options.path));
    EXPECT_TRUE(one.finished);
    EXPECT_EQ(one.connections.size(), 1u);
    bounds_ = one.summary.bounds_hit;
    return one.connections.empty() ? ConnectionRecord{} : one.connections.front();
  }
  const std::vector<std::string>& bounds() const { return bounds_; }

 private:
  Talk& segment(Side from, uint32_t seq, const Wire& bytes, uint8_t flags) {
    time_ns_ += 1'000'000;
    for (size_t point = 0; point < (two_points_ ? 2 : 1); ++point) {
      const Address client = address(point == 0 ? "192.0.2.1" : "10.0.0.1"), server = address("198.51.100.9");
      const auto client_port = static_cast<uint16_t>(point == 0 ? 40000 : 50000);
      Ip ip{.source = from == Side::client ? client : server, .destination = from == Side::client ? server : client};
      ip.ttl = static_cast<uint8_t>(from == Side::client ? 64 - point : 63 + point);
      Tcp tcp;
      tcp.source_port = from == Side::client ? client_port : server_port_;
      tcp.destination_port = from == Side::client ? server_port_ : client_port;
      tcp.seq = kIsn[from] + seq;
      tcp.ack = (flags & tcp_flag::ack) ? kIsn[opposite(from)] + sent_[opposite(from)] : 0;
      tcp.flags = flags;
      const bool later = (from == Side::client) == (point == 1);
      frames_[point].push_back({time_ns_ + (later ? 100'000 : 0), 0, tcp_frame(ip, tcp, bytes)});
    }
    sent_[from] = std::max(sent_[from], seq + static_cast<uint32_t>(bytes.size()));
    return *this;
  }

  static constexpr PerSide<uint32_t> kIsn{0xffffff00, 7'000'000};
  const bool two_points_;
  const uint16_t server_port_;
  int64_t time_ns_ = 1'700'000'000'000'000'000;
  PerSide<uint32_t> sent_{};
  std::array<std::vector<TimedFrame>, 2> frames_;  // by point
  mutable std::vector<std::string> bounds_;
};

Wire hello_of(size_t padding = 0) {
  return tls_record(22, tls_client_hello(tls_server_name("www.example.com") + tls_extension(21, zeros(padding)) +
                                         tls_alpn({"h2", "http/1.1"}) + tls_versions_offered({0x0304, 0x0303})));
}
Wire flight_of(std::initializer_list<std::string_view> names) {
  const Wire leaf = x509_certificate(der_name_part(3, 0x0c, "leaf.example"), der_dns_names(names));
  return tls_record(22, tls_server_hello(tls_alpn({"h2"}))) + tls_record(22, tls_certificate(leaf)) +
         tls_record(22, tls_handshake(14, {}));
}

TEST(Recognition, TlsNamesReachTheLeg) {
  const ConnectionRecord c =
      Talk().open().say(Side::client, hello_of()).say(Side::server, flight_of({"a.example", "b.example"})).close().connection();
  ASSERT_EQ(c.legs.size(), 1u);
  ASSERT_TRUE(c.legs[0].tls);
  EXPECT_EQ(c.legs[0].tls->sni, "www.example.com");
  EXPECT_EQ(c.legs[0].tls->alpn, "h2");
  EXPECT_EQ(c.legs[0].tls->version, "TLS 1.2");
  EXPECT_THAT(c.legs[0].tls->server_names, ElementsAre("a.example", "b.example"));
  EXPECT_EQ(c.legs[0].tls->alert, "");
}

TEST(Recognition, AHelloInManySegmentsInAnyOrderAndTwice) {
  const Wire hello = hello_of(2500);
  const auto part = [&](uint32_t from, uint32_t length) {
    return first(after(hello, from), std::min<size_t>(length, hello.size() - from));
  };
  for (const std::vector<uint32_t>& order :
       {std::vector<uint32_t>{0, 1, 2}, {0, 2, 1}, {2, 1, 0}, {1, 0, 2}, {2, 2, 0, 0, 1, 1}, {0, 0, 1, 0, 2, 1, 2}}) {
    Talk talk;
    talk.open();
    for (const uint32_t i : order) talk.say_at(Side::client, i * 1000, part(i * 1000, 1000));
    const ConnectionRecord c = talk.close().connection();
    ASSERT_TRUE(c.legs[0].tls) << testing::PrintToString(order);
    EXPECT_EQ(c.legs[0].tls->sni, "www.example.com");
    EXPECT_EQ(c.legs[0].tls->alpn, "h2") << testing::PrintToString(order);
    EXPECT_EQ(c.legs[0].tls->version, "") << "no server has chosen one";
  }
}

TEST(Recognition, AServersFlightInManySegments) {
  const Wire flight = flight_of({"a.example"});
  Talk talk;
  talk.open().say(Side::client, hello_of());
  for (size_t at = 0; at < flight.size(); at += 100)
    talk.say(Side::server, first(after(flight, at), std::min<size_t>(100, flight.size() - at)));
  const ConnectionRecord c = talk.close().connection();
  ASSERT_TRUE(c.legs[0].tls);
  EXPECT_EQ(c.legs[0].tls->version, "TLS 1.2");
  EXPECT_THAT(c.legs[0].tls->server_names, ElementsAre("a.example"));
}

TEST(Recognition, WhatWasNeverCompletedIsToldAtTheEnd) {
  const Wire flight = flight_of({"a.example"});
  const ConnectionRecord c =
      Talk().open().say(Side::client, first(hello_of(2000), 1000)).say(Side::server, first(flight, 150)).close().connection();
  ASSERT_TRUE(c.legs[0].tls);
  EXPECT_EQ(c.legs[0].tls->sni, "www.example.com");
  EXPECT_EQ(c.legs[0].tls->version, "TLS 1.2");
  EXPECT_TRUE(c.legs[0].tls->server_names.empty());
}

TEST(Recognition, AnAlertInTheClearIsTold) {
  const ConnectionRecord c =
      Talk().open().say(Side::client, hello_of()).say(Side::server, tls_record(21, {2, 40})).close().connection();
  ASSERT_TRUE(c.legs[0].tls);
  EXPECT_EQ(c.legs[0].tls->alert, "handshake_failure");
}

TEST(Recognition, HandshakesOfASecretConversationAreNoHellos) {
  Talk talk;
  talk.open().say(Side::client, hello_of()).say(Side::server, flight_of({"a.example"}));
  talk.say(Side::client, tls_record(20, {1}) + tls_record(22, tls_client_hello(tls_server_name("secret.example"))));
  talk.say(Side::client, tls_record(22, tls_client_hello(tls_server_name("other.example"))));
  const ConnectionRecord c = talk.say(Side::server, flight_of({"secret.example"})).connection();
  EXPECT_EQ(c.legs[0].tls->sni, "www.example.com");
  EXPECT_THAT(c.legs[0].tls->server_names, ElementsAre("a.example"));
}

TEST(Recognition, RequestsMeetTheirAnswers) {
  Talk talk(true, 80);
  talk.open().say(Side::client, "GET /one HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 192.0.2.77\r\n\r\n");
  talk.say(Side::server, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
  talk.say(Side::client, "POST /two HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  talk.say(Side::server, "HTTP/1.1 100 Continue\r\n\r\n");
  talk.say(Side::client, "GET /");  // the body, which is none of ours
  talk.say(Side::server, "HTTP/1.1 404 Not Found\r\n\r\n");
  // Two that do not wait, one that is not answered.
  talk.say(Side::client, "GET /three HTTP/1.1\r\n\r\nHEAD /four HTTP/1.1\r\nForwarded: for=192.0.2.78\r\n\r\n");
  talk.say(Side::server, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
  talk.say(Side::client, "DELETE /five HTTP/1.1\r\nX-Real-IP: 192.0.2.79\r\n\r\n");
  const ConnectionRecord c = talk.close().connection();
  ASSERT_EQ(c.legs.size(), 2u);
  std::vector<std::string> requests;
  for (const HttpRequestRecord& r : c.http_requests)
    requests.push_back(fmt::format("{} {} {} {}", r.method, r.target, r.status, r.forwarded_for));
  EXPECT_THAT(requests, ElementsAre("GET /one 200 192.0.2.77", "POST /two 404 ", "GET /three 304 ",
                                    "HEAD /four 204 for=192.0.2.78", "DELETE /five 0 192.0.2.79"));
  EXPECT_EQ(c.http_requests.front().host, "a.example");
}

TEST(Recognition, ALongHeadMayComeInAnyOrderAndTwice) {
  const Wire head = text("GET /long HTTP/1.1\r\nCookie: " + std::string(3000, 'c') + "\r\nHost: long.example\r\n\r\n");
  Talk talk(false, 80);
  talk.open().say_at(Side::client, 0, first(head, 1400)).say_at(Side::client, 2800, after(head, 2800));
  talk.say_at(Side::client, 1400, first(after(head, 1400), 1400))
      .say_at(Side::client, 0, first(head, 1400))
      .say_at(Side::client, 2800, after(head, 2800));
  talk.say_at(Side::client, static_cast<uint32_t>(head.size()), text("GET /next HTTP/1.1\r\n\r\n"));
  const ConnectionRecord c = talk.close().connection();
  ASSERT_EQ(c.http_requests.size(), 2u);
  EXPECT_EQ(c.http_requests[0].host, "long.example");
  EXPECT_EQ(c.http_requests[1].target, "/next");
}

TEST(Recognition, AfterAGapTheNextRequestIsReadAgain) {
  Talk talk(false, 80);
  talk.open().say_at(Side::client, 0, text("GET /lost HTTP/1.1\r\nCookie: " + std::string(500, 'c')));
  talk.say_at(Side::client, 3000, text("GET /found HTTP/1.1\r\n\r\n"));
  const ConnectionRecord c = talk.close().connection();
  ASSERT_EQ(c.http_requests.size(), 2u);
  EXPECT_EQ(c.http_requests[0].target, "/lost");
  EXPECT_EQ(c.http_requests[1].target, "/found");
}

TEST(Recognition, AnAnswerAloneIsKept) {
  Talk talk(false, 80);
  const ConnectionRecord c = talk.open().say(Side::server, "HTTP/1.0 500 No\r\n\r\n").close().connection();
  ASSERT_EQ(c.http_requests.size(), 1u);
  EXPECT_EQ(c.http_requests[0].method, "");
  EXPECT_EQ(c.http_requests[0].status, 500);
}

TEST(Recognition, AProxyHeaderAndWhatFollowsIt) {
  const Wire v2 = proxy_v2(1, 0x11, proxy_inet());
  for (const bool in_one : {true, false}) {
    Talk talk;
    talk.open();
    in_one ? talk.say(Side::client, v2 + hello_of()) : talk.say(Side::client, v2).say(Side::client, hello_of());
    const ConnectionRecord c = talk.close().connection();
    ASSERT_TRUE(c.legs[0].proxied);
    EXPECT_EQ(to_string(c.legs[0].proxied->client), "192.0.2.1:40000");
    EXPECT_EQ(to_string(c.legs[0].proxied->server), "198.51.100.2:443");
    ASSERT_TRUE(c.legs[0].tls);
    EXPECT_EQ(c.legs[0].tls->sni, "www.example.com");
  }
  Talk talk(false, 80);
  talk.open().say(Side::client, "PROXY TCP6 2001:db8::1 2001:db8::2 1000 80\r\nGET / HTTP/1.1\r\nHost: behind\r\n\r\n");
  const ConnectionRecord c = talk.close().connection();
  ASSERT_TRUE(c.legs[0].proxied);
  EXPECT_EQ(to_string(c.legs[0].proxied->client), "[2001:db8::1]:1000");
  ASSERT_EQ(c.http_requests.size(), 1u);
  EXPECT_EQ(c.http_requests[0].host, "behind");
}

TEST(Recognition, DnsOverTcpInSeveralSegments) {
  const Wire name = dns_name({"www", "example", "com"});
  const Wire query = dns_header(7, 0x0100, 1, 0) + name + be16(28) + be16(1),
             answer = dns_header(7, 0x8183, 1, 0) + name + be16(28) + be16(1);
  Talk talk(false, 53);
  talk.open()
      .say(Side::client, be16(static_cast<uint32_t>(query.size())))
      .say(Side::client, first(query, 20))
      .say(Side::client, after(query, 20));
  talk.say(Side::server, counted16(answer));
  const ConnectionRecord c = talk.close().connection();
  ASSERT_EQ(c.dns.size(), 1u);
  EXPECT_EQ(c.dns[0].name, "www.example.com");
  EXPECT_EQ(c.dns[0].type, "AAAA");
  EXPECT_EQ(c.dns[0].rcode, "NXDOMAIN");
  EXPECT_EQ(c.dns[0].id, 7);
}

PipelineOutput datagrams(uint16_t client_port, uint16_t server_port, const std::vector<std::pair<Side, Wire>>& messages) {
  PipelineInput input;
  input.options.path = {"here"};
  input.options.offline = true;
  input.ports.push_back({{.name = "p", .point = 0, .source = {}}, {}, {}});
  int64_t time_ns = 1'700'000'000'000'000'000;
  for (const auto& [from, bytes] : messages) {
    const Address client = address("192.0.2.1"), server = address("198.51.100.9");
    const bool asks = from == Side::client;
    const Ip ip{.source = asks ? client : server, .destination = asks ? server : client};
    const Udp udp{.source_port = asks ? client_port : server_port, .destination_port = asks ? server_port : client_port};
    input.ports[0].frames.push_back({time_ns += 1'000'000, 0, udp_frame(ip, udp, bytes)});
  }
  return run(input, 1);
}

TEST(Recognition, DnsOverUdpIsAskedAndAnswered) {
  const Wire name = dns_name({"host", "example"});
  const Wire question = name + be16(1) + be16(1);
  const PipelineOutput output = datagrams(40000, 53,
                                          {{Side::client, dns_header(1, 0x0100, 1, 0) + question},
                                           {Side::client, dns_header(2, 0x0100, 1, 0) + name + be16(28) + be16(1)},
                                           {Side::server, dns_header(1, 0x8180, 1, 1) + question + zeros(300)},
                                           {Side::client, dns_header(1, 0x0100, 1, 0) + question}});
  ASSERT_EQ(output.connections.size(), 1u);
  const std::vector<DnsRecord>& dns = output.connections[0].dns;
  ASSERT_EQ(dns.size(), 2u);
  EXPECT_EQ(dns[0].name, "host.example");
  EXPECT_EQ(dns[0].rcode, "NOERROR");
  EXPECT_EQ(dns[1].type, "AAAA");
  EXPECT_EQ(dns[1].rcode, "");
}

TEST(Recognition, DhcpIsAskedAndAnswered) {
  const PipelineOutput output =
      datagrams(68, 67,
                {{Side::client, dhcp(1, dhcp_option(53, {1}) + dhcp_option(12, text("printer")) + Wire{255})},
                 {Side::server, dhcp(2, dhcp_option(53, {2}) + Wire{255})}});
  ASSERT_EQ(output.connections.size(), 1u);
  ASSERT_EQ(output.connections[0].dhcp.size(), 1u);
  const DhcpRecord& dhcp = output.connections[0].dhcp[0];
  EXPECT_EQ(dhcp.first_message, "DISCOVER");
  EXPECT_EQ(dhcp.last_message, "OFFER");
  EXPECT_EQ(dhcp.transaction_id, 0x12345678u);
  EXPECT_EQ(dhcp.hardware_address, "02:00:00:00:00:07");
  EXPECT_EQ(dhcp.assigned_address, "192.0.2.50");
  EXPECT_EQ(dhcp.host_name, "printer");
}

TEST(Recognition, MoreRequestsThanItsBoundAreCounted) {
  Talk talk(false, 80);
  talk.open();
  for (int i = 0; i < 70; ++i)
    talk.say(Side::client, fmt::format("GET /{} HTTP/1.1\r\n\r\n", i)).say(Side::server, "HTTP/1.1 200 OK\r\n\r\n");
  const ConnectionRecord c = talk.connection();
  EXPECT_EQ(c.http_requests.size(), 64u);
  EXPECT_EQ(c.http_requests.back().status, 200);
  EXPECT_THAT(talk.bounds(), Contains(StartsWith("messages: ")));
}

TEST(Recognition, ATargetThatIsTooLongIsCut) {
  Talk talk(false, 80);
  const std::string target = "/" + std::string(2000, 't');
  const ConnectionRecord c = talk.open().say(Side::client, "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n").connection();
  ASSERT_EQ(c.http_requests.size(), 1u);
  EXPECT_EQ(c.http_requests[0].host, "a");
  EXPECT_GT(c.http_requests[0].target.size(), 300u);
  EXPECT_EQ(c.http_requests[0].target, target.substr(0, c.http_requests[0].target.size()));
}

TEST(Recognition, ALegIsMultiplexedWhoseClientOffersOrSpeaksHttp2) {
  const auto hello = [](std::initializer_list<std::string_view> offered) {
    return tls_record(22, tls_client_hello(tls_alpn(offered) + tls_versions_offered({0x0304})));
  };
  const auto is_multiplexed = [](const Wire& bytes) {
    SpscRing<RecognitionEvent> ring(16);
    WorkerCounters counters;
    ProtocolParser parser({.legs = 1, .states = 1, .buffers = 1, .offline = true}, ring, counters);
    Sighting s{};
    s.protocol = ip_protocol::tcp;
    s.payload_length = static_cast<uint32_t>(bytes.size());
    parser.take(0, LegId::make(0, 0, 1), s, Side::client, 0, true, bytes);
    return parser.is_multiplexed(0);
  };
  EXPECT_TRUE(is_multiplexed(hello({"h2", "http/1.1"})));
  EXPECT_FALSE(is_multiplexed(hello({"http/1.1"})));
  EXPECT_TRUE(is_multiplexed(text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")));
  EXPECT_FALSE(is_multiplexed(text("GET / HTTP/1.1\r\nHost: a\r\n\r\n")));
}

TEST(Recognition, AnyBytesAnywhereDoNoHarm) {
  Random random(11);
  for (int round = 0; round < 60; ++round) {
    Talk talk(round % 2 == 0, static_cast<uint16_t>(round % 3 == 0 ? 53 : 443));
    talk.open();
    Wire stream =
        round % 4 == 0 ? flight_of({"a.example"}) + hello_of(900) : text("GET / HTTP/1.1\r\nHost: a\r\n\r\n") + hello_of(400);
    for (int i = 0; i < 12; ++i) stream[random.below(stream.size())] = static_cast<uint8_t>(random.next());
    for (int i = 0; i < 20; ++i) {
      const auto at = static_cast<uint32_t>(random.below(stream.size()));
      const size_t length = std::min<size_t>(1 + random.below(700), stream.size() - at);
      talk.say_at(random.chance(0.5) ? Side::client : Side::server, random.chance(0.2) ? 0 : at,
                  first(after(stream, at), length));
    }
    talk.connection();
  }
}

}  // namespace
}  // namespace parallax
