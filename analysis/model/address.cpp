// Addresses and endpoints as text.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "analysis/model/model.h"

namespace parallax {
namespace {
constexpr std::array<uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
bool is_ipv4(const Address& address) { return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.begin()); }
}  // namespace

std::string to_string(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (!is_ipv4(address)) return inet_ntop(AF_INET6, address.data(), text.data(), text.size());
  // As inet_ntop(), which takes ten times as long.
  char* at = text.data();
  for (size_t i = kMappedPrefix.size(); i < address.size(); ++i) {
    if (i > kMappedPrefix.size()) *at++ = '.';
    at = std::to_chars(at, text.data() + text.size(), address[i]).ptr;
  }
  return {text.data(), at};
}

std::string to_string(const Endpoint& endpoint) {
  const std::string address = to_string(endpoint.address);
  return (is_ipv4(endpoint.address) ? address : "[" + address + "]") + ":" + std::to_string(endpoint.port);
}

}  // namespace parallax
