#include "config/loader.h"

#include <google/protobuf/descriptor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "config/defaults.h"
#include "config/enum_text.h"
#include "config/nearest.h"
#include "config/quantity.h"
#include "parallax/v1/options.pb.h"

namespace parallax {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr size_t kWordsListed = 24;                 // of more it helps to name the nearest
constexpr std::streamsize kFileBytesMax = 1 << 20;  // a configuration of more is another file by mistake
constexpr size_t kMergedMax = 1000;                 // keys; aliases of aliases would be without end
constexpr std::string_view kMergeKey = "<<";

std::string kind_of(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map:
      return "a mapping (key: value)";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Scalar:
      return '"' + node.Scalar() + '"';
    default:
      return "nothing";
  }
}

// What would be right for one value of `field`.
std::string expected(const FieldDescriptor& field) {
  const v1::Unit unit = field.options().GetExtension(v1::unit);
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_STRING:
      return "a string";
    case FieldDescriptor::CPPTYPE_ENUM: {
      const std::vector<std::string> words = enum_words(*field.enum_type());
      return words.size() <= kWordsListed ? one_of(words) : "a word such as " + words.front();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return unit == v1::UNIT_SECONDS ? "a duration such as 250ms, 10s or 5m" : "a number";
    default:
      return unit == v1::UNIT_BYTES ? "a size such as 4096, 64KiB or 200GiB" : "a whole number";
  }
}

std::string print_bound(const FieldDescriptor& field, double bound) {
  switch (field.options().GetExtension(v1::unit)) {
    case v1::UNIT_SECONDS:
      return print_seconds(bound);
    case v1::UNIT_BYTES:
      return print_bytes(static_cast<uint64_t>(bound));
    default:
      return std::to_string(static_cast<int64_t>(bound));
  }
}

// The largest number that the field takes.
double most_of(const FieldDescriptor& field) {
  if (field.options().HasExtension(v1::maximum)) return field.options().GetExtension(v1::maximum);
  return field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32 ? UINT32_MAX : static_cast<double>(INT64_MAX);
}

// "ports[1].point" -> "ports[1]" -> "ports" -> ""
std::string enclosing_of(const std::string& field) {
  const size_t end = field.find_last_of(".[");
  return field.substr(0, end == std::string::npos ? 0 : end);
}

// Lays a YAML document over a message and remembers where each field was written.
class Mapper {
 public:
  explicit Mapper(const std::string& file) : file_(file), places_(file) {}

  void map_document(const YAML::Node& document, Message& message) { map_message(document, document.Mark(), message, ""); }

  void error(const YAML::Mark& mark, std::string message) {
    errors_.push_back({file_, mark.line + 1, mark.column + 1, std::move(message)});
  }
  // The value of the field `path` is wrong: nothing more is said about it or what is in it.
  void error_in(const std::string& path, const YAML::Mark& mark, std::string message) {
    wrong_.insert(path);
    error(mark, std::move(message));
  }

  // Where `field` stands, or if it does not, what encloses it.
  void error_at(std::string field, std::string message) {
    for (std::string enclosing = field;; enclosing = enclosing_of(enclosing)) {
      if (wrong_.contains(enclosing)) return;
      if (enclosing.empty()) break;
    }
    errors_.push_back(places_.error_at(std::move(field), std::move(message)));
  }

  std::vector<ConfigError> take_errors() {
    std::stable_sort(errors_.begin(), errors_.end(), [](const ConfigError& a, const ConfigError& b) {
      return std::pair(a.line, a.column) < std::pair(b.line, b.column);
    });
    return std::move(errors_);
  }
  FieldPlaces take_places() { return std::move(places_); }

 private:
  using Seen = std::map<std::string, YAML::Mark>;  // where a key of a mapping stands

  void place(const std::string& path, const YAML::Mark& mark) { places_.add(path, mark.line + 1, mark.column + 1); }

