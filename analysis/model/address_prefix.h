// A range of addresses as people write it: "192.0.2.0/24", "2001:db8::/32", or one address alone. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "analysis/model/model.h"

namespace parallax {

struct AddressPrefix {
  Address first{};
  uint8_t bits = 128;  // of the 16 bytes, in which an address of IPv4 is mapped: 192.0.2.0/24 has 120

  // One of IPv6 contains no address of IPv4, however short it is.
  bool contains(const Address& address) const;
};

// Bits behind the prefix are ignored, as of 192.0.2.7/24. nullopt: it is none of these.
std::optional<AddressPrefix> parse_address_prefix(std::string_view text);

}  // namespace parallax
