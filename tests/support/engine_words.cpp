#include "tests/support/engine_words.h"

#include <charconv>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <optional>

namespace parallax::test {
namespace {

template <typename T>
bool read(const std::string& word, T& value) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc{} && end == word.data() + word.size();
}

bool read_seconds(const std::string& word, int64_t& ns) {
  double seconds = 0;
  if (!read(word, seconds)) return false;
  ns = std::llround(seconds * 1e9);
  return true;
}

using Setter = std::function<bool(PipelineInput&, const std::string&)>;

bool change(PipelineInput& input, const std::function<bool(DetectorSettings&)>& set) {
  DetectorSettings settings = *input.options.detectors;
  if (!set(settings)) return false;
  input.options.detectors = std::make_shared<const DetectorSettings>(std::move(settings));
  return true;
}

bool turn_off(PipelineInput& input, const std::string& name) {
  return change(input, [&name](DetectorSettings& settings) {
    for (int i = 0; i < kFindingKindCount; ++i) {
      if (name_of(static_cast<FindingKind>(i)) == name) return settings.off.insert(static_cast<FindingKind>(i));
    }
    return false;
  });
}

const std::map<std::string, Setter>& setters() {
  static const std::map<std::string, Setter> all = {
      {"legs", [](PipelineInput& input, const std::string& value) { return read(value, input.options.legs); }},
      {"half_open_legs",
       [](PipelineInput& input, const std::string& value) { return read(value, input.options.half_open_legs); }},
      {"device_timeout",
       [](PipelineInput& input, const std::string& value) { return read_seconds(value, input.options.device_timeout_ns); }},
      {"idle_timeout",
       [](PipelineInput& input, const std::string& value) { return read_seconds(value, input.options.idle_timeout_ns); }},
      {"key",
       [](PipelineInput& input, const std::string& value) {
         input.key_from = KeyFrom::tunnel;
         return value == "tunnel";
       }},
      {"off", turn_off},
#define SECONDS(name, ns)                                                                                                  \
  {#name "_seconds", [](PipelineInput& input, const std::string& value) {                                                  \
     return change(input, [&](DetectorSettings& settings) { return read_seconds(value, settings.thresholds.name##_ns); }); \
   }},
#define NUMBER(name, number)                                                                                  \
  {#name, [](PipelineInput& input, const std::string& value) {                                                \
     return change(input, [&](DetectorSettings& settings) { return read(value, settings.thresholds.name); }); \
   }},
#include "analysis/model/thresholds.def"
#undef NUMBER
#undef SECONDS
  };
  return all;
}

}  // namespace

std::string set_engine_options(PipelineInput& input, const std::vector<std::string>& words) {
  for (size_t i = 0; i < words.size(); i += 2) {
    const auto setter = setters().find(words[i]);
    if (setter == setters().end()) return "no such engine option: '" + words[i] + "'";
    if (i + 1 == words.size()) return "expected its value at the end of the line";
    if (!setter->second(input, words[i + 1])) return "not a value of " + words[i] + ": '" + words[i + 1] + "'";
  }
  return {};
}

}  // namespace parallax::test
