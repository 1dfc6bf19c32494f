#include "daemon/client/sensor_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace parallax {
namespace {

bool is_name(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; });
}

// What is wrong with the line; empty: nothing.
std::string read_line(const std::vector<std::string>& words, const std::filesystem::path& folder, SensorList& list) {
  if (words.size() != 2 && words.size() != 5) return "want NAME ADDRESS, or NAME ADDRESS CA CERTIFICATE KEY";
  const std::string& name = words[0];
  if (!is_name(name)) return fmt::format("\"{}\" is no name: want letters, digits, '-' and '_'", name);
  const auto has_name = [&](const NamedSensor& sensor) { return sensor.name == name; };
  if (std::any_of(list.sensors.begin(), list.sensors.end(), has_name)) return fmt::format("a second sensor named {}", name);
  ClientOptions client;
  client.target = words[1];
  if (words.size() == 5) {
    client.tls_ca = folder / words[2];
    client.tls_cert = folder / words[3];
    client.tls_key = folder / words[4];
  }
  list.sensors.push_back({name, std::move(client)});
  return {};
}

}  // namespace

std::filesystem::path sensor_list_path() {
  const char* const config = std::getenv("XDG_CONFIG_HOME");
  const char* const home = std::getenv("HOME");
  if (config != nullptr && *config != '\0') return std::filesystem::path(config) / "parallax/sensors";
  if (home != nullptr && *home != '\0') return std::filesystem::path(home) / ".config/parallax/sensors";
  return {};
}

SensorList read_sensor_list(const std::filesystem::path& path) {
  SensorList list;
  std::ifstream file(path);
  size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    std::istringstream text(line.substr(0, line.find('#')));
    std::vector<std::string> words;
    for (std::string word; text >> word;) words.push_back(word);
    if (words.empty()) continue;
    if (const std::string error = read_line(words, path.parent_path(), list); !error.empty()) {
      list.errors.push_back(fmt::format("{}:{}: {}", path.string(), number, error));
    }
  }
  return list;
}

}  // namespace parallax
