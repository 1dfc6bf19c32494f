// Enum values as people write them: in lower case and without the prefix that proto3 style gives them.
// PORT_DIRECTION_TOWARD_INSIDE is toward_inside, in YAML and in JSON alike.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>

namespace parallax {

std::string enum_text(const google::protobuf::EnumValueDescriptor& value);

// Null: `text` is none of them.
const google::protobuf::EnumValueDescriptor* find_enum_value(const google::protobuf::EnumDescriptor& type,
                                                             const std::string& text);

}  // namespace parallax
