// DHCP: who asks for an address and who gets which (RFC 2131, RFC 2132), and the head of a DHCPv6 message (RFC 8415).
// Option overload (52) is ignored: none of the options read here are found there in practice. Promises: parse_status.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "analysis/protocol/parse_status.h"
#include "capture/core/sighting.h"

namespace parallax {

inline constexpr uint32_t kDhcpOptionsMax = 64;  // those after are not looked at

struct DhcpMessage {
  bool has_header = false;      // op to gateway_address hold
  bool reply = false;           // BOOTREPLY
  uint32_t transaction_id = 0;  // xid
  uint8_t hardware_length = 0;  // of hardware_address, at most 16
  std::array<uint8_t, 16> hardware_address{};
  Address client_address{}, your_address{}, gateway_address{};  // ciaddr, yiaddr, giaddr; ::ffff:0.0.0.0 where none
  uint8_t message_type = 0;                                     // option 53; 0: not seen, and it may be BOOTP
  bool has_requested_address = false, has_server_id = false;
  Address requested_address{}, server_id{};  // options 50, 54
  std::string_view host_name;                // option 12
  uint32_t option_count = 0;                 // so far
};

// A datagram's payload. `more` where the end option is missing, which some senders leave out.
ParseStatus parse_dhcp_message(std::span<const uint8_t> bytes, DhcpMessage& out);

struct Dhcpv6Message {
  uint8_t message_type = 0;
  bool relay = false;           // relay-forward or relay-reply: no transaction id, the addresses instead
  uint32_t transaction_id = 0;  // 24 bits
  Address link_address{}, peer_address{};
};
ParseStatus parse_dhcpv6_message(std::span<const uint8_t> bytes, Dhcpv6Message& out);

std::string_view dhcp_message_name(uint8_t message_type);    // "DISCOVER"; "" if unknown
std::string_view dhcpv6_message_name(uint8_t message_type);  // "SOLICIT"; "" if unknown

}  // namespace parallax
