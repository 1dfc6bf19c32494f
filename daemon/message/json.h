// Messages as JSON, one line each, as the contract has it: proto field names, enum values in lower case without prefix,
// 64-bit integers as numbers, zeros and empty lists printed, times in RFC 3339. Deterministic to the byte.
// Absent is only what has presence and is not set, and what is marked omit_empty and is empty.
#pragma once

#include <google/protobuf/message.h>

#include <string>

namespace parallax {

void append_json(const google::protobuf::Message& message, std::string& out);
std::string to_json(const google::protobuf::Message& message);

// With quotes. What is not valid UTF-8 becomes U+FFFD, so that the line stays valid JSON whatever the packets held.
void append_json_string(std::string_view text, std::string& out);

}  // namespace parallax
