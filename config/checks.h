// What a configuration must satisfy beyond types and bounds: names that exist, sizes that fit together.
#pragma once

#include <string>
#include <vector>

#include "parallax/v1/config.pb.h"

namespace parallax {

enum class ConfigUse {
  daemon,   // ports and a path are needed
  offline,  // `parallax analyze --config`: points and files come from the command line
};

struct ConfigProblem {
  std::string field;    // "ports[1].point"; "" the whole
  std::string message;  // what is wrong, with the value, and what would be right
};

// Empty: `name` may be a point's.
std::string why_not_a_point(const std::string& name);

// All problems found.
std::vector<ConfigProblem> check_config(const v1::Config& config, ConfigUse use);

}  // namespace parallax
