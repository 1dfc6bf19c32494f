#include "analysis/protocol/named_address.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "analysis/protocol/byte_reader.h"

namespace parallax {
namespace {

Endpoint ipv4_endpoint(const std::array<uint8_t, 6>& bytes) {
  Endpoint end;
  end.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, bytes[0], bytes[1], bytes[2], bytes[3]};
  end.port = static_cast<uint16_t>(bytes[4] << 8 | bytes[5]);
  return end;
}

// Six numbers with commas between them; false: there is something else. Moves `text` behind them.
bool read_numbers(std::string_view& text, std::array<uint8_t, 6>& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint32_t value = 0;
    size_t digits = 0;
    for (; digits < text.size() && digits < 3 && text[digits] >= '0' && text[digits] <= '9'; ++digits)
      value = value * 10 + static_cast<uint32_t>(text[digits] - '0');
    if (digits == 0 || value > 255) return false;
    text.remove_prefix(digits);
    out[i] = static_cast<uint8_t>(value);
    if (i + 1 == out.size()) return true;
    if (text.empty() || text[0] != ',') return false;
    text.remove_prefix(1);
  }
  return true;
}

}  // namespace

ParseStatus parse_ftp_passive_reply(std::span<const uint8_t> bytes, Endpoint& out) {
  constexpr std::string_view kCode = "227 ";
  out = {};
  std::string_view text = as_text(bytes);
  if (text.substr(0, kCode.size()) != kCode.substr(0, text.size())) return ParseStatus::foreign;
  const size_t end = text.substr(0, kFtpReplyBytesMax).find('\n');
  if (end == text.npos) return text.size() >= kFtpReplyBytesMax ? ParseStatus::foreign : ParseStatus::more;
  text = text.substr(0, end);
  // With brackets or without (RFC 1123, 4.1.2.6): the first digit behind the code.
  const size_t begin = text.find_first_of("0123456789", kCode.size());
  if (begin == text.npos) return ParseStatus::broken;
  text.remove_prefix(begin);
  std::array<uint8_t, 6> numbers{};
  if (!read_numbers(text, numbers)) return ParseStatus::broken;
  out = ipv4_endpoint(numbers);
  return ParseStatus::done;
}

ParseStatus parse_rpc_endpoint_map(std::span<const uint8_t> bytes, Endpoint& out) {
  constexpr size_t kHeader = 24;
  constexpr std::array<uint8_t, 3> kResponse{5, 0, 2};  // version 5.0, response
  out = {};
  const size_t known = std::min(bytes.size(), kResponse.size());
  if (!std::equal(kResponse.begin(), kResponse.begin() + static_cast<ptrdiff_t>(known), bytes.begin()))
    return ParseStatus::foreign;
  if (bytes.size() < kHeader) return ParseStatus::more;
  if (bytes[4] != 0x10) return ParseStatus::foreign;  // little-endian, as all that carry on TCP to a mapper
  const size_t length = std::min<size_t>(static_cast<size_t>(bytes[8] | bytes[9] << 8), kRpcFragmentBytesMax);
  if (length < kHeader) return ParseStatus::broken;
  // A floor's left side is a protocol, its right side what that protocol needs: TCP (7) a port, IP (9) an address, each behind
  // its length.
  constexpr std::array<uint8_t, 5> kTcp{1, 0, 7, 2, 0}, kIp{1, 0, 9, 4, 0};
  constexpr size_t kFloors = kTcp.size() + 2 + kIp.size() + 4;
  const auto fragment = bytes.first(std::min(bytes.size(), length));
  for (size_t at = kHeader; at + kFloors <= fragment.size(); ++at) {
    const auto tcp = fragment.subspan(at), ip = fragment.subspan(at + kTcp.size() + 2);
    if (!std::equal(kTcp.begin(), kTcp.end(), tcp.begin()) || !std::equal(kIp.begin(), kIp.end(), ip.begin())) continue;
    out = ipv4_endpoint({ip[5], ip[6], ip[7], ip[8], tcp[5], tcp[6]});
    return ParseStatus::done;
  }
  return bytes.size() >= length ? ParseStatus::foreign : ParseStatus::more;
}

}  // namespace parallax
