// The configuration: YAML mapped onto the message parallax.v1.Config by its own description, so that the schema stands once.
//
// Strict: an unknown or doubled key, a wrong type, a value out of bounds is an error with file, line and column and what
// would be right. All errors are reported, not just the first. The file's keys are laid over config/defaults.h. Anchors, aliases
// and merge keys (`<<: *name`) are read as YAML 1.1 has them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/checks.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

struct ConfigError {
  std::string file;
  int line = 0, column = 0;  // 1-based; 0: of the file as a whole
  std::string message;

  std::string text() const;  // "parallax.yaml:3:9: ..."
};

// Where the fields of a configuration stand in its file.
class FieldPlaces {
 public:
  explicit FieldPlaces(std::string file = {}) : file_(std::move(file)) {}

  // The first place that is told of a field is kept.
  void add(const std::string& field, int line, int column) { places_.emplace(field, Place{line, column}); }
  // At the field, or if it does not stand there, at what encloses it.
  ConfigError error_at(std::string field, std::string message) const;

 private:
  struct Place {
    int line, column;  // 1-based
  };
  std::string file_;
  std::map<std::string, Place> places_;  // by field: "ports[1].point"; "" the whole
};

struct LoadedConfig {
  v1::Config config;                // with defaults; not to be used where there are errors
  std::vector<ConfigError> errors;  // in the order of the file
  FieldPlaces places;

  bool ok() const { return errors.empty(); }
  std::string error_text() const;  // one line each
};

LoadedConfig load_config_file(const std::string& path, ConfigUse use);
LoadedConfig load_config_text(const std::string& yaml, const std::string& file_name, ConfigUse use);

}  // namespace parallax
