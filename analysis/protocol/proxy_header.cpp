#include "analysis/protocol/proxy_header.h"

#include <algorithm>
#include <array>

#include "analysis/model/address_text.h"
#include "analysis/protocol/byte_reader.h"

namespace parallax {

namespace {

constexpr std::string_view kSignatureV1 = "PROXY ";
constexpr std::string_view kSignatureV2{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr size_t kHeaderV2Bytes = 16;
constexpr uint32_t kUniqueIdBytesMax = 128;

enum Family : uint8_t { kUnspecified = 0, kInet = 1, kInet6 = 2, kUnix = 3 };
enum Transport : uint8_t { kStream = 1, kDatagram = 2 };
enum Tlv : uint8_t { kAuthority = 0x02, kUniqueId = 0x05, kTls = 0x20 };

// The next word of a line; words are parted by one space.
std::string_view next_word(std::string_view& line) {
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(word.size() + 1, line.size()));
  return word;
}

bool read_words(std::string_view line, ProxyHeader& out) {
  const bool spaced = line.ends_with(' ');
  const std::string_view family = next_word(line);
  if (family == "UNKNOWN") return true;  // and whatever follows
  if ((family != "TCP4" && family != "TCP6") || spaced) return false;
  const auto parse = family == "TCP4" ? parse_ipv4 : parse_ipv6;
  Endpoint source, destination;
  if (!parse(next_word(line), source.address) || !parse(next_word(line), destination.address)) return false;
  if (!parse_port(next_word(line), source.port) || !parse_port(next_word(line), destination.port) || !line.empty()) return false;
  out.has_endpoints = true;
  out.source = source;
  out.destination = destination;
  return true;
}

ParseStatus parse_v1(std::string_view text, ProxyHeader& out) {
  out.version = 1;
  const std::string_view bounded = text.substr(0, kProxyV1BytesMax);
  const size_t end = bounded.find('\n');
  if (end == bounded.npos) return bounded.size() == kProxyV1BytesMax ? ParseStatus::broken : ParseStatus::more;
  if (bounded[end - 1] != '\r' || !read_words(bounded.substr(kSignatureV1.size(), end - 1 - kSignatureV1.size()), out)) {
    return ParseStatus::broken;
  }
  out.header_length = static_cast<uint32_t>(end + 1);
  return ParseStatus::done;
}

Address read_address(ByteReader& in, Scope& scope, Family family) {
  Address address{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const uint32_t size = family == kInet ? 4 : 16;
  std::ranges::copy(in.bytes(scope, size), address.end() - size);
  return address;
}

void read_addresses(ByteReader& in, Scope& scope, Family family, ProxyHeader& out) {
  constexpr uint32_t kUnixBytes = 216;
  if (family == kUnix) {
    in.bytes(scope, kUnixBytes);
  } else {
    Endpoint source, destination;
    source.address = read_address(in, scope, family);
    destination.address = read_address(in, scope, family);
    source.port = in.u16(scope);
    destination.port = in.u16(scope);
    if (!in.ok()) return;
    out.has_endpoints = true;
    out.source = source;
    out.destination = destination;
  }
}

void read_tlvs(ByteReader& in, Scope& scope, ProxyHeader& out) {
  while (in.ok() && scope.left > 0 && out.tlv_count < kProxyTlvsMax) {
    const uint8_t type = in.u8(scope);
    const std::span<const uint8_t> value = in.bytes(scope, in.u16(scope));
    if (!in.ok()) return;
    ++out.tlv_count;
    if (type == kAuthority && out.authority.empty()) out.authority = as_text(value);
    if (type == kUniqueId && out.unique_id.empty() && value.size() <= kUniqueIdBytesMax) out.unique_id = value;
    if (type == kTls && !value.empty()) out.tls |= (value[0] & 1) != 0;
  }
}

ParseStatus parse_v2(std::span<const uint8_t> bytes, ProxyHeader& out) {
  out.version = 2;
  ByteReader in(bytes);
  Scope all;
  in.bytes(all, kSignatureV2.size());
  const uint8_t version_and_command = in.u8(all);
  if (in.ok() && (version_and_command & 0xfe) != 0x20) return ParseStatus::broken;  // LOCAL and PROXY are all there is
  const uint8_t family_and_transport = in.u8(all);
  const uint8_t transport = family_and_transport & 0xf;
  if (in.ok() && (family_and_transport >> 4 > kUnix || transport > kDatagram)) return ParseStatus::broken;
  const auto family = transport == 0 ? kUnspecified : static_cast<Family>(family_and_transport >> 4);
  const uint16_t length = in.u16(all);
  if (!in.ok()) return in.status();
  Scope rest = in.open(all, length);
  out.local = (version_and_command & 1) == 0;
  out.datagram = transport == kDatagram;
  out.header_length = static_cast<uint32_t>(kHeaderV2Bytes + length);
  if (!out.local && family != kUnspecified) {  // else there may be addresses, which mean nothing
    read_addresses(in, rest, family, out);
    read_tlvs(in, rest, out);
  }
  in.skip(rest);
  return in.status();
}

}  // namespace

ParseStatus parse_proxy_header(std::span<const uint8_t> bytes, ProxyHeader& out) {
  out = {};
  const std::string_view text = as_text(bytes);
  if (text.starts_with(kSignatureV1)) return parse_v1(text, out);
  if (text.starts_with(kSignatureV2)) return parse_v2(bytes, out);
  return kSignatureV1.starts_with(text) || kSignatureV2.starts_with(text) ? ParseStatus::more : ParseStatus::foreign;
}

}  // namespace parallax
