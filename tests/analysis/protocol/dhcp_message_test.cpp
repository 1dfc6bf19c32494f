// DHCP messages: the fixed part and the options that are read.
#include "analysis/protocol/dhcp_message.h"

#include <gtest/gtest.h>

#include "analysis/model/model.h"
#include "tests/support/message_bytes.h"

namespace parallax::test {
namespace {

struct Result {
  Wire bytes;
  ParseStatus status;
  DhcpMessage message;
};
Result parsed(const Wire& bytes) {
  Result result{Wire(bytes.begin(), bytes.end()), {}, {}};
  result.status = parse_dhcp_message(result.bytes, result.message);
  return result;
}

Wire request() {
  return dhcp(1, dhcp_option(53, {3}) + Wire{0, 0} + dhcp_option(50, {192, 0, 2, 50}) + dhcp_option(54, {192, 0, 2, 1}) +
                     dhcp_option(12, text("printer")) + dhcp_option(55, {1, 3, 6}) + Wire{255});
}

TEST(DhcpMessage, SaysWhoAsksForWhatOfWhom) {
  const Result r = parsed(request() + zeros(20));
  ASSERT_EQ(r.status, ParseStatus::done);
  EXPECT_FALSE(r.message.reply);
  EXPECT_EQ(r.message.transaction_id, 0x12345678u);
  EXPECT_EQ(r.message.hardware_length, 6);
  EXPECT_EQ(r.message.hardware_address[5], 7);
  EXPECT_EQ(to_string(r.message.client_address), "0.0.0.0");
  EXPECT_EQ(to_string(r.message.your_address), "192.0.2.50");
  EXPECT_EQ(to_string(r.message.gateway_address), "192.0.2.1");
  EXPECT_EQ(dhcp_message_name(r.message.message_type), "REQUEST");
  EXPECT_EQ(to_string(r.message.requested_address), "192.0.2.50");
  EXPECT_EQ(to_string(r.message.server_id), "192.0.2.1");
  EXPECT_EQ(r.message.host_name, "printer");
  EXPECT_EQ(r.message.option_count, 5u);
}

TEST(DhcpMessage, CutAnywhereAsksForMore) {
  for (size_t size = 0; size < request().size(); ++size) {
    const Result r = parsed(first(request(), size));
    EXPECT_EQ(r.status, ParseStatus::more) << size;
    EXPECT_EQ(r.message.has_header, size >= 44) << size;
    EXPECT_EQ(r.message.message_type, size >= 243 ? 3 : 0) << size;
  }
}

TEST(DhcpMessage, OptionsOfWrongLengthAreBroken) {
  for (const Wire& option :
       {dhcp_option(53, {}), dhcp_option(53, {1, 2}), dhcp_option(50, {1, 2, 3}), dhcp_option(54, zeros(5))}) {
    EXPECT_EQ(parsed(dhcp(2, option + Wire{255})).status, ParseStatus::broken);
  }
  EXPECT_EQ(parsed(dhcp(2, dhcp_option(12, {}) + Wire{255})).status, ParseStatus::done) << "an empty name";
}

TEST(DhcpMessage, OnlyTheFirstOptionsAreLookedAt) {
  Wire options;
  for (uint32_t i = 0; i < kDhcpOptionsMax; ++i) options = options + dhcp_option(60, {});
  const Result r = parsed(dhcp(1, options + dhcp_option(53, {1})));
  EXPECT_EQ(r.status, ParseStatus::done);
  EXPECT_EQ(r.message.message_type, 0);
}

TEST(DhcpMessage, WithoutTheCookieItIsForeign) {
  Wire bytes = request();
  bytes[236] = 0;
  EXPECT_EQ(parsed(bytes).status, ParseStatus::foreign);
  EXPECT_EQ(parsed(Wire{3}).status, ParseStatus::foreign);
  EXPECT_EQ(parsed(Wire{1, 1, 17}).status, ParseStatus::foreign);
}

TEST(Dhcpv6Message, HasTypeAndTransaction) {
  Dhcpv6Message message;
  EXPECT_EQ(parse_dhcpv6_message(Wire{1, 0xab, 0xcd, 0xef, 0, 1}, message), ParseStatus::done);
  EXPECT_EQ(dhcpv6_message_name(message.message_type), "SOLICIT");
  EXPECT_EQ(message.transaction_id, 0xabcdefu);
  EXPECT_EQ(parse_dhcpv6_message(Wire{1, 0xab}, message), ParseStatus::more);
  EXPECT_EQ(parse_dhcpv6_message(Wire{0}, message), ParseStatus::foreign);
  EXPECT_EQ(parse_dhcpv6_message(Wire{99}, message), ParseStatus::foreign);
}

TEST(Dhcpv6Message, RelayNamesLinkAndPeer) {
  Dhcpv6Message message;
  const Wire bytes = Wire{12, 0} + Wire{0x20, 1, 0xd, 0xb8} + zeros(11) + Wire{1} + Wire{0xfe, 0x80} + zeros(13) + Wire{2};
  EXPECT_EQ(parse_dhcpv6_message(bytes, message), ParseStatus::done);
  EXPECT_TRUE(message.relay);
  EXPECT_EQ(to_string(message.link_address), "2001:db8::1");
  EXPECT_EQ(to_string(message.peer_address), "fe80::2");
  EXPECT_EQ(parse_dhcpv6_message(first(bytes, 33), message), ParseStatus::more);
}

}  // namespace
}  // namespace parallax::test
