// Addresses out of text that a stranger wrote. The way back is to_string() of model.h.
#pragma once

#include <string_view>

#include "analysis/model/model.h"

namespace parallax {

// "192.0.2.1" or "2001:db8::1", nothing else: no brackets, port, zone or space.
bool parse_address(std::string_view text, Address& out);

// Only the one family.
bool parse_ipv4(std::string_view text, Address& out);
bool parse_ipv6(std::string_view text, Address& out);

// Decimal, at most 65535, no sign; at most five digits.
bool parse_port(std::string_view text, uint16_t& out);

}  // namespace parallax
