// Access logs by format, as their servers write them, and lines that nobody would want to read.
#include "analysis/protocol/access_log_reader.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace parallax {
namespace {

using test::address;

constexpr int64_t kSecond = 1'000'000'000, kMs = 1'000'000;
constexpr int64_t kNoon = 1'709'210'096 * kSecond;  // 2024-02-29 12:34:56 UTC

AccessLog read(std::initializer_list<std::string_view> lines) {
  AccessLogReader reader;
  for (const std::string_view line : lines) reader.add(line);
  return reader.finish();
}

TEST(AccessLog, CommonFormat) {
  const AccessLog log = read({R"(198.51.100.7 - frank [29/Feb/2024:14:34:56 +0200] "GET /a?b=1 HTTP/1.1" 200 2326)"});
  ASSERT_EQ(log.entries.size(), 1u);
  const AccessLogEntry& entry = log.entries[0];
  EXPECT_EQ(log.format, AccessLogFormat::common);
  EXPECT_EQ(entry.line, 1u);
  EXPECT_EQ(entry.from_ns, kNoon);
  EXPECT_EQ(entry.to_ns, kNoon + kSecond - 1) << "whole seconds are cut, not rounded";
  EXPECT_EQ(entry.clients, std::vector<Address>{address("198.51.100.7")});
  EXPECT_TRUE(entry.has_peer);
  EXPECT_EQ(entry.method, "GET");
  EXPECT_EQ(entry.target, "/a?b=1");
  EXPECT_EQ(entry.status, 200);
  EXPECT_EQ(entry.bytes, 2326u);
  EXPECT_EQ(log.client_fields, "the address that connected");
}

TEST(AccessLog, CombinedFormatWithAQuotedFieldThatListsClients) {
  const AccessLog log = read({
      R"(10.0.0.1 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 200 10 "-" "Mozilla/5.0 \"x\"" "-")",
      R"(10.0.0.1 - - [29/Feb/2024:12:34:57 +0000] "GET /b HTTP/1.1" 304 - "http://a/" "lab" "203.0.113.9, 198.51.100.7")",
  });
  ASSERT_EQ(log.entries.size(), 2u);
  EXPECT_EQ(log.format, AccessLogFormat::combined);
  EXPECT_EQ(log.entries[0].forwarded_for, "");
  EXPECT_EQ(log.entries[1].forwarded_for, "203.0.113.9, 198.51.100.7");
  const std::vector<Address> nearest_first{address("10.0.0.1"), address("198.51.100.7"), address("203.0.113.9")};
  EXPECT_EQ(log.entries[1].clients, nearest_first);
  EXPECT_EQ(log.client_fields, "the address that connected and quoted field 3 after the request, which lists addresses");
}

TEST(AccessLog, WhatAClientWritesAsItsUserAgentNamesNobody) {
  const AccessLog log =
      read({R"(10.0.0.1 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 200 10 "203.0.113.1" "203.0.113.1")"});
  ASSERT_EQ(log.entries.size(), 1u);
  EXPECT_EQ(log.entries[0].clients.size(), 1u);
}

TEST(AccessLog, OneForgedFieldDoesNotHideTheOthers) {
  const AccessLog log = read({
      R"(10.0.0.1 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 200 10 "-" "-" "203.0.113.1")",
      R"(10.0.0.1 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 200 10 "-" "-" "203.0.113.2")",
      R"(10.0.0.1 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 200 10 "-" "-" "' OR 1=1 --")",
  });
  ASSERT_EQ(log.entries.size(), 3u);
  EXPECT_EQ(log.entries[0].forwarded_for, "203.0.113.1");
  EXPECT_EQ(log.entries[2].forwarded_for, "");
}

TEST(AccessLog, FieldsAroundThoseOfTheFormatArePassedOver) {
  const AccessLog log = read({
      R"(example.com:443 198.51.100.7 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 200 10 0.003 "-" "lab" rt=0.2 "ms")",
      R"(203.0.113.5, 10.0.0.2 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 200 10)",
      R"(203.0.113.5 10.0.0.2 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 200 10)",
  });
  ASSERT_EQ(log.entries.size(), 3u);
  EXPECT_EQ(log.entries[0].clients, std::vector<Address>{address("198.51.100.7")});
  const std::vector<Address> nearest_first{address("10.0.0.2"), address("203.0.113.5")};
  EXPECT_EQ(log.entries[1].clients, nearest_first);
  EXPECT_EQ(log.entries[1].forwarded_for, "203.0.113.5, 10.0.0.2");
  EXPECT_EQ(log.entries[2].clients, nearest_first);
  EXPECT_EQ(log.entries[2].forwarded_for, "203.0.113.5");
}

