// A walk over the DER of a certificate (X.690), at a fixed depth: what is not on the way to a name is passed over unread.
#include "analysis/protocol/x509_names.h"

#include <algorithm>

#include "analysis/protocol/byte_reader.h"

namespace parallax {

namespace {

enum Tag : uint8_t {
  kInteger = 0x02,
  kOctetString = 0x04,
  kObjectId = 0x06,
  kUtf8String = 0x0c,
  kPrintableString = 0x13,
  kTeletexString = 0x14,
  kIa5String = 0x16,
  kSequence = 0x30,
  kSet = 0x31,
  kDnsName = 0x82,     // [2] of GeneralName
  kVersion = 0xa0,     // [0] of TBSCertificate
  kExtensions = 0xa3,  // [3] of TBSCertificate
};
constexpr uint8_t kCommonName[] = {0x55, 0x04, 0x03};      // 2.5.4.3
constexpr uint8_t kSubjectAltName[] = {0x55, 0x1d, 0x11};  // 2.5.29.17

struct Element {
  uint8_t tag = 0;
  Scope body{0};
};

// Lengths of up to four bytes; neither tags of several bytes nor lengths that are left open, which DER forbids.
Element next_element(ByteReader& in, Scope& scope) {
  Element element;
  element.tag = in.u8(scope);
  if ((element.tag & 0x1f) == 0x1f) in.fail(ParseStatus::broken);
  uint32_t length = in.u8(scope);
  if (length >= 0x80) {
    const uint32_t size = length & 0x7f;
    if (size == 0 || size > 4) in.fail(ParseStatus::broken);
    length = 0;
    for (uint32_t i = 0; i < size && in.ok(); ++i) length = length << 8 | in.u8(scope);
  }
  element.body = in.open(scope, length);
  return element;
}

Scope enter(ByteReader& in, Scope& scope, Tag tag) {
  const Element element = next_element(in, scope);
  if (element.tag != tag) in.fail(ParseStatus::broken);
  return element.body;
}

void pass(ByteReader& in, Scope& scope, Tag tag) {
  Scope body = enter(in, scope, tag);
  in.skip(body);
}

bool is_object(ByteReader& in, Scope& scope, std::span<const uint8_t> id) {
  Scope body = enter(in, scope, kObjectId);
  return std::ranges::equal(in.bytes(body, body.left), id);
}

bool is_text(uint8_t tag) { return tag == kUtf8String || tag == kPrintableString || tag == kTeletexString || tag == kIa5String; }

// RDNSequence: a sequence of sets of pairs of a type and a value.
void read_subject(ByteReader& in, Scope subject, X509Names& out) {
  std::string_view common_name;
  while (in.ok() && subject.left > 0) {
    Scope set = enter(in, subject, kSet);
    while (in.ok() && set.left > 0) {
      Scope pair = enter(in, set, kSequence);
      const bool wanted = is_object(in, pair, kCommonName);
      Element value = next_element(in, pair);
      const auto text = in.bytes(value.body, value.body.left);
      if (wanted && in.ok() && is_text(value.tag)) common_name = as_text(text);
      in.skip(pair);
    }
  }
  if (in.ok()) out.common_name = common_name;
}

void read_subject_alt_name(ByteReader& in, Scope octets, X509Names& out) {
  Scope names = enter(in, octets, kSequence);
  while (in.ok() && names.left > 0) {
    Element name = next_element(in, names);
    const auto text = in.bytes(name.body, name.body.left);
    if (name.tag != kDnsName || !in.ok()) continue;
    if (out.dns_name_count < kX509DnsNamesMax) out.dns_names[out.dns_name_count] = as_text(text);
    ++out.dns_name_count;
  }
}

void read_extensions(ByteReader& in, Scope extensions, X509Names& out) {
  Scope list = enter(in, extensions, kSequence);
  while (in.ok() && list.left > 0) {
    Scope extension = enter(in, list, kSequence);
    if (is_object(in, extension, kSubjectAltName)) {
      Element value = next_element(in, extension);
      if (value.tag != kOctetString) {  // that was whether it is critical
        in.skip(value.body);
        value = next_element(in, extension);
      }
      if (value.tag != kOctetString) in.fail(ParseStatus::broken);
      return read_subject_alt_name(in, value.body, out);
    }
    in.skip(extension);
  }
}

}  // namespace

ParseStatus parse_x509_names(std::span<const uint8_t> bytes, X509Names& out) {
  out = {};
  if (!bytes.empty() && bytes[0] != kSequence) return ParseStatus::foreign;
  ByteReader in(bytes);
  Scope all;
  Scope certificate = enter(in, all, kSequence);
  Scope to_be_signed = enter(in, certificate, kSequence);
  Element serial = next_element(in, to_be_signed);
  if (serial.tag == kVersion) {
    in.skip(serial.body);
    serial = next_element(in, to_be_signed);
  }
  if (serial.tag != kInteger) in.fail(ParseStatus::broken);
  in.skip(serial.body);
  pass(in, to_be_signed, kSequence);  // signature algorithm
  pass(in, to_be_signed, kSequence);  // issuer
  pass(in, to_be_signed, kSequence);  // validity
  read_subject(in, enter(in, to_be_signed, kSequence), out);
  pass(in, to_be_signed, kSequence);          // public key
  while (in.ok() && to_be_signed.left > 0) {  // two unique identifiers at most, then the extensions
    Element element = next_element(in, to_be_signed);
    if (element.tag == kExtensions) {
      read_extensions(in, element.body, out);
      break;
    }
    in.skip(element.body);
  }
  return in.status();
}

}  // namespace parallax