  // `mark`: where the key stands, for a value that is nothing. `path`: "" or the field that holds the message.
  void map_message(const YAML::Node& node, const YAML::Mark& mark, Message& message, const std::string& path) {
    place(path, node.IsNull() ? mark : node.Mark());
    if (node.IsNull()) return;  // a section whose keys are all commented out
    if (!node.IsMap()) {
      error_in(path, node.Mark(),
               (path.empty() ? "the configuration" : path) + ": expected keys and values (key: value), not " + kind_of(node));
      return;
    }
    Seen seen;
    for (const auto& entry : node) {
      if (!is_merge(entry.first)) map_entry(entry.first, entry.second, message, path, seen);
    }
    // What stands here goes before what is merged, wherever the merge key stands.
    for (const auto& entry : node) {
      if (is_merge(entry.first)) merge(entry.second, entry.first.Mark(), message, path, seen);
    }
  }

  static bool is_merge(const YAML::Node& key) { return key.IsScalar() && key.Scalar() == kMergeKey; }

  void map_entry(const YAML::Node& key_node, const YAML::Node& value, Message& message, const std::string& path, Seen& seen) {
    if (!key_node.IsScalar()) {
      error(key_node.Mark(), (path.empty() ? "the configuration" : path) + ": a key must be a word, not " + kind_of(key_node));
      return;
    }
    const std::string& key = key_node.Scalar();
    const std::string field_path = path.empty() ? key : path + '.' + key;
    const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(key);
    if (field == nullptr) {
      std::vector<std::string> known;
      for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) known.push_back(message.GetDescriptor()->field(i)->name());
      const std::string hint = did_you_mean(key, known);
      const bool lists = hint.empty() || known.size() <= kWordsListed;
      error(key_node.Mark(), "unknown key \"" + key + '"' + (path.empty() ? "" : " in " + path) + hint +
                                 (lists ? "; known are " + all_of(known) : ""));
    } else if (const auto [first, is_new] = seen.emplace(key, key_node.Mark()); !is_new) {
      error(key_node.Mark(),
            field_path + " stands here a second time; the first is in line " + std::to_string(first->second.line + 1));
    } else {
      map_field(value, key_node.Mark(), message, *field, field_path);
    }
  }

  // A mapping, or several of which the first goes before the others.
  void merge(const YAML::Node& node, const YAML::Mark& mark, Message& message, const std::string& path, Seen& seen) {
    if (node.IsSequence()) {
      for (const YAML::Node& one : node) merge(one, mark, message, path, seen);
      return;
    }
    if (!node.IsMap())
      return error(mark, std::string(kMergeKey) + ": merges a mapping, such as *name of an anchor &name, not " + kind_of(node));
    for (const auto& entry : node) {
      if (++merged_ > kMergedMax) {
        if (merged_ == kMergedMax + 1) error(mark, "merge keys bring in more than " + std::to_string(kMergedMax) + " keys");
        return;
      }
      if (is_merge(entry.first)) {
        merge(entry.second, mark, message, path, seen);
      } else if (!entry.first.IsScalar() || !seen.contains(entry.first.Scalar())) {
        map_entry(entry.first, entry.second, message, path, seen);
      }
    }
  }

  void map_field(const YAML::Node& node, const YAML::Mark& mark, Message& message, const FieldDescriptor& field,
                 const std::string& path) {
    const google::protobuf::Reflection& reflection = *message.GetReflection();
    const bool is_message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (!field.is_repeated()) {
      if (is_message) return map_message(node, mark, *reflection.MutableMessage(&message, &field), path);
      place(path, node.IsNull() ? mark : node.Mark());
      return map_value(node, mark, message, field, path);
    }
    place(path, node.IsNull() ? mark : node.Mark());
    if (node.IsNull()) return;
    if (!node.IsSequence()) {
      const std::string right = is_message ? "a list of mappings, such as [{ ... }]" : "a list, such as [" + example(node) + ']';
      error_in(path, node.Mark(), path + ": expected " + right + ", not " + kind_of(node));
      return;
    }
    for (size_t i = 0; i < node.size(); ++i) {
      const std::string element_path = path + '[' + std::to_string(i) + ']';
      const YAML::Node element = node[i];
      if (is_message) {
        map_message(element, element.Mark(), *reflection.AddMessage(&message, &field), element_path);
      } else {
        place(element_path, element.Mark());
        map_value(element, element.Mark(), message, field, element_path);
      }
    }
  }

  static std::string example(const YAML::Node& node) { return node.IsScalar() ? node.Scalar() : "..."; }

  static std::string all_of(const std::vector<std::string>& known) {
    std::string text;
    for (const std::string& word : known) text += (text.empty() ? "" : ", ") + word;
    return text;
  }

  void map_value(const YAML::Node& node, const YAML::Mark& mark, Message& message, const FieldDescriptor& field,
                 const std::string& path) {
    if (node.IsNull()) return error_in(path, mark, path + ": has no value; expected " + expected(field));
    if (!node.IsScalar()) return error_in(path, node.Mark(), path + ": expected " + expected(field) + ", not " + kind_of(node));
    const std::string& text = node.Scalar();
    const google::protobuf::Reflection& reflection = *message.GetReflection();
    const bool repeated = field.is_repeated();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        if (text.find('\0') != std::string::npos) return error_in(path, node.Mark(), path + ": a zero byte stands in the string");
        repeated ? reflection.AddString(&message, &field, text) : reflection.SetString(&message, &field, text);
        return;
      case FieldDescriptor::CPPTYPE_BOOL:
        if (text != "true" && text != "false") return wrong(node, field, path, did_you_mean(text, {"true", "false"}));
        repeated ? reflection.AddBool(&message, &field, text == "true") : reflection.SetBool(&message, &field, text == "true");
        return;
      case FieldDescriptor::CPPTYPE_ENUM: {
        const std::vector<std::string> words = enum_words(*field.enum_type());
        if (std::find(words.begin(), words.end(), text) == words.end())
          return wrong(node, field, path, did_you_mean(text, words));
        const auto* value = find_enum_value(*field.enum_type(), text);
        repeated ? reflection.AddEnum(&message, &field, value) : reflection.SetEnum(&message, &field, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_UINT64:
        return map_count(node, message, field, path);
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        const auto value = parse_seconds(text);
        if (!value) return wrong(node, field, path);
        if (!within_bounds(node, field, path, *value)) return;
        repeated ? reflection.AddDouble(&message, &field, *value) : reflection.SetDouble(&message, &field, *value);
        return;
      }
      default:
        return error_in(path, node.Mark(), path + ": this field's type cannot be written in YAML");
    }
  }

  void map_count(const YAML::Node& node, Message& message, const FieldDescriptor& field, const std::string& path) {
    const google::protobuf::Reflection& reflection = *message.GetReflection();
    const std::string& text = node.Scalar();
    uint64_t value = 0;
    if (field.options().GetExtension(v1::unit) == v1::UNIT_BYTES) {
      const auto bytes = parse_bytes(text);
      if (!bytes) return wrong(node, field, path);
      value = *bytes;
    } else {
      const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
      const bool is_number = end == text.data() + text.size();
      if (failure == std::errc::result_out_of_range && is_number)
        return error_in(path, node.Mark(), path + ": " + text + " is too large; at most " + print_bound(field, most_of(field)));
      if (failure != std::errc{} || !is_number) return wrong(node, field, path);
    }
    if (!within_bounds(node, field, path, static_cast<double>(value))) return;
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64) {
      field.is_repeated() ? reflection.AddUInt64(&message, &field, value) : reflection.SetUInt64(&message, &field, value);
    } else if (value > UINT32_MAX) {
      error_in(path, node.Mark(), path + ": " + text + " is too large; at most " + std::to_string(UINT32_MAX));
    } else {
      const auto narrow = static_cast<uint32_t>(value);
      field.is_repeated() ? reflection.AddUInt32(&message, &field, narrow) : reflection.SetUInt32(&message, &field, narrow);
    }
  }

  bool within_bounds(const YAML::Node& node, const FieldDescriptor& field, const std::string& path, double value) {
    const auto& options = field.options();
    const bool has_minimum = options.HasExtension(v1::minimum), has_maximum = options.HasExtension(v1::maximum);
    const double minimum = options.GetExtension(v1::minimum), maximum = options.GetExtension(v1::maximum);
    if (has_minimum && value < minimum) {
      error_in(path, node.Mark(), path + ": " + node.Scalar() + " is too small; at least " + print_bound(field, minimum));
      return false;
    }
    if (has_maximum && value > maximum) {
      error_in(path, node.Mark(), path + ": " + node.Scalar() + " is too large; at most " + print_bound(field, maximum));
      return false;
    }
    return true;
  }

  void wrong(const YAML::Node& node, const FieldDescriptor& field, const std::string& path, const std::string& hint = "") {
    error_in(path, node.Mark(), path + ": expected " + expected(field) + ", not \"" + node.Scalar() + '"' + hint);
  }

  const std::string& file_;
  FieldPlaces places_;
  size_t merged_ = 0;
  std::set<std::string> wrong_;
  std::vector<ConfigError> errors_;
};

