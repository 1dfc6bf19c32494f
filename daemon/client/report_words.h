// How a report puts things: names of values, times, ends, places and counts, the same in the text and on the page.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/generated_enum_reflection.h>

#include <cstdint>
#include <map>
#include <string>

#include "config/enum_text.h"
#include "daemon/message/to_proto.h"
#include "parallax/v1/types.pb.h"

namespace parallax {

// As in JSON: "syn_unanswered".
template <typename Enumerator>
std::string word(Enumerator value) {
  const auto* descriptor = google::protobuf::GetEnumDescriptor<Enumerator>()->FindValueByNumber(value);
  return descriptor != nullptr ? enum_text(*descriptor) : std::to_string(value);
}

// "2024-02-29 12:34:56.123", or without the day; UTC.
std::string short_time(const google::protobuf::Timestamp& time, bool with_day);
std::string endpoint_text(const v1::Endpoint& endpoint);  // 192.0.2.1:80, [2001:db8::1]:80
std::string file_name(const std::string& path);           // without its folders
std::string plural(uint64_t count, const char* one, const char* many);

// "between outside and inside"; a hairpin has both sides at one point.
template <typename Record>
std::string place_of(const Record& record) {
  v1::Where where;
  *where.mutable_between() = record.between();
  return where_text(where);
}

// Half of the packets left as early as they came, or earlier (which counts as 0): then the stamps are of clocks that
// disagree by more than the transit, and the number says nothing.
bool clocks_can_tell(const v1::Distribution& transit);
std::string transit_text(const v1::Distribution& transit);

// "380 established, 15 refused", the most frequent first.
std::string counts_text(const std::map<std::string, uint64_t>& counts);
// "example.com 12, example.org 3 and 7 more": the most frequent ones.
std::string names_text(const std::map<std::string, uint64_t>& counts);

}  // namespace parallax
