#include "daemon/message/community_id.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace parallax {
namespace {

// An IPv4 address is hashed as its four bytes.
std::span<const uint8_t> bytes_of(const Address& address) {
  constexpr std::array<uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool is_ipv4 = std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.begin());
  return std::span(address).subspan(is_ipv4 ? kMappedPrefix.size() : 0);
}

void append(uint16_t value, std::vector<uint8_t>& input) {
  input.push_back(static_cast<uint8_t>(value >> 8));
  input.push_back(static_cast<uint8_t>(value));
}

}  // namespace

std::string community_id(Protocol protocol, const Endpoint& one, const Endpoint& other, uint16_t seed) {
  const auto& [lower, upper] = std::minmax(one, other);
  std::vector<uint8_t> input;
  append(seed, input);
  for (const Endpoint& end : {lower, upper}) {
    const std::span<const uint8_t> address = bytes_of(end.address);
    input.insert(input.end(), address.begin(), address.end());
  }
  input.push_back(protocol == Protocol::tcp ? ip_protocol::tcp : ip_protocol::udp);
  input.push_back(0);
  for (const Endpoint& end : {lower, upper}) append(end.port, input);

  std::array<uint8_t, SHA_DIGEST_LENGTH> digest;
  SHA1(input.data(), input.size(), digest.data());
  std::array<uint8_t, 4 * ((SHA_DIGEST_LENGTH + 2) / 3) + 1> text;
  const int length = EVP_EncodeBlock(text.data(), digest.data(), SHA_DIGEST_LENGTH);
  return "1:" + std::string(text.begin(), text.begin() + length);
}

bool is_community_id(std::string_view text) {
  constexpr size_t kBytes = 4 * ((SHA_DIGEST_LENGTH + 2) / 3);  // base64 of a SHA-1
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return text.size() == 2 + kBytes && text.starts_with("1:") && text.ends_with('=') &&
         text.substr(2, kBytes - 1).find_first_not_of(kLetters) == std::string_view::npos;
}

}  // namespace parallax
