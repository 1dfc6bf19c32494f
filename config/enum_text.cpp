#include "config/enum_text.h"

#include <string_view>
#include <utility>

namespace parallax {
namespace {

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char to_lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

// PortDirection -> PORT_DIRECTION_
std::string prefix_of(const google::protobuf::EnumDescriptor& type) {
  std::string prefix;
  for (const char c : type.name()) {
    if (is_upper(c) && !prefix.empty()) prefix += '_';
    prefix += to_upper(c);
  }
  return prefix + '_';
}

}  // namespace

std::string enum_text(const google::protobuf::EnumValueDescriptor& value) {
  const std::string prefix = prefix_of(*value.type());
  std::string_view name = value.name();
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  std::string text(name);
  for (char& c : text) c = to_lower(c);
  return text;
}

std::vector<std::string> enum_words(const google::protobuf::EnumDescriptor& type) {
  std::vector<std::string> words;
  for (int i = 0; i < type.value_count(); ++i) {
    if (std::string word = enum_text(*type.value(i)); word != "unspecified") words.push_back(std::move(word));
  }
  return words;
}

const google::protobuf::EnumValueDescriptor* find_enum_value(const google::protobuf::EnumDescriptor& type,
                                                             const std::string& text) {
  for (int i = 0; i < type.value_count(); ++i) {
    if (enum_text(*type.value(i)) == text) return type.value(i);
  }
  return nullptr;
}

}  // namespace parallax
