#include "config/printer.h"

#include <google/protobuf/descriptor.h>

#include "config/enum_text.h"
#include "config/quantity.h"
#include "parallax/v1/options.pb.h"

namespace parallax {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Always in double quotes: then no string is ever taken for a number, a truth value or a comment.
std::string quoted(const std::string& text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Element `index` of a repeated field, or the field itself (index -1).
std::string scalar_text(const Message& message, const FieldDescriptor& field, int index) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const bool repeated = index >= 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return quoted(repeated ? reflection.GetRepeatedString(message, &field, index) : reflection.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (repeated ? reflection.GetRepeatedBool(message, &field, index) : reflection.GetBool(message, &field)) ? "true"
                                                                                                                   : "false";
    case FieldDescriptor::CPPTYPE_UINT32:
      return std::to_string(repeated ? reflection.GetRepeatedUInt32(message, &field, index)
                                     : reflection.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64: {
      const uint64_t value =
          repeated ? reflection.GetRepeatedUInt64(message, &field, index) : reflection.GetUInt64(message, &field);
      return field.options().GetExtension(v1::unit) == v1::UNIT_BYTES ? print_bytes(value) : std::to_string(value);
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      const double value =
          repeated ? reflection.GetRepeatedDouble(message, &field, index) : reflection.GetDouble(message, &field);
      return field.options().GetExtension(v1::unit) == v1::UNIT_SECONDS ? print_seconds(value) : print_double(value);
    }
    case FieldDescriptor::CPPTYPE_ENUM:
      return enum_text(*(repeated ? reflection.GetRepeatedEnum(message, &field, index) : reflection.GetEnum(message, &field)));
    default:
      return "null";  // types that the schema does not use
  }
}

void print(const Message& message, const std::string& indent, bool first_is_indented, std::string& out) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.has_presence() && !reflection.HasField(message, &field)) continue;
    if (!first_is_indented) out += indent;
    first_is_indented = false;
    out += field.name() + ':';
    const bool is_message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (field.is_repeated()) {
      const int size = reflection.FieldSize(message, &field);
      if (size == 0) {
        out += " []\n";
      } else if (is_message) {
        out += '\n';
        for (int j = 0; j < size; ++j) {
          out += indent + "  - ";
          print(reflection.GetRepeatedMessage(message, &field, j), indent + "    ", true, out);
        }
      } else {
        out += " [";
        for (int j = 0; j < size; ++j) out += (j > 0 ? ", " : "") + scalar_text(message, field, j);
        out += "]\n";
      }
    } else if (is_message) {
      std::string inner;
      print(reflection.GetMessage(message, &field), indent + "  ", false, inner);
      out += inner.empty() ? " {}\n" : '\n' + inner;
    } else {
      out += ' ' + scalar_text(message, field, -1) + '\n';
    }
  }
}

}  // namespace

std::string config_to_yaml(const v1::Config& config) {
  std::string out;
  print(config, "", false, out);
  return out;
}

}  // namespace parallax
