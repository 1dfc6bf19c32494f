#include "config/service_pattern.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>

namespace parallax {
namespace {

// Empty: not an address.
std::string canonical(std::string_view text) {
  const std::string terminated(text);
  std::array<uint8_t, sizeof(in6_addr)> bytes{};
  std::array<char, INET6_ADDRSTRLEN> written{};
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, terminated.c_str(), bytes.data()) == 1)
      return inet_ntop(family, bytes.data(), written.data(), written.size());
  }
  return {};
}

}  // namespace

std::optional<ServicePattern> parse_service(std::string_view text) {
  ServicePattern pattern;
  std::string_view address = text;
  const size_t colon = text.rfind(':');
  // A colon within an address of IPv6 that stands alone begins no port.
  const bool has_port = colon != std::string_view::npos && (colon == 0 || text[colon - 1] == ']' || text.find(':') == colon);
  if (has_port) {
    const std::string_view port = text.substr(colon + 1);
    address = text.substr(0, colon);
    const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), pattern.port);
    if (failure != std::errc{} || end != port.data() + port.size() || pattern.port == 0) return std::nullopt;
  }
  if (address.empty()) return has_port ? std::optional(pattern) : std::nullopt;
  const bool in_brackets = address.size() > 2 && address.front() == '[' && address.back() == ']';
  if (in_brackets) address = address.substr(1, address.size() - 2);
  const bool is_v6 = address.find(':') != std::string_view::npos;
  if (in_brackets != is_v6 && (in_brackets || has_port)) return std::nullopt;
  pattern.address = canonical(address);
  return pattern.address.empty() ? std::nullopt : std::optional(pattern);
}

}  // namespace parallax
