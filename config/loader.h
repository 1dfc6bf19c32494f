// The configuration: YAML mapped onto the message parallax.v1.Config by its own description, so that the schema stands once.
//
// Strict: an unknown or doubled key, a wrong type, a value out of bounds is an error with file, line and column and what
// would be right. All errors are reported, not just the first. The file's keys are laid over config/defaults.h.
#pragma once

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

struct LoadedConfig {
  v1::Config config;                // with defaults; not to be used where there are errors
  std::vector<ConfigError> errors;  // in the order of the file

  bool ok() const { return errors.empty(); }
  std::string error_text() const;  // one line each
};

LoadedConfig load_config_file(const std::string& path, ConfigUse use);
LoadedConfig load_config_text(const std::string& yaml, const std::string& file_name, ConfigUse use);

}  // namespace parallax
