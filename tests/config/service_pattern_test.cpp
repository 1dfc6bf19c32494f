// Services as a person names them.
#include "config/service_pattern.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

TEST(ServicePattern, IsAnAddressAPortOrBoth) {
  struct Case {
    const char* text;
    const char* address;  // nullptr: refused
    uint16_t port;
  };
  const Case cases[] = {
      {"192.0.2.1:443", "192.0.2.1", 443},
      {"192.0.2.1", "192.0.2.1", 0},
      {":443", "", 443},
      {"[2001:db8::1]:443", "2001:db8::1", 443},
      {"[2001:DB8:0:0::1]", "2001:db8::1", 0},
      {"2001:db8::1", "2001:db8::1", 0},
      {"::1", "::1", 0},
      {"", nullptr, 0},
      {":", nullptr, 0},
      {":0", nullptr, 0},
      {":65536", nullptr, 0},
      {":443x", nullptr, 0},
      {"443", nullptr, 0},
      {"192.0.2.1:", nullptr, 0},
      {"192.0.2.256:443", nullptr, 0},
      {"[192.0.2.1]:443", nullptr, 0},
      {"shop.example:443", nullptr, 0},
      {"[]:443", nullptr, 0},
      {"[2001:db8::1]443", nullptr, 0},
  };
  for (const Case& one : cases) {
    const auto pattern = parse_service(one.text);
    ASSERT_EQ(pattern.has_value(), one.address != nullptr) << one.text;
    if (!pattern) continue;
    EXPECT_EQ(pattern->address, one.address) << one.text;
    EXPECT_EQ(pattern->port, one.port) << one.text;
  }
}

TEST(ServicePattern, CoversWhatItDoesNotContradict) {
  const ServicePattern service = *parse_service("192.0.2.1:443");
  for (const char* text : {"192.0.2.1:443", "192.0.2.1", ":443"}) EXPECT_TRUE(parse_service(text)->covers(service)) << text;
  for (const char* text : {"192.0.2.1:444", "192.0.2.2", ":80", "::1"})
    EXPECT_FALSE(parse_service(text)->covers(service)) << text;
}

}  // namespace
}  // namespace parallax
