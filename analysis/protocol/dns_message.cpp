#include "analysis/protocol/dns_message.h"

#include "analysis/protocol/byte_reader.h"

namespace parallax {

namespace {

constexpr uint32_t kHeaderBytes = 12;
constexpr uint32_t kLabelBytesMax = 63;
constexpr uint16_t kQuestionsMax = 256;  // mDNS asks some dozens at once; more than that is something else

// What opcodes there are (IANA): 3 has none, and none is above 6.
bool is_opcode(uint8_t opcode) { return opcode <= 6 && opcode != 3; }

bool read_header(ByteReader& in, Scope& scope, DnsMessage& out) {
  DnsMessage header;
  header.id = in.u16(scope);
  header.flags = in.u16(scope);
  header.question_count = in.u16(scope);
  header.answer_count = in.u16(scope);
  header.authority_count = in.u16(scope);
  header.additional_count = in.u16(scope);
  header.response = (header.flags & 0x8000) != 0;
  header.truncated = (header.flags & 0x0200) != 0;
  header.opcode = header.flags >> 11 & 0xf;
  header.rcode = header.flags & 0xf;
  if (!in.ok()) return false;
  const bool empty = header.question_count + header.answer_count + header.authority_count + header.additional_count == 0;
  if (!is_opcode(header.opcode) || header.question_count > kQuestionsMax || (empty && !header.response)) {
    in.fail(ParseStatus::foreign);
    return false;
  }
  header.has_header = true;
  out = header;
  return true;
}

// The first name of a message has nothing before it that a pointer could point to.
void read_question(ByteReader& in, Scope& scope, std::span<const uint8_t> bytes, DnsMessage& out) {
  const size_t start = in.position();
  for (uint8_t length = 1; in.ok() && length > 0;) {  // at most 128 labels: the name's limit
    length = in.u8(scope);
    if (length > kLabelBytesMax || in.position() + length - start > kDnsNameBytesMax) in.fail(ParseStatus::broken);
    in.bytes(scope, length);
  }
  const auto name = bytes.subspan(start, in.position() - start);
  const uint16_t type = in.u16(scope);
  const uint16_t question_class = in.u16(scope);
  if (!in.ok()) return;
  out.has_question = true;
  out.name = as_text(name);
  out.type = type;
  out.question_class = question_class;
}

ParseStatus parse(ByteReader& in, Scope& scope, std::span<const uint8_t> bytes, DnsMessage& out) {
  if (read_header(in, scope, out) && out.question_count > 0) read_question(in, scope, bytes, out);
  return in.status();
}

}  // namespace

ParseStatus parse_dns_message(std::span<const uint8_t> bytes, DnsMessage& out) {
  out = {};
  ByteReader in(bytes);
  Scope all;
  return parse(in, all, bytes, out);
}

ParseStatus parse_dns_stream(std::span<const uint8_t> bytes, DnsMessage& out, uint16_t& message_length) {
  out = {};
  message_length = 0;
  ByteReader in(bytes);
  Scope all;
  const uint16_t length = in.u16(all);
  if (!in.ok()) return in.status();
  if (length < kHeaderBytes) return ParseStatus::foreign;
  message_length = length;
  Scope message = in.open(all, length);
  return parse(in, message, bytes, out);
}

std::string dns_name_text(std::string_view wire_name) {
  constexpr char kDigits[] = "0123456789";
  std::string text;
  for (size_t at = 0; at < wire_name.size();) {
    const size_t length = static_cast<uint8_t>(wire_name[at++]);
    if (length == 0) break;
    if (!text.empty()) text += '.';
    for (const char c : wire_name.substr(at, length)) {
      const auto byte = static_cast<uint8_t>(c);
      const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                         byte == '-' || byte == '_';
      if (plain) {
        text += c;
      } else {
        text.append({'\\', kDigits[byte / 100], kDigits[byte / 10 % 10], kDigits[byte % 10]});
      }
    }
    at += length;
  }
  return text.empty() ? "." : text;
}

std::string_view dns_type_name(uint16_t type) {
  switch (type) {
    case 1:
      return "A";
    case 2:
      return "NS";
    case 5:
      return "CNAME";
    case 6:
      return "SOA";
    case 12:
      return "PTR";
    case 15:
      return "MX";
    case 16:
      return "TXT";
    case 28:
      return "AAAA";
    case 33:
      return "SRV";
    case 35:
      return "NAPTR";
    case 43:
      return "DS";
    case 48:
      return "DNSKEY";
    case 52:
      return "TLSA";
    case 64:
      return "SVCB";
    case 65:
      return "HTTPS";
    case 251:
      return "IXFR";
    case 252:
      return "AXFR";
    case 255:
      return "ANY";
    case 257:
      return "CAA";
    default:
      return "";
  }
}

std::string_view dns_rcode_name(uint8_t rcode) {
  constexpr std::string_view kNames[] = {"NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
                                         "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE"};
  return rcode < std::size(kNames) ? kNames[rcode] : "";
}

}  // namespace parallax
