// Services as a person names them: "192.0.2.1:443", "[2001:db8::1]:443", an address alone, or ":443". Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace parallax {

struct ServicePattern {
  std::string address;  // as inet_ntop(3) writes it; empty: any
  uint16_t port = 0;    // 0: any

  // `service`: one with address and port.
  bool covers(const ServicePattern& service) const {
    return (address.empty() || address == service.address) && (port == 0 || port == service.port);
  }
};

// nullopt: it is none of these.
std::optional<ServicePattern> parse_service(std::string_view text);

}  // namespace parallax
