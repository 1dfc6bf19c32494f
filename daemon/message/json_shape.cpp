#include "daemon/message/json_shape.h"

#include <google/protobuf/timestamp.pb.h>

#include <map>
#include <mutex>

#include "config/enum_text.h"
#include "parallax/v1/options.pb.h"

namespace parallax {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;

using Shapes = std::map<const Descriptor*, JsonShape>;  // which stay where they are

std::vector<std::string> words_of(const EnumDescriptor& type) {
  constexpr int kNumbersMost = 1024;
  std::vector<std::string> words;
  for (int i = 0; i < type.value_count(); ++i) {
    const int number = type.value(i)->number();
    if (number < 0 || number >= kNumbersMost) continue;
    words.resize(std::max(words.size(), static_cast<size_t>(number) + 1));
    words[static_cast<size_t>(number)] = '"' + enum_text(*type.value(i)) + '"';
  }
  return words;
}

// A type may hold itself: its shape is known before its fields are.
const JsonShape& shape_in(Shapes& shapes, const Descriptor& type) {
  const auto [known, is_new] = shapes.try_emplace(&type);
  JsonShape& shape = known->second;
  if (!is_new) return shape;
  shape.is_timestamp = &type == google::protobuf::Timestamp::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    JsonField& made = shape.fields.emplace_back();
    made.field = &field;
    made.key = '"' + field.name() + "\":";
    made.has_presence = field.has_presence();
    made.omit_empty = field.options().GetExtension(v1::omit_empty);
    if (field.enum_type() != nullptr) made.words = words_of(*field.enum_type());
    if (field.message_type() != nullptr) made.message = &shape_in(shapes, *field.message_type());
  }
  return shape;
}

}  // namespace

const JsonShape& json_shape(const Descriptor& type) {
  static std::mutex mutex;
  static Shapes shapes;
  const std::lock_guard lock(mutex);
  return shape_in(shapes, type);
}

}  // namespace parallax
