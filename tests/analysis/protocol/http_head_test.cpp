// Heads of HTTP/1 messages: as they should be, as they also come, and what is none.
#include "analysis/protocol/http_head.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/message_bytes.h"

namespace parallax::test {
namespace {

using namespace std::literals;

struct Request {
  Wire bytes;  // what the views point into
  ParseStatus status;
  HttpRequestHead head;
};
Request request(std::string_view s) {
  Request result{text(s), {}, {}};
  result.status = parse_http_request(result.bytes, result.head);
  return result;
}
struct Response {
  Wire bytes;
  ParseStatus status;
  HttpResponseHead head;
};
Response response(std::string_view s) {
  Response result{text(s), {}, {}};
  result.status = parse_http_response(result.bytes, result.head);
  return result;
}

constexpr std::string_view kUsual =
    "POST /form?a=1 HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "X-Forwarded-For: 192.0.2.7, 198.51.100.1\r\n"
    "x-forwarded-for:203.0.113.5\r\n"
    "Forwarded: for=192.0.2.7;proto=https\r\n"
    "Content-Length: 12\r\n"
    "\r\n"
    "hello, world";

TEST(HttpRequest, SaysWhatIsAskedOfWhomForWhom) {
  const Request r = request(kUsual);
  ASSERT_EQ(r.status, ParseStatus::done);
  EXPECT_EQ(r.head.method, "POST");
  EXPECT_EQ(r.head.target, "/form?a=1");
  EXPECT_EQ(r.head.version_minor, 1);
  EXPECT_EQ(r.head.fields.host, "www.example.com");
  EXPECT_EQ(r.head.fields.forwarded_for, "192.0.2.7, 198.51.100.1");
  EXPECT_EQ(r.head.fields.forwarded_for_count, 2u);
  EXPECT_EQ(r.head.fields.forwarded, "for=192.0.2.7;proto=https");
  EXPECT_TRUE(r.head.fields.has_content_length);
  EXPECT_EQ(r.head.fields.content_length, 12u);
  EXPECT_FALSE(r.head.fields.chunked);
  EXPECT_EQ(r.head.fields.field_count, 5u);
  EXPECT_EQ(r.head.head_length, kUsual.size() - 12);
  EXPECT_FALSE(r.head.truncated);
}

TEST(HttpRequest, CutAnywhereAsksForMoreAndGivesNoHalfField) {
  for (size_t size = 0; size < kUsual.size() - 12; ++size) {
    const Request r = request(kUsual.substr(0, size));
    ASSERT_EQ(r.status, ParseStatus::more) << size;
    EXPECT_TRUE(r.head.fields.host.empty() || r.head.fields.host == "www.example.com");
    EXPECT_EQ(r.head.head_length, 0u);
    EXPECT_EQ(r.head.has_version, size >= kUsual.find('\n') + 1);
    EXPECT_TRUE(std::string_view("/form?a=1").starts_with(r.head.target));
  }
}

TEST(HttpRequest, LinesMayEndInLineFeedAloneAndAnEmptyOneComeFirst) {
  const Request r = request("\r\n\nGET / HTTP/1.0\nHost : a.example \n folded: line\n\nrest");
  ASSERT_EQ(r.status, ParseStatus::done);
  EXPECT_EQ(r.head.version_minor, 0);
  EXPECT_EQ(r.head.fields.host, "a.example");
  EXPECT_EQ(r.head.fields.field_count, 1u);
  EXPECT_EQ(r.head.head_length, r.bytes.size() - 4);
  EXPECT_EQ(request("\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n").status, ParseStatus::foreign) << "three empty lines";
}

TEST(HttpRequest, TargetMayHoldSpaces) {
  const Request r = request("GET /a file.txt HTTP/1.1\r\n\r\n");
  EXPECT_EQ(r.status, ParseStatus::done);
  EXPECT_EQ(r.head.target, "/a file.txt");
}

TEST(HttpRequest, TabInTheLineIsForeignBeforeTheLineIsWholeAndAfter) {
  EXPECT_EQ(request("GET /a\t").status, ParseStatus::foreign);
  EXPECT_EQ(request("GET /a\t HTTP/1.1\r\n").status, ParseStatus::foreign);
  EXPECT_EQ(request("GET \t/a HTTP/1.1\r\n").status, ParseStatus::foreign);
  EXPECT_EQ(request("GET HTTP/1.1\t\r\n").status, ParseStatus::foreign);
}

TEST(HttpRequest, MethodsOfWebDavAndItsKinAreKnown) {
  for (const char* method : {"GET", "PROPFIND", "MKCALENDAR", "VERSION-CONTROL", "M-SEARCH", "RPC_IN_DATA", "UNLOCK", "BIND"}) {
    const Request r = request(method + " * HTTP/1.1\r\n\r\n"s);
    EXPECT_EQ(r.status, ParseStatus::done) << method;
    EXPECT_EQ(r.head.method, method);
  }
}

TEST(HttpRequest, OtherProtocolsAreForeign) {
  for (const std::string_view other :
       {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /\r\n", "GETX / HTTP/1.1\r\n", "get / HTTP/1.1\r\n", "\x16\x03\x01",
        "HTTP/1.1 200 OK\r\n", "EHLO a.example\r\n", "GET \x01\x02", "GET / HTTP/1.x\r\n"}) {
    EXPECT_EQ(request(other).status, ParseStatus::foreign) << other;
  }
  EXPECT_EQ(request("GE").status, ParseStatus::more);
  EXPECT_EQ(request("BPROPF").status, ParseStatus::more);
}

TEST(HttpRequest, ZeroByteAmongTheFieldsIsBroken) {
  const Request r = request("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"sv);
  EXPECT_EQ(r.status, ParseStatus::broken);
  EXPECT_EQ(r.head.target, "/");
  EXPECT_EQ(request("GET  HTTP/1.1\r\n\r\n").status, ParseStatus::broken) << "no target";
}

TEST(HttpRequest, LimitsEndTheReadingAndSaySo) {
  std::string many = "GET / HTTP/1.1\r\n";
  for (uint32_t i = 0; i < kHttpHeaderFieldsMax; ++i) many += "A: b\r\n";
  EXPECT_FALSE(request(many + "\r\n").head.truncated);
  const Request fields = request(many + "Host: late.example\r\n\r\n");
  EXPECT_EQ(fields.status, ParseStatus::done);
  EXPECT_TRUE(fields.head.truncated);
  EXPECT_EQ(fields.head.fields.host, "");
  const Request bytes =
      request("GET / HTTP/1.1\r\nHost: a.example\r\nCookie: " + std::string(kHttpHeadBytesMax, 'c') + "\r\n\r\n");
  EXPECT_EQ(bytes.status, ParseStatus::done);
  EXPECT_TRUE(bytes.head.truncated);
  EXPECT_EQ(bytes.head.fields.host, "a.example");
  const Request target = request("GET /" + std::string(kHttpHeadBytesMax, 'c'));
  EXPECT_EQ(target.status, ParseStatus::broken);
  EXPECT_TRUE(target.head.truncated);
}

TEST(HttpRequest, ChunkedIsWhatEndsInChunked) {
  EXPECT_TRUE(request("PUT /a HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n").head.fields.chunked);
  EXPECT_FALSE(request("PUT /a HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n").head.fields.chunked);
}

TEST(HttpRequest, LengthThatIsNoNumberIsNone) {
  for (const char* length : {"", "-1", "1 2", "0x10", "99999999999999999999"}) {
    EXPECT_FALSE(request("PUT /a HTTP/1.1\r\nContent-Length: "s + length + "\r\n\r\n").head.fields.has_content_length) << length;
  }
}

TEST(HttpResponse, SaysStatusAndReason) {
  const Response r = response("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  ASSERT_EQ(r.status, ParseStatus::done);
  EXPECT_TRUE(r.head.has_status);
  EXPECT_EQ(r.head.status, 404);
  EXPECT_EQ(r.head.reason, "Not Found");
  EXPECT_EQ(r.head.fields.content_length, 0u);
  EXPECT_EQ(r.head.head_length, r.bytes.size());
  EXPECT_EQ(response("HTTP/1.0 200\n\n").head.status, 200) << "no reason";
  EXPECT_EQ(response("HTTP/1.0 200 \r\n\r\n").head.reason, "");
}

TEST(HttpResponse, CutAnywhereAsksForMore) {
  constexpr std::string_view kWhole = "HTTP/1.1 200 OK\r\nServer: a\r\n\r\n";
  for (size_t size = 0; size < kWhole.size(); ++size) {
    const Response r = response(kWhole.substr(0, size));
    EXPECT_EQ(r.status, ParseStatus::more) << size;
    EXPECT_EQ(r.head.has_status, size >= 17) << size;
  }
}

TEST(HttpResponse, OtherProtocolsAreForeignAndWrongCodesBroken) {
  for (const char* other : {"GET / HTTP/1.1\r\n", "HTTP/2.0 200 OK\r\n", "ICY 200 OK\r\n", "HTTP/1.1200"}) {
    EXPECT_EQ(response(other).status, ParseStatus::foreign) << other;
  }
  for (const char* wrong : {"HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 099 \r\n", "HTTP/1.1 abc"}) {
    EXPECT_EQ(response(wrong).status, ParseStatus::broken) << wrong;
  }
}

std::string forwarded_for(std::string_view value) {
  Endpoint endpoint;
  return parse_forwarded_for(value, endpoint) ? to_string(endpoint) : "none";
}
std::string forwarded(std::string_view value) {
  Endpoint endpoint;
  return parse_forwarded(value, endpoint) ? to_string(endpoint) : "none";
}

TEST(ForwardedFor, FirstOfTheListIsTheClient) {
  EXPECT_EQ(forwarded_for("192.0.2.7"), "192.0.2.7:0");
  EXPECT_EQ(forwarded_for(" 192.0.2.7:4711 , 10.0.0.1"), "192.0.2.7:4711");
  EXPECT_EQ(forwarded_for("2001:db8::7, 10.0.0.1"), "[2001:db8::7]:0");
  EXPECT_EQ(forwarded_for("[2001:db8::7]:80"), "[2001:db8::7]:80");
  EXPECT_EQ(forwarded_for("\"[2001:db8::7]\""), "[2001:db8::7]:0");
  for (const char* none : {"", "unknown", "unknown, 10.0.0.1", "192.0.2", "192.0.2.7:99999", "192.0.2.7:x", "[2001:db8::7",
                           "[::]x", ",", "192.0.2.7 10.0.0.1", "fe80::1%eth0"}) {
    EXPECT_EQ(forwarded_for(none), "none") << none;
  }
}

TEST(Forwarded, FirstForIsTheClient) {
  EXPECT_EQ(forwarded("for=192.0.2.43"), "192.0.2.43:0");
  EXPECT_EQ(forwarded("for=\"192.0.2.43:47011\""), "192.0.2.43:47011");
  EXPECT_EQ(forwarded("proto=http; by=203.0.113.43 ;For=\"[2001:db8:cafe::17]:4711\", for=10.0.0.1"), "[2001:db8:cafe::17]:4711");
  EXPECT_EQ(forwarded("by=\"a,for=10.0.0.1;\\\"\";for=192.0.2.60"), "192.0.2.60:0") << "inside quotes";
  EXPECT_EQ(forwarded("for=\"192.0.2.43:_port\""), "192.0.2.43:0");
  EXPECT_EQ(forwarded("host=a, for=192.0.2.43"), "192.0.2.43:0");
  for (const char* none :
       {"", "for=unknown", "for=_hidden, for=192.0.2.43", "for", "for=", "for=\"", "for=\"\\", "forth=192.0.2.1", ";;,,"}) {
    EXPECT_EQ(forwarded(none), "none") << none;
  }
}

}  // namespace
}  // namespace parallax::test
