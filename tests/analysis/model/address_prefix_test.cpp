// Ranges of addresses as people write them.
#include "analysis/model/address_prefix.h"

#include <gtest/gtest.h>

#include "analysis/model/address_text.h"

namespace parallax {
namespace {

Address address(const char* text) {
  Address read;
  EXPECT_TRUE(parse_address(text, read)) << text;
  return read;
}

TEST(AddressPrefix, ContainsTheAddressesOfItsRangeAndFamily) {
  struct Case {
    const char* prefix;
    const char* address;
    bool contained;
  };
  const Case cases[] = {
      {"192.0.2.7", "192.0.2.7", true},
      {"192.0.2.7", "192.0.2.8", false},
      {"192.0.2.0/24", "192.0.2.255", true},
      {"192.0.2.0/24", "192.0.3.0", false},
      {"192.0.2.7/24", "192.0.2.200", true},  // host bits are ignored
      {"192.0.2.128/25", "192.0.2.127", false},
      {"192.0.2.128/25", "192.0.2.128", true},
      {"192.0.2.7/32", "192.0.2.6", false},
      {"0.0.0.0/0", "203.0.113.1", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"::/0", "2001:db8::1", true},
      {"::/0", "203.0.113.1", false},
      {"2001:db8::/32", "2001:db8:ffff::1", true},
      {"2001:db8::/32", "2001:db9::1", false},
      {"2001:DB8::1", "2001:db8:0::1", true},
      {"2001:db8::1/128", "2001:db8::2", false},
      {"::ffff:192.0.2.7", "192.0.2.7", true},  // the same address, mapped
      {"::ffff:192.0.2.0/120", "192.0.2.9", true},
      {"192.0.2.0/24", "::ffff:192.0.2.9", true},
  };
  for (const Case& one : cases) {
    const auto prefix = parse_address_prefix(one.prefix);
    ASSERT_TRUE(prefix) << one.prefix;
    EXPECT_EQ(prefix->contains(address(one.address)), one.contained) << one.prefix << ' ' << one.address;
  }
}

TEST(AddressPrefix, OtherTextIsNone) {
  for (const char* text : {"", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/+1", "192.0.2.0/24x",
                           "192.0.2.0/24/8", "192.0.2/24", "2001:db8::/129", "2001:db8::/999", "[2001:db8::1]", "192.0.2.1:443",
                           "shop.example", " 192.0.2.1", "192.0.2.1 ", "fe80::1%eth0"})
    EXPECT_FALSE(parse_address_prefix(text)) << text;
}

}  // namespace
}  // namespace parallax
