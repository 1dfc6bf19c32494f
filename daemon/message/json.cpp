#include "daemon/message/json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "config/enum_text.h"
#include "daemon/message/json_shape.h"
#include "daemon/message/time_text.h"
#include "daemon/message/utf8.h"

namespace parallax {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

template <typename T>
void append_number(T value, std::string& out) {
  std::array<char, 32> text;
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  out.append(text.data(), end);
}

// JSON knows no infinity and no "not a number"; they would be a defect upstream, and must not spoil the line.
void append_double(double value, std::string& out) { append_number(std::isfinite(value) && value != 0 ? value : 0.0, out); }

void append_message(const Message& message, const JsonShape& shape, std::string& out);

// A value that a newer program sent: its number is all that is known.
void append_word(const JsonField& field, int number, std::string& out) {
  const auto index = static_cast<size_t>(number);
  if (number >= 0 && index < field.words.size() && !field.words[index].empty()) {
    out += field.words[index];
    return;
  }
  const auto* value = field.field->enum_type()->FindValueByNumber(number);
  append_json_string(value != nullptr ? enum_text(*value) : std::to_string(number), out);
}

// The field's value, or element `index` of a repeated one (-1: not repeated).
void append_value(const Message& message, const Reflection& reflection, const JsonField& shape, int index, std::string& out) {
  const FieldDescriptor& field = *shape.field;
  const bool repeated = index >= 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return append_number(repeated ? reflection.GetRepeatedInt32(message, &field, index) : reflection.GetInt32(message, &field),
                           out);
    case FieldDescriptor::CPPTYPE_INT64:
      return append_number(repeated ? reflection.GetRepeatedInt64(message, &field, index) : reflection.GetInt64(message, &field),
                           out);
    case FieldDescriptor::CPPTYPE_UINT32:
      return append_number(
          repeated ? reflection.GetRepeatedUInt32(message, &field, index) : reflection.GetUInt32(message, &field), out);
    case FieldDescriptor::CPPTYPE_UINT64:
      return append_number(
          repeated ? reflection.GetRepeatedUInt64(message, &field, index) : reflection.GetUInt64(message, &field), out);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return append_double(
          repeated ? reflection.GetRepeatedDouble(message, &field, index) : reflection.GetDouble(message, &field), out);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return append_double(repeated ? reflection.GetRepeatedFloat(message, &field, index) : reflection.GetFloat(message, &field),
                           out);
    case FieldDescriptor::CPPTYPE_BOOL:
      out += (repeated ? reflection.GetRepeatedBool(message, &field, index) : reflection.GetBool(message, &field)) ? "true"
                                                                                                                   : "false";
      return;
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number =
          repeated ? reflection.GetRepeatedEnumValue(message, &field, index) : reflection.GetEnumValue(message, &field);
      return append_word(shape, number, out);
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      return append_json_string(repeated ? reflection.GetRepeatedStringReference(message, &field, index, &scratch)
                                         : reflection.GetStringReference(message, &field, &scratch),
                                out);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return append_message(
          repeated ? reflection.GetRepeatedMessage(message, &field, index) : reflection.GetMessage(message, &field),
          *shape.message, out);
  }
}

void append_map(const Message& message, const Reflection& reflection, const JsonField& shape, std::string& out) {
  const FieldDescriptor& field = *shape.field;
  const JsonField &key_shape = shape.message->fields[0], &value_shape = shape.message->fields[1];  // of every map's entries
  struct Entry {
    std::string key;
    const Message* entry;
  };
  std::vector<Entry> entries;
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    std::string key;
    if (key_shape.field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      key = entry.GetReflection()->GetString(entry, key_shape.field);
    } else {
      append_value(entry, *entry.GetReflection(), key_shape, -1, key);
    }
    entries.push_back({std::move(key), &entry});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });
  out += '{';
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(entries[i].key, out);
    out += ':';
    append_value(*entries[i].entry, *entries[i].entry->GetReflection(), value_shape, -1, out);
  }
  out += '}';
}

void append_list(const Message& message, const Reflection& reflection, const JsonField& field, std::string& out) {
  const int size = reflection.FieldSize(message, field.field);
  out += '[';
  for (int i = 0; i < size; ++i) {
    if (i > 0) out += ',';
    append_value(message, reflection, field, i, out);
  }
  out += ']';
}

bool is_empty(const Message& message, const Reflection& reflection, const FieldDescriptor& field) {
  return field.is_repeated() ? reflection.FieldSize(message, &field) == 0 : !reflection.HasField(message, &field);
}

void append_message(const Message& message, const JsonShape& shape, std::string& out) {
  if (shape.is_timestamp) {
    const auto& time = static_cast<const google::protobuf::Timestamp&>(message);
    out += '"';
    append_time(time.seconds(), time.nanos(), out);
    out += '"';
    return;
  }
  const Reflection& reflection = *message.GetReflection();  // asked for once a message: it looks whether all is set up
  out += '{';
  bool first = true;
  for (const JsonField& field : shape.fields) {
    if (field.has_presence && !reflection.HasField(message, field.field)) continue;
    if (field.omit_empty && is_empty(message, reflection, *field.field)) continue;
    if (!first) out += ',';
    first = false;
    out += field.key;
    if (field.field->is_map()) {
      append_map(message, reflection, field, out);
    } else if (field.field->is_repeated()) {
      append_list(message, reflection, field, out);
    } else {
      append_value(message, reflection, field, -1, out);
    }
  }
  out += '}';
}

// As many of the first bytes as stand for themselves.
size_t plain_length(std::string_view text) {
  const auto stands_for_itself = [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; };
  return static_cast<size_t>(std::find_if_not(text.begin(), text.end(), stands_for_itself) - text.begin());
}

}  // namespace

void append_json_string(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  while (true) {
    const size_t plain = plain_length(text);
    out.append(text, 0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const size_t length = utf8_length(text);
    if (length == 0) {
      out += "\xef\xbf\xbd";
      text.remove_prefix(1);
      continue;
    }
    const char c = text[0];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out.append(text, 0, length);
    }
    text.remove_prefix(length);
  }
  out += '"';
}

void append_json(const Message& message, std::string& out) { append_message(message, json_shape(*message.GetDescriptor()), out); }

std::string to_json(const Message& message) {
  std::string out;
  append_json(message, out);
  return out;
}

}  // namespace parallax