// A word where the parser's own does not help.
std::string syntax_hint(const std::string& yaml, int line) {
  size_t begin = 0;
  for (; line > 0; --line) {
    begin = yaml.find('\n', begin);
    if (begin == std::string::npos) return {};
    ++begin;
  }
  const size_t text = yaml.find_first_not_of(" \t", begin);
  return yaml.substr(begin, text - begin).find('\t') == std::string::npos ? "" : " (a tab cannot indent; use spaces)";
}

// Where the documents of a text begin, at most two of them. YAML::LoadAll() finds documents for ever in some texts that are none
// (", a: b"), until the memory is full.
class DocumentStarts : public YAML::EventHandler {
 public:
  explicit DocumentStarts(const std::string& yaml) {
    std::istringstream in(yaml);
    YAML::Parser parser(in);
    while (marks_.size() < 2 && parser.HandleNextDocument(*this)) {
    }
  }
  const std::vector<YAML::Mark>& marks() const { return marks_; }

  void OnDocumentStart(const YAML::Mark& mark) override { marks_.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  std::vector<YAML::Mark> marks_;
};

}  // namespace

std::string ConfigError::text() const {
  return line == 0 ? file + ": " + message : file + ':' + std::to_string(line) + ':' + std::to_string(column) + ": " + message;
}

