// Puts Parallax into a person's Wireshark: the profile "Parallax", the Lua script, and the program itself as an extcap.
//
// What is there already and differs is left as it is and told, unless forced.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

namespace parallax {

struct WiresharkInstallOptions {
  std::string directory;                                 // takes profiles/, plugins/ and extcap/; empty: the person's own folders
  std::vector<std::string> points{"outside", "inside"};  // a filter button each
  bool force = false;
};

// Wireshark's folders of one person, as they are since its version 4.0.
struct WiresharkFolders {
  std::filesystem::path profile, plugins;
  std::vector<std::filesystem::path> extcaps;  // that of 4.0, and that of 4.2 and later
};

// From HOME, XDG_CONFIG_HOME and WIRESHARK_CONFIG_DIR as Wireshark does.
WiresharkFolders wireshark_folders(const std::string& directory);
// Tells each file on `out`. Exit code: 0; 1: something could not be written, or was left as it is; 2: wrong points.
int install_in_wireshark(const WiresharkInstallOptions& options, std::FILE* out, std::FILE* err);

}  // namespace parallax
