// The beginning of a DNS message: header and first question (RFC 1035, 4.1). mDNS and LLMNR look the same. Nothing in it says
// that it is DNS, so the port has to; `foreign` is what cannot be. Promises: parse_status.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "analysis/protocol/parse_status.h"

namespace parallax {

inline constexpr size_t kDnsNameBytesMax = 255;  // RFC 1035, 2.3.4: on the wire, with its length bytes and the root's

struct DnsMessage {
  bool has_header = false;  // what the twelve bytes say, down to additional_count
  uint16_t id = 0;
  uint16_t flags = 0;
  bool response = false;
  bool truncated = false;
  uint8_t opcode = 0;
  uint8_t rcode = 0;
  uint16_t question_count = 0, answer_count = 0, authority_count = 0, additional_count = 0;
  bool has_question = false;  // name, type and question_class hold
  std::string_view name;      // in wire form, length bytes and the root's zero included: 1 to kDnsNameBytesMax
  uint16_t type = 0;
  uint16_t question_class = 0;  // as on the wire: mDNS uses the upper bit for "answer by unicast"
};

// A datagram's payload.
ParseStatus parse_dns_message(std::span<const uint8_t> bytes, DnsMessage& out);

// The first bytes of a direction of DNS over TCP: two bytes of length before the message (RFC 7766, 8).
// `message_length`: of the first message without them, 0 until known.
ParseStatus parse_dns_stream(std::span<const uint8_t> bytes, DnsMessage& out, uint16_t& message_length);

// "www.example.com", "." for the root. Whatever is not a letter, a digit, '-' or '_' is written as \DDD (RFC 1035, 5.1): fit to
// print. Allocates; for records and people.
std::string dns_name_text(std::string_view wire_name);
std::string_view dns_type_name(uint16_t type);   // "AAAA"; "" if unknown
std::string_view dns_rcode_name(uint8_t rcode);  // "NXDOMAIN"; "" if unknown

}  // namespace parallax
