#include "analysis/model/address_text.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace parallax {

namespace {

// inet_pton() wants a terminated string. `bytes`: as many as the family's addresses have.
bool parse(int family, std::string_view text, uint8_t* bytes) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.empty() || text.size() >= terminated.size() || text.find('\0') != text.npos) return false;
  std::copy(text.begin(), text.end(), terminated.begin());
  return inet_pton(family, terminated.data(), bytes) == 1;
}

}  // namespace

bool parse_ipv4(std::string_view text, Address& out) {
  Address address{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (!parse(AF_INET, text, address.data() + 12)) return false;
  out = address;
  return true;
}

bool parse_ipv6(std::string_view text, Address& out) {
  Address address;
  if (!parse(AF_INET6, text, address.data())) return false;
  out = address;
  return true;
}

bool parse_address(std::string_view text, Address& out) { return parse_ipv4(text, out) || parse_ipv6(text, out); }

bool parse_port(std::string_view text, uint16_t& out) {
  if (text.empty() || text.size() > 5) return false;
  uint32_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<uint32_t>(c - '0');
  }
  if (value > UINT16_MAX) return false;
  out = static_cast<uint16_t>(value);
  return true;
}

}  // namespace parallax
