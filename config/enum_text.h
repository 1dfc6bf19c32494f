// Enum values as people write them: in lower case and without the prefix that proto3 style gives them.
// PORT_DIRECTION_TOWARD_INSIDE is toward_inside, in YAML and in JSON alike.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

namespace parallax {

std::string enum_text(const google::protobuf::EnumValueDescriptor& value);

// All that people can write: not the zero value that says that nothing was.
std::vector<std::string> enum_words(const google::protobuf::EnumDescriptor& type);

// Null: `text` is none of them.
const google::protobuf::EnumValueDescriptor* find_enum_value(const google::protobuf::EnumDescriptor& type,
                                                             const std::string& text);

}  // namespace parallax
