// The first messages of protocols, written byte by byte: for tests of their parsers and as seeds of the fuzzers.
//
// Lengths are computed, nothing is checked: a test breaks what it likes.
#pragma once

#include <string_view>

#include "tests/support/wire.h"

namespace parallax::test {

inline Wire text(std::string_view s) { return {s.begin(), s.end()}; }
inline Wire counted8(const Wire& body) { return Wire{static_cast<uint8_t>(body.size())} + body; }
inline Wire counted16(const Wire& body) { return be16(static_cast<uint32_t>(body.size())) + body; }
inline Wire be24(size_t v) { return Wire{static_cast<uint8_t>(v >> 16)} + be16(static_cast<uint32_t>(v)); }
inline Wire counted24(const Wire& body) { return be24(body.size()) + body; }
inline Wire first(const Wire& bytes, size_t count) { return {bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count)}; }
inline Wire after(const Wire& bytes, size_t count) { return {bytes.begin() + static_cast<ptrdiff_t>(count), bytes.end()}; }
inline Wire repeated(uint8_t byte, size_t count) { return Wire(count, byte); }

// --- TLS ---
inline Wire tls_record(uint8_t type, const Wire& body, uint16_t version = 0x0301) {
  return Wire{type} + be16(version) + counted16(body);
}
inline Wire tls_handshake(uint8_t type, const Wire& body) { return Wire{type} + counted24(body); }
inline Wire tls_extension(uint16_t type, const Wire& body) { return be16(type) + counted16(body); }
inline Wire tls_server_name(std::string_view name) { return tls_extension(0, counted16(Wire{0} + counted16(text(name)))); }
inline Wire tls_alpn(std::initializer_list<std::string_view> names) {
  Wire list;
  for (const std::string_view name : names) list = list + counted8(text(name));
  return tls_extension(16, counted16(list));
}
inline Wire tls_versions_offered(std::initializer_list<uint16_t> versions) {
  Wire list;
  for (const uint16_t version : versions) list = list + be16(version);
  return tls_extension(43, counted8(list));
}
// The handshake message, to be put into records. The random is 0xc1 throughout, the session id 0xc2.
inline Wire tls_client_hello(const Wire& extensions, uint16_t version = 0x0303) {
  const Wire fixed =
      be16(version) + repeated(0xc1, 32) + counted8(repeated(0xc2, 32)) + counted16(be16(0x1301) + be16(0xc02f)) + counted8({0});
  return tls_handshake(1, fixed + (extensions.empty() ? Wire{} : counted16(extensions)));
}
// The random is 0x51 throughout, the session id 0x52.
inline Wire tls_server_hello(const Wire& extensions, uint16_t version = 0x0303, const Wire& random = repeated(0x51, 32)) {
  const Wire fixed = be16(version) + random + counted8(repeated(0x52, 32)) + be16(0xc02f) + Wire{0};
  return tls_handshake(2, fixed + (extensions.empty() ? Wire{} : counted16(extensions)));
}
inline Wire tls_retry_random() {
  return {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
          0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
}
inline Wire tls_version_chosen(uint16_t version) { return tls_extension(43, be16(version)); }

// --- X.509 ---
inline Wire der(uint8_t tag, const Wire& body) {
  if (body.size() < 0x80) return Wire{tag, static_cast<uint8_t>(body.size())} + body;
  return Wire{tag, 0x82} + counted16(body);
}
inline Wire der_name_part(uint8_t attribute, uint8_t string_tag, std::string_view value) {
  return der(0x31, der(0x30, der(0x06, {0x55, 0x04, attribute}) + der(string_tag, text(value))));
}
inline Wire der_dns_names(std::initializer_list<std::string_view> names) {
  Wire list = der(0x87, {192, 0, 2, 1});  // an address is no name
  for (const std::string_view name : names) list = list + der(0x82, text(name));
  return der(0x30, der(0x06, {0x55, 0x1d, 0x11}) + der(0x01, {0xff}) + der(0x04, der(0x30, list)));
}
// `subject`: parts of a name. `extensions`: whole ones; none: a certificate of version 1.
inline Wire x509_certificate(const Wire& subject, const Wire& extensions) {
  const Wire algorithm = der(0x30, der(0x06, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}));
  const Wire issuer = der(0x30, der_name_part(3, 0x0c, "An Authority"));
  const Wire validity = der(0x30, der(0x17, text("260101000000Z")) + der(0x17, text("270101000000Z")));
  const Wire key = der(0x30, algorithm + der(0x03, repeated(4, 66)));
  const Wire version = extensions.empty() ? Wire{} : der(0xa0, der(0x02, {2}));
  const Wire last = extensions.empty() ? Wire{} : der(0xa3, der(0x30, extensions));
  const Wire to_be_signed =
      der(0x30, version + der(0x02, {1, 2, 3}) + algorithm + issuer + validity + der(0x30, subject) + key + last);
  return der(0x30, to_be_signed + algorithm + der(0x03, repeated(9, 70)));
}
inline Wire x509_basic_constraints() { return der(0x30, der(0x06, {0x55, 0x1d, 0x13}) + der(0x04, der(0x30, {}))); }
inline Wire tls_certificate(const Wire& leaf) { return tls_handshake(11, counted24(counted24(leaf))); }

// --- PROXY protocol, version 2 ---
inline Wire proxy_v2(uint8_t command, uint8_t family_and_transport, const Wire& rest) {
  return Wire{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a} +
         Wire{static_cast<uint8_t>(0x20 | command), family_and_transport} + counted16(rest);
}
inline Wire proxy_inet() { return Wire{192, 0, 2, 1, 198, 51, 100, 2} + be16(40000) + be16(443); }
inline Wire proxy_tlv(uint8_t type, const Wire& value) { return Wire{type} + counted16(value); }

// --- DNS ---
inline Wire dns_name(std::initializer_list<std::string_view> labels) {
  Wire name;
  for (const std::string_view label : labels) name = name + counted8(text(label));
  return name + Wire{0};
}
inline Wire dns_header(uint16_t id, uint16_t flags, uint16_t questions, uint16_t answers) {
  return be16(id) + be16(flags) + be16(questions) + be16(answers) + be32(0);
}

// --- DHCP ---
inline Wire dhcp_option(uint8_t code, const Wire& value) { return Wire{code} + counted8(value); }
// `options` follow the cookie; their end is not added.
inline Wire dhcp(uint8_t operation, const Wire& options) {
  return Wire{operation, 1, 6, 0} + be32(0x12345678) + be32(0) + zeros(4) + Wire{192, 0, 2, 50} + zeros(4) + Wire{192, 0, 2, 1} +
         Wire{2, 0, 0, 0, 0, 7} + zeros(10) + zeros(192) + be32(0x63825363) + options;
}

}  // namespace parallax::test
