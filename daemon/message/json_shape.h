// What the JSON of a message's type needs of its descriptor, looked up once for each type: a million records have few types.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

namespace parallax {

struct JsonShape;

struct JsonField {
  const google::protobuf::FieldDescriptor* field;
  std::string key;    // with its quotes and the colon
  bool has_presence;  // absent where it is not set
  bool omit_empty;    // absent where it is empty, too
  // Of an enum, by number: what people write, in quotes. Empty: there is no such value, or its number is large.
  std::vector<std::string> words;
  const JsonShape* message = nullptr;  // of a message, or a list of them; else null
};

struct JsonShape {
  bool is_timestamp = false;
  std::vector<JsonField> fields;  // in the order of the schema
};

// Holds for the life of the process. Any thread.
const JsonShape& json_shape(const google::protobuf::Descriptor& type);

}  // namespace parallax
