// Whether the daemon knows an enum value of a request: enums of proto3 are open, and any number comes through. Pure.
#pragma once

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/generated_enum_reflection.h>

#include <string>

#include "config/enum_text.h"
#include "config/nearest.h"

namespace parallax {

// Empty where it does; otherwise with the field, and what would be right.
template <typename E>
std::string why_unknown(const char* field, E value) {
  const auto& type = *google::protobuf::GetEnumDescriptor<E>();
  if (type.FindValueByNumber(static_cast<int>(value)) != nullptr) return {};
  return fmt::format("{}: {} is no value of {}: want {}", field, static_cast<int>(value), type.name(), one_of(enum_words(type)));
}

}  // namespace parallax
