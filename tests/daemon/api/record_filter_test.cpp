// Which findings and connections a filter covers, and which filters are refused.
#include "daemon/api/record_filter.h"

#include <gtest/gtest.h>

#include "analysis/model/address_text.h"

namespace parallax {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

Endpoint end(const char* address, uint16_t port) {
  Endpoint read{{}, port};
  EXPECT_TRUE(parse_address(address, read.address)) << address;
  return read;
}

v1::RecordFilter at(int64_t from_s, int64_t to_s) {  // -1: not set
  v1::RecordFilter filter;
  if (from_s >= 0) filter.mutable_from()->set_seconds(from_s);
  if (to_s >= 0) filter.mutable_to()->set_seconds(to_s);
  return filter;
}

// The conditions on ends; "" and 0: not set.
struct Ends {
  const char* client = "";
  const char* service = "";
  const char* host = "";
  uint32_t port = 0;
};
v1::RecordFilter of(const Ends& ends) {
  v1::RecordFilter filter;
  filter.set_client(ends.client);
  filter.set_service(ends.service);
  filter.set_host(ends.host);
  filter.set_port(ends.port);
  return filter;
}
std::ostream& operator<<(std::ostream& out, const Ends& ends) {
  return out << "client " << ends.client << " service " << ends.service << " host " << ends.host << " port " << ends.port;
}

RecordFilter read(const v1::RecordFilter& request) {
  const auto filter = RecordFilter::of(request);
  EXPECT_TRUE(filter) << filter.error();
  return *filter;
}

// Through a NAT on both sides; seen from 100 to 103 s outside, to 105 s inside.
ConnectionRecord translated() {
  ConnectionRecord connection;
  connection.client = end("192.0.2.7", 40000);
  connection.server = end("203.0.113.80", 443);
  LegRecord outside, inside;
  outside.client = connection.client;
  outside.server = connection.server;
  outside.first_seen_ns = 100 * kSecond;
  outside.last_seen_ns = 103 * kSecond;
  inside.client = end("10.0.0.1", 50000);
  inside.server = end("10.1.0.80", 8443);
  inside.first_seen_ns = 101 * kSecond;
  inside.last_seen_ns = 105 * kSecond;
  connection.legs = {outside, inside};
  return connection;
}

TEST(RecordFilter, ConnectionIsFoundByItsEndsAtAllPoints) {
  struct Case {
    Ends ends;
    bool covered;
  };
  const Case cases[] = {
      {{}, true},
      {{.client = "192.0.2.7"}, true},
      {{.client = "192.0.2.0/24"}, true},
      {{.client = "10.0.0.1"}, true},  // as it is called inside
      {{.client = "203.0.113.80"}, false},
      {{.client = "192.0.2.8"}, false},
      {{.client = "::ffff:192.0.2.7"}, true},
      {{.client = "::/0"}, false},
      {{.service = "203.0.113.80:443"}, true},
      {{.service = "203.0.113.80"}, true},
      {{.service = ":8443"}, true},
      {{.service = "10.1.0.80:8443"}, true},
      {{.service = "[::ffff:10.1.0.80]:8443"}, true},
      {{.service = "10.1.0.80:443"}, false},  // one end, not one's address with the other's port
      {{.service = "192.0.2.7:40000"}, false},
      {{.service = ":40000"}, false},
      {{.host = "10.1.0.0/16"}, true},
      {{.host = "192.0.2.7"}, true},
      {{.host = "198.51.100.0/24"}, false},
      {{.port = 443}, true},
      {{.port = 40000}, true},
      {{.port = 50000}, true},
      {{.port = 8443}, true},
      {{.port = 80}, false},
      {{.client = "192.0.2.7", .service = "10.1.0.80:8443", .host = "10.0.0.1", .port = 443}, true},
      {{.client = "192.0.2.8", .service = "10.1.0.80:8443", .host = "10.0.0.1", .port = 443}, false},
      {{.client = "192.0.2.7", .service = "10.1.0.80:8444", .host = "10.0.0.1", .port = 443}, false},
      {{.client = "192.0.2.7", .service = "10.1.0.80:8443", .host = "10.0.0.2", .port = 443}, false},
      {{.client = "192.0.2.7", .service = "10.1.0.80:8443", .host = "10.0.0.1", .port = 444}, false},
  };
  for (const Case& one : cases) EXPECT_EQ(read(of(one.ends)).covers(translated()), one.covered) << one.ends;
}

TEST(RecordFilter, ConnectionOfIpv6IsFound) {
  ConnectionRecord connection;
  connection.client = end("2001:db8:1::7", 40000);
  connection.server = end("2001:db8:2::80", 443);
  struct Case {
    Ends ends;
    bool covered;
  };
  const Case cases[] = {
      {{.client = "2001:db8:1::/48"}, true},        {{.client = "2001:DB8:1:0::7"}, true},
      {{.client = "2001:db8:2::/48"}, false},       {{.client = "0.0.0.0/0"}, false},
      {{.service = "[2001:db8:2::80]:443"}, true},  {{.service = "2001:db8:2::80"}, true},
      {{.service = "[2001:db8:2::80]:444"}, false}, {{.host = "2001:db8::/32"}, true},
      {{.host = "2001:db8:3::/48"}, false},
  };
  for (const Case& one : cases) EXPECT_EQ(read(of(one.ends)).covers(connection), one.covered) << one.ends;
}

TEST(RecordFilter, TimesOverlap) {
  struct Case {
    int64_t from_s, to_s;
    bool connection, finding;  // of 100 to 105 s, of 200 to 300 s
  };
  const Case cases[] = {
      {-1, -1, true, true},   {105, -1, true, true},   {106, -1, false, true}, {-1, 99, false, false},
      {-1, 100, true, false}, {102, 103, true, false}, {0, 1000, true, true},  {250, 260, false, true},
      {300, -1, false, true}, {301, -1, false, false}, {-1, 200, true, true},  {106, 199, false, false},
  };
  FindingRecord finding;
  finding.first_seen_ns = 200 * kSecond;
  finding.last_seen_ns = 300 * kSecond;
  for (const Case& one : cases) {
    const RecordFilter filter = read(at(one.from_s, one.to_s));
    EXPECT_EQ(filter.covers(translated()), one.connection) << one.from_s << ' ' << one.to_s;
    EXPECT_EQ(filter.covers(finding), one.finding) << one.from_s << ' ' << one.to_s;
  }
}

TEST(RecordFilter, FindingIsFoundByTheLegsOfOneConnectionAndItsService) {
  FindingRecord finding;
  finding.service = "203.0.113.80:443";
  // Two clients; the first through a NAT.
  finding.legs = {{1, Protocol::tcp, end("192.0.2.7", 40000), end("203.0.113.80", 443)},
                  {2, Protocol::tcp, end("198.51.100.9", 41000), end("203.0.113.80", 443)},
                  {1, Protocol::tcp, end("10.0.0.1", 50000), end("10.1.0.80", 8443)}};
  struct Case {
    Ends ends;
    bool covered;
  };
  const Case cases[] = {
      {{}, true},
      {{.client = "192.0.2.7"}, true},
      {{.client = "10.0.0.1"}, true},
      {{.client = "198.51.100.0/24"}, true},
      {{.client = "203.0.113.80"}, false},
      {{.service = "203.0.113.80:443"}, true},
      {{.service = "10.1.0.80"}, true},
      {{.service = ":444"}, false},
      {{.host = "203.0.113.80"}, true},
      {{.host = "192.0.2.8"}, false},
      {{.port = 8443}, true},
      {{.port = 41001}, false},
      {{.client = "192.0.2.7", .service = "10.1.0.80:8443"}, true},
      {{.client = "198.51.100.9", .service = "10.1.0.80:8443"}, false},  // that is the other connection
      {{.client = "198.51.100.9", .port = 40000}, false},
      {{.client = "198.51.100.9", .service = "203.0.113.80:443"}, true},
  };
  for (const Case& one : cases) EXPECT_EQ(read(of(one.ends)).covers(finding), one.covered) << one.ends;
}

TEST(RecordFilter, FindingWithoutLegsIsFoundByItsService) {
  FindingRecord finding;
  finding.service = "[2001:db8::1]:443";
  EXPECT_TRUE(read(of({.service = "2001:db8::1"})).covers(finding));
  EXPECT_TRUE(read(of({.host = "2001:db8::/32", .port = 443})).covers(finding));
  EXPECT_FALSE(read(of({.client = "2001:db8::1"})).covers(finding));
  finding.service.reset();
  EXPECT_TRUE(read({}).covers(finding));
  for (const Ends& ends : {Ends{.service = ":443"}, Ends{.host = "::/0"}, Ends{.port = 443}})
    EXPECT_FALSE(read(of(ends)).covers(finding)) << ends;
}

TEST(RecordFilter, PinnedFindingIsFoundByServiceAndTimeAlone) {
  v1::Finding finding;
  finding.set_service("203.0.113.80:443");
  finding.mutable_first_seen()->set_seconds(200);
  finding.mutable_last_seen()->set_seconds(300);
  v1::RecordFilter request = at(300, -1);
  request.set_service(":443");
  EXPECT_TRUE(RecordFilter::of_pinned(request)->covers(finding));
  EXPECT_FALSE(RecordFilter::of_pinned(at(301, -1))->covers(finding));
  EXPECT_FALSE(RecordFilter::of_pinned(of({.service = ":80"}))->covers(finding));
  EXPECT_EQ(RecordFilter::of_pinned(of({.client = "192.0.2.7"})).error(),
            "filter.client: not kept with what is pinned: want service, from and to alone");
  for (const Ends& ends : {Ends{.host = "192.0.2.7"}, Ends{.port = 443}}) EXPECT_FALSE(RecordFilter::of_pinned(of(ends))) << ends;
}

TEST(RecordFilter, BadValueIsRefusedWithItsFieldAndWhatWouldBeRight) {
  struct Case {
    v1::RecordFilter filter;
    const char* field;
    const char* wanted;
  };
  v1::RecordFilter no_time, no_nanos;
  no_time.mutable_from()->set_seconds(INT64_MAX);
  no_nanos.mutable_to()->set_nanos(-1);
  const Case cases[] = {
      {of({.client = "shop.example"}), "filter.client: \"shop.example\"", "192.0.2.0/24"},
      {of({.client = "192.0.2.0/33"}), "filter.client: ", "192.0.2.0/24"},
      {of({.service = "443"}), "filter.service: \"443\"", "192.0.2.1:443"},
      {of({.service = "192.0.2.0/24"}), "filter.service: ", ":443"},
      {of({.host = "2001:db8::/129"}), "filter.host: ", "2001:db8::/32"},
      {of({.port = 65536}), "filter.port: 65536", "1 to 65535"},
      {no_time, "filter.from: ", "1677 and 2262"},
      {no_nanos, "filter.to: ", "999999999"},
      {at(2, 1), "filter.from: ", "after filter.to"},
  };
  for (const Case& one : cases) {
    const std::string error = RecordFilter::of(one.filter).error();
    EXPECT_TRUE(error.starts_with(one.field)) << error;
    EXPECT_NE(error.find(one.wanted), std::string::npos) << error;
  }
  EXPECT_LT(RecordFilter::of(of({.host = std::string(100'000, 'x').c_str()})).error().size(), 300u) << "a text of any length";
}

}  // namespace
}  // namespace parallax
