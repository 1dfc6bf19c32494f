#include "analysis/model/address_prefix.h"

#include <algorithm>
#include <charconv>

#include "analysis/model/address_text.h"

namespace parallax {
namespace {

constexpr Address kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr uint8_t kMappedBits = 96;  // RFC 4291, 2.5.5.2

bool begin_alike(const Address& a, const Address& b, uint8_t bits) {
  const size_t bytes = bits / 8;
  if (!std::equal(a.begin(), a.begin() + bytes, b.begin())) return false;
  return bits % 8 == 0 || ((a[bytes] ^ b[bytes]) >> (8 - bits % 8)) == 0;
}

}  // namespace

bool AddressPrefix::contains(const Address& address) const {
  if (bits < kMappedBits && begin_alike(address, kMapped, kMappedBits)) return false;
  return begin_alike(address, first, bits);
}

std::optional<AddressPrefix> parse_address_prefix(std::string_view text) {
  const size_t slash = text.find('/');
  AddressPrefix prefix;
  if (!parse_address(text.substr(0, slash), prefix.first)) return std::nullopt;
  if (slash == std::string_view::npos) return prefix;
  const bool is_ipv4 = text.substr(0, slash).find(':') == std::string_view::npos;
  const std::string_view length = text.substr(slash + 1);
  uint8_t bits = 0;
  const auto [end, failure] = std::from_chars(length.data(), length.data() + length.size(), bits);
  if (failure != std::errc{} || end != length.data() + length.size() || bits > (is_ipv4 ? 32 : 128)) return std::nullopt;
  prefix.bits = static_cast<uint8_t>(bits + (is_ipv4 ? kMappedBits : 0));
  return prefix;
}

}  // namespace parallax