ConfigError FieldPlaces::error_at(std::string field, std::string message) const {
  for (;; field = enclosing_of(field)) {
    if (const auto place = places_.find(field); place != places_.end())
      return {file_, place->second.line, place->second.column, std::move(message)};
    if (field.empty()) return {file_, 0, 0, std::move(message)};
  }
}

std::string LoadedConfig::error_text() const {
  std::string text;
  for (const ConfigError& error : errors) text += error.text() + '\n';
  return text;
}

LoadedConfig load_config_text(const std::string& yaml, const std::string& file_name, ConfigUse use) {
  LoadedConfig loaded;
  loaded.config = default_config();
  Mapper mapper(file_name);
  try {
    const DocumentStarts documents(yaml);
    if (documents.marks().size() > 1)
      mapper.error(documents.marks()[1], "a second YAML document begins here; the configuration is one");
    // Where a whole document is nothing, yaml-cpp gives it no position.
    if (const YAML::Node document = YAML::Load(yaml); !document.IsNull()) mapper.map_document(document, loaded.config);
  } catch (const YAML::Exception& exception) {
    const bool has_position = exception.mark.line >= 0;
    loaded.errors.push_back({file_name, has_position ? exception.mark.line + 1 : 0, has_position ? exception.mark.column + 1 : 0,
                             "not valid YAML: " + exception.msg + (has_position ? syntax_hint(yaml, exception.mark.line) : "")});
    return loaded;
  }
  set_element_defaults(loaded.config);
  for (ConfigProblem& problem : check_config(loaded.config, use)) mapper.error_at(problem.field, std::move(problem.message));
  loaded.errors = mapper.take_errors();
  loaded.places = mapper.take_places();
  return loaded;
}

LoadedConfig load_config_file(const std::string& path, ConfigUse use) {
  LoadedConfig failed;
  std::ifstream in(path, std::ios::binary);
  std::string yaml(kFileBytesMax + 1, '\0');
  in.read(yaml.data(), static_cast<std::streamsize>(yaml.size()));
  if (!in.is_open() || in.bad() || (in.gcount() == 0 && !in.eof())) {
    failed.errors.push_back({path, 0, 0, "cannot be read: " + std::string(std::strerror(errno))});
    return failed;
  }
  if (in.gcount() > kFileBytesMax) {
    failed.errors.push_back({path, 0, 0, "is larger than 1 MiB; that is no configuration"});
    return failed;
  }
  yaml.resize(static_cast<size_t>(in.gcount()));
  return load_config_text(yaml, path, use);
}

}  // namespace parallax
