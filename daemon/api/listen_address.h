// Addresses that the daemon listens on: written host:port, or [v6]:port.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace parallax {

struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;
};
// Nullopt where `text` is not of the form.
std::optional<HostPort> parse_host_port(const std::string& text);

// Why nothing can listen on TCP `address`, such as "127.0.0.1:9464: Address already in use"; empty: it can.
// The libraries behind the listeners do not say why a bind failed, so it is tried out first.
std::string why_not_listen(const std::string& address);

}  // namespace parallax
