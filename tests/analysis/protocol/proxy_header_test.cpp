// The PROXY protocol's header, both versions.
#include "analysis/protocol/proxy_header.h"

#include <gtest/gtest.h>

#include <string>

#include "analysis/protocol/byte_reader.h"
#include "tests/support/message_bytes.h"

namespace parallax::test {
namespace {

struct Result {
  Wire bytes;
  ParseStatus status;
  ProxyHeader header;
};
Result parsed(const Wire& bytes) {
  Result result{Wire(bytes.begin(), bytes.end()), {}, {}};
  result.status = parse_proxy_header(result.bytes, result.header);
  return result;
}
Result parsed(std::string_view line) { return parsed(text(line)); }

TEST(ProxyHeader, Version1NamesBothEnds) {
  const Result r = parsed("PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\nGET /");
  ASSERT_EQ(r.status, ParseStatus::done);
  EXPECT_EQ(r.header.version, 1);
  ASSERT_TRUE(r.header.has_endpoints);
  EXPECT_EQ(to_string(r.header.source), "192.0.2.1:40000");
  EXPECT_EQ(to_string(r.header.destination), "198.51.100.2:443");
  EXPECT_EQ(r.header.header_length, r.bytes.size() - 5);
  const Result six = parsed("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n");
  ASSERT_EQ(six.status, ParseStatus::done);
  EXPECT_EQ(to_string(six.header.source), "[2001:db8::1]:1");
  EXPECT_EQ(to_string(six.header.destination), "[2001:db8::2]:65535");
}

TEST(ProxyHeader, UnknownHasNoEnds) {
  for (const char* line : {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"}) {
    const Result r = parsed(line);
    EXPECT_EQ(r.status, ParseStatus::done) << line;
    EXPECT_FALSE(r.header.has_endpoints);
    EXPECT_EQ(r.header.header_length, r.bytes.size());
  }
}

TEST(ProxyHeader, Version1IsAtMost107BytesLong) {
  const std::string start = "PROXY UNKNOWN ";
  EXPECT_EQ(parsed(start + std::string(kProxyV1BytesMax - 2 - start.size(), 'x') + "\r\n").status, ParseStatus::done);
  EXPECT_EQ(parsed(start + std::string(kProxyV1BytesMax - 1 - start.size(), 'x') + "\r\n").status, ParseStatus::broken);
  EXPECT_EQ(parsed(start + std::string(kProxyV1BytesMax - 1 - start.size(), 'x')).status, ParseStatus::more);
}

TEST(ProxyHeader, Version1MalformedIsBroken) {
  for (const char* line : {"PROXY \r\n", "PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n", "PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n",
                           "PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n", "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
                           "PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n", "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n",
                           "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n", "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n"}) {
    EXPECT_EQ(parsed(line).status, ParseStatus::broken) << line;
  }
}

TEST(ProxyHeader, CutAnywhereAsksForMore) {
  const Wire tlvs = proxy_tlv(2, text("a.example")) + proxy_tlv(5, text("id"));
  for (const Wire& bytes : {text("PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n"), proxy_v2(1, 0x11, proxy_inet() + tlvs)}) {
    for (size_t size = 0; size < bytes.size(); ++size) EXPECT_EQ(parsed(first(bytes, size)).status, ParseStatus::more) << size;
    EXPECT_EQ(parsed(bytes).status, ParseStatus::done);
  }
}

TEST(ProxyHeader, Version2NamesBothEndsAndWhatElseTheProxyKnew) {
  const Result r =
      parsed(proxy_v2(1, 0x11,
                      proxy_inet() + proxy_tlv(1, text("h2")) + proxy_tlv(2, text("a.example")) + proxy_tlv(5, text("id-1")) +
                          proxy_tlv(0x20, Wire{1, 0, 0, 0, 0}) + proxy_tlv(4, zeros(3))) +
             text("GET /"));
  ASSERT_EQ(r.status, ParseStatus::done);
  EXPECT_EQ(r.header.version, 2);
  EXPECT_FALSE(r.header.local);
  EXPECT_FALSE(r.header.datagram);
  EXPECT_EQ(to_string(r.header.source), "192.0.2.1:40000");
  EXPECT_EQ(to_string(r.header.destination), "198.51.100.2:443");
  EXPECT_EQ(r.header.authority, "a.example");
  EXPECT_EQ(as_text(r.header.unique_id), "id-1");
  EXPECT_TRUE(r.header.tls);
  EXPECT_EQ(r.header.tlv_count, 5u);
  EXPECT_EQ(r.header.header_length, r.bytes.size() - 5);
}

TEST(ProxyHeader, Version2KnowsIpv6DatagramsAndUnixSockets) {
  const Wire six =
      Wire{0x20, 1, 0xd, 0xb8} + zeros(11) + Wire{1, 0x20, 1, 0xd, 0xb8} + zeros(11) + Wire{2} + be16(5000) + be16(53);
  const Result r = parsed(proxy_v2(1, 0x22, six));
  ASSERT_EQ(r.status, ParseStatus::done);
  EXPECT_TRUE(r.header.datagram);
  EXPECT_EQ(to_string(r.header.source), "[2001:db8::1]:5000");
  EXPECT_EQ(to_string(r.header.destination), "[2001:db8::2]:53");
  const Result socket = parsed(proxy_v2(1, 0x31, zeros(216) + proxy_tlv(2, text("a.example"))));
  EXPECT_EQ(socket.status, ParseStatus::done);
  EXPECT_FALSE(socket.header.has_endpoints);
  EXPECT_EQ(socket.header.authority, "a.example");
}

TEST(ProxyHeader, LocalAndUnspecifiedHaveNoEnds) {
  for (const Wire& bytes :
       {proxy_v2(0, 0x00, {}), proxy_v2(0, 0x11, proxy_inet()), proxy_v2(1, 0x00, zeros(7)), proxy_v2(1, 0x10, proxy_inet())}) {
    const Result r = parsed(bytes);
    EXPECT_EQ(r.status, ParseStatus::done);
    EXPECT_FALSE(r.header.has_endpoints);
    EXPECT_EQ(r.header.header_length, bytes.size());
  }
  EXPECT_TRUE(parsed(proxy_v2(0, 0x00, {})).header.local);
}

TEST(ProxyHeader, Version2MalformedIsBroken) {
  EXPECT_EQ(parsed(proxy_v2(2, 0x11, proxy_inet())).status, ParseStatus::broken) << "a command that there is not";
  EXPECT_EQ(parsed(proxy_v2(1, 0x41, proxy_inet())).status, ParseStatus::broken) << "a family that there is not";
  EXPECT_EQ(parsed(proxy_v2(1, 0x13, proxy_inet())).status, ParseStatus::broken) << "a transport that there is not";
  EXPECT_EQ(parsed(proxy_v2(1, 0x11, first(proxy_inet(), 11))).status, ParseStatus::broken) << "too short for its addresses";
  EXPECT_EQ(parsed(proxy_v2(1, 0x11, proxy_inet() + Wire{2, 0, 9, 'a'})).status, ParseStatus::broken)
      << "a TLV beyond the header";
}

TEST(ProxyHeader, OnlyTheFirstTlvsAreLookedAt) {
  Wire tlvs;
  for (uint32_t i = 0; i < kProxyTlvsMax; ++i) tlvs = tlvs + proxy_tlv(4, {});
  const Result r = parsed(proxy_v2(1, 0x11, proxy_inet() + tlvs + proxy_tlv(2, text("a.example"))));
  EXPECT_EQ(r.status, ParseStatus::done);
  EXPECT_EQ(r.header.tlv_count, kProxyTlvsMax);
  EXPECT_EQ(r.header.authority, "");
}

TEST(ProxyHeader, OtherProtocolsAreForeign) {
  EXPECT_EQ(parsed("GET / HTTP/1.1\r\n").status, ParseStatus::foreign);
  EXPECT_EQ(parsed("PROXYING").status, ParseStatus::foreign);
  EXPECT_EQ(parsed("\r\n\r\nGET /").status, ParseStatus::foreign);
  EXPECT_EQ(parsed("PROP").status, ParseStatus::foreign);
}

}  // namespace
}  // namespace parallax::test