TEST(AccessLog, EscapesAreUndone) {
  const AccessLog log = read({R"(10.0.0.1 - - [29/Feb/2024:12:34:56 +0000] "GET /a\"b\\c\xC3\xa9 d HTTP/1.1" 200 10)"});
  ASSERT_EQ(log.entries.size(), 1u);
  EXPECT_EQ(log.entries[0].target, "/a\"b\\c\xC3\xa9 d");
}

TEST(AccessLog, Haproxy) {
  const AccessLog log = read({
      R"(::ffff:198.51.100.7:33317 [29/Feb/2024:12:34:56.655] http-in~ static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {example.com|203.0.113.9} {} "GET /index.html HTTP/1.1")",
      R"(Feb 29 12:34:57 lb haproxy[14389]: 2001:db8::7:33318 [29/Feb/2024:12:34:57.001] http-in static/<NOSRV> 0/-1/-1/-1/+5 503 +212 - - SC-- 1/1/0/0/0 0/0 {example.com|} "POST /form#22 HTTP/1.1")",
      R"(198.51.100.8:1 [29/Feb/2024:12:34:58.001] http-in http-in/<NOSRV> -1/-1/-1/-1/0 400 0 - - CR-- 1/1/0/0/0 0/0 {|} "<BADREQ>")",
  });
  ASSERT_EQ(log.entries.size(), 2u);
  EXPECT_EQ(log.format, AccessLogFormat::haproxy);
  EXPECT_EQ(log.without_request, 1u);
  EXPECT_EQ(log.malformed, 0u);
  const AccessLogEntry& first = log.entries[0];
  EXPECT_EQ(first.peer_port, 33317);
  const std::vector<Address> clients{address("198.51.100.7"), address("203.0.113.9")};
  EXPECT_EQ(first.clients, clients);
  EXPECT_EQ(first.from_ns, kNoon + 655 * kMs);
  EXPECT_EQ(first.to_ns, kNoon + 655 * kMs + kMs - 1 + 109 * kMs) << "up to the end of the answer";
  EXPECT_FALSE(log.has_zone);
  EXPECT_EQ(log.entries[1].clients, std::vector<Address>{address("2001:db8::7")});
  EXPECT_EQ(log.entries[1].peer_port, 33318);
  EXPECT_EQ(log.entries[1].target, "/form\"");
  EXPECT_EQ(log.entries[1].status, 503);
  EXPECT_EQ(log.client_fields, "the address that connected and captured header 2, which lists addresses");
}

TEST(AccessLog, W3cOfIis) {
  const AccessLog log = read({
      "#Software: Microsoft Internet Information Services 10.0",
      "#Date: 2024-02-29 12:00:00",
      "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port c-ip cs(User-Agent) sc-status time-taken "
      "X-Forwarded-For",
      "2024-02-29 12:34:56 10.0.0.80 GET /a b=1 80 10.0.0.1 curl/8 200 250 203.0.113.9,+198.51.100.7",
      "2024-02-29 12:34:57 10.0.0.80 GET /c - 80 10.0.0.1 curl/8 404 0 -",
      "#Fields: time c-ip cs-method cs-uri-stem sc-status",
      "12:34:58.5 198.51.100.7 HEAD /d 200\r",
  });
  ASSERT_EQ(log.entries.size(), 3u);
  EXPECT_EQ(log.format, AccessLogFormat::w3c);
  EXPECT_EQ(log.malformed, 0u);
  EXPECT_EQ(log.lines, 3u);
  EXPECT_EQ(log.entries[0].line, 4u);
  EXPECT_EQ(log.entries[0].target, "/a?b=1");
  EXPECT_EQ(log.entries[0].from_ns, kNoon - 250 * kMs) << "it is written when the answer is over";
  const std::vector<Address> clients{address("10.0.0.1"), address("198.51.100.7"), address("203.0.113.9")};
  EXPECT_EQ(log.entries[0].clients, clients);
  EXPECT_EQ(log.entries[1].clients.size(), 1u);
  EXPECT_EQ(log.entries[1].status, 404);
  EXPECT_EQ(log.entries[2].from_ns, kNoon + 2500 * kMs);
  EXPECT_EQ(log.entries[2].to_ns, kNoon + 2600 * kMs - 1);
  EXPECT_EQ(log.client_fields, "c-ip and the column X-Forwarded-For");
}

TEST(AccessLog, WhatIsNoRequestIsCountedApart) {
  const AccessLog log = read({
      R"(198.51.100.7 - - [29/Feb/2024:12:34:56 +0000] "\x16\x03\x01\x02" 400 150 "-" "-")",
      R"(198.51.100.7 - - [29/Feb/2024:12:34:56 +0000] "-" 408 0 "-" "-")",
      R"(198.51.100.7 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 200 10 "-" "-")",
  });
  EXPECT_EQ(log.without_request, 2u);
  EXPECT_EQ(log.malformed, 0u);
  EXPECT_EQ(log.entries.size(), 1u);
}

TEST(AccessLog, HostileLinesAreCountedAndPassedOver) {
  const std::string good = R"(198.51.100.7 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 200 10)";
  AccessLogReader reader;
  reader.add(good);
  const std::string_view hostile[] = {
      "x",
      std::string_view("\0\0\0 [29/", 8),
      R"(198.51.100.7 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1)",
      R"(198.51.100.7 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1\)",
      R"(198.51.100.7 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 2000 10)",
      R"(198.51.100.7 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 099 10)",
      R"(198.51.100.7 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 200 99999999999999999999)",
      R"(198.51.100.7 - - [32/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 200 10)",
      R"(198.51.100.7 - - [29/ebM/2024:12:34:56 +0000] "GET / HTTP/1.1" 200 10)",
      R"(198.51.100.7 - - [29/Feb/9999:12:34:56 +0000] "GET / HTTP/1.1" 200 10)",
      R"(198.51.100.7 - - [29/Feb/2024:25:34:56 +0000] "GET / HTTP/1.1" 200 10)",
      R"(198.51.100.7 - - [29/Feb/2024:12:34:56] "GET / HTTP/1.1" 200 10)",
      R"(198.51.100.7 - - [29/Feb/2024:12:34:56 +9900] "GET / HTTP/1.1" 200 10)",
      R"(198.51.100.7 - - [29/Feb/2024:12:34:56 +0000] "GET / HTTP/1.1" 200 10 "never ends)",
  };
  for (const std::string_view line : hostile) reader.add(line);
  reader.add_overlong();
  reader.add(good);
  const AccessLog log = reader.finish();
  EXPECT_EQ(log.entries.size(), 2u);
  EXPECT_EQ(log.malformed, std::size(hostile) + 1);
  EXPECT_EQ(log.first_malformed_line, 2u);
  EXPECT_EQ(log.lines, log.entries.size() + log.malformed);
}

