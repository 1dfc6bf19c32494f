// A JSON object written field by field to the end of a text; for forms that are others' (Zeek's, Alertmanager's) and so no
// message of ours. Strings may be anything: see append_json_string().
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "daemon/message/json.h"

namespace parallax {

class JsonObject {
 public:
  explicit JsonObject(std::string& out) : out_(out) { out_ += '{'; }
  JsonObject(const JsonObject&) = delete;
  JsonObject& operator=(const JsonObject&) = delete;

  // The field's name; its value is to follow.
  std::string& key(std::string_view name) {
    if (!is_first_) out_ += ',';
    is_first_ = false;
    append_json_string(name, out_);
    return out_ += ':';
  }
  void add(std::string_view name, std::string_view value) { append_json_string(value, key(name)); }
  void add(std::string_view name, const std::string& value) { add(name, std::string_view(value)); }
  void add(std::string_view name, const char* value) { add(name, std::string_view(value)); }
  void add(std::string_view name, std::same_as<bool> auto value) { key(name) += value ? "true" : "false"; }
  void add(std::string_view name, std::unsigned_integral auto value) requires(!std::same_as<decltype(value), bool>) {
    key(name) += std::to_string(value);
  }
  template <typename List>
  void add_list(std::string_view name, const List& values) {
    key(name) += '[';
    bool is_first = true;
    for (const auto& value : values) {
      if (!is_first) out_ += ',';
      is_first = false;
      if constexpr (std::integral<std::decay_t<decltype(value)>>) {
        out_ += std::to_string(value);
      } else {
        append_json_string(value, out_);
      }
    }
    out_ += ']';
  }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool is_first_ = true;
};

}  // namespace parallax
