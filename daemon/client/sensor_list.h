// The sensors that a person has named, in ~/.config/parallax/sensors: one a line, NAME ADDRESS, and for a daemon on TCP after
// them the files CA CERTIFICATE KEY; a '#' begins a comment. Relative files are looked for beside the list.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "daemon/client/sensor_client.h"

namespace parallax {

struct NamedSensor {
  std::string name;  // letters, digits, '-' and '_'
  ClientOptions client;
};

struct SensorList {
  std::vector<NamedSensor> sensors;
  std::vector<std::string> errors;  // lines that were left out, a sentence each
};

// In XDG_CONFIG_HOME, or below HOME; empty where neither is set.
std::filesystem::path sensor_list_path();
// No file is a list of none.
SensorList read_sensor_list(const std::filesystem::path& path);

}  // namespace parallax