TEST(AccessLog, WhatNoFormatFitsHasNone) {
  const AccessLog log = read({"{\"time\": 1}", "hello world"});
  EXPECT_EQ(log.format, AccessLogFormat::unknown);
  EXPECT_EQ(log.malformed, 2u);
}

TEST(AccessLog, ListsOfAddresses) {
  std::vector<Address> found;
  EXPECT_TRUE(parse_address_list("203.0.113.5:4711, [2001:db8::1]:80, unknown, 10.0.0.1", found));
  const std::vector<Address> expected{address("203.0.113.5"), address("2001:db8::1"), address("10.0.0.1")};
  EXPECT_EQ(found, expected);
  for (const char* text : {"", "-", "unknown", "203.0.113.5, x", "203.0.113.5,,10.0.0.1", "lab/1.0"})
    EXPECT_FALSE(parse_address_list(text, found)) << text;
  std::string many = "203.0.113.1";
  for (int i = 0; i < 30; ++i) many += ",10.0.0." + std::to_string(i);
  EXPECT_TRUE(parse_address_list(many, found));
  EXPECT_EQ(found.size(), AccessLogEntry::kClientsMax - 1);
  EXPECT_EQ(found.back(), address("10.0.0.29")) << "the nearest are kept";
}

}  // namespace
}  // namespace parallax
