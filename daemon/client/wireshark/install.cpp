#include "daemon/client/wireshark/install.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

#include "daemon/client/whole_file.h"
#include "daemon/client/wireshark/wireshark_assets.h"

namespace parallax {
namespace {

namespace fs = std::filesystem;

constexpr int kExitFailed = 1, kExitUsage = 2;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

fs::path configuration_folder() {
  if (const std::string set = environment("WIRESHARK_CONFIG_DIR"); !set.empty()) return set;
  const fs::path home = environment("HOME");
  const std::string xdg = environment("XDG_CONFIG_HOME");
  const fs::path folder = (xdg.empty() ? home / ".config" : fs::path(xdg)) / "wireshark";
  const fs::path old_folder = home / ".wireshark";
  return !fs::is_directory(folder) && fs::is_directory(old_folder) ? old_folder : folder;
}

// A filter button for each point, before those for what became of packets.
std::string filter_buttons(const std::vector<std::string>& points) {
  std::string text(kProfileFilterButtons);
  std::string buttons;
  for (const std::string& point : points) {
    buttons += fmt::format(R"("TRUE","{0}","parallax.point == \x22{0}\x22","Seen at {0}")", point) + '\n';
  }
  return text.insert(text.find('\n') + 1, buttons);
}

// A name that needs no quoting in Wireshark's file of buttons.
bool is_point_name(const std::string& name) {
  const auto is_plain = [](unsigned char c) { return c > ' ' && c != 0x7f && c != '"' && c != '\\'; };
  return !name.empty() && std::all_of(name.begin(), name.end(), is_plain);
}

class Installation {
 public:
  Installation(bool force, std::FILE* out, std::FILE* err) : force_(force), out_(out), err_(err) {}

  void write(const fs::path& path, std::string_view content) {
    if (!make_folder(path) || !may_write(path, content)) return;
    auto file = WholeFile::open(path.string());
    const std::string error = file.ok() ? (*file)->put(content) : file.error();
    error.empty() ? tell("wrote", path) : fail(error);
  }

  // A link to a program is ours to renew.
  void link(const fs::path& path, const fs::path& program) {
    if (!make_folder(path)) return;
    std::error_code none;
    const fs::file_status status = fs::symlink_status(path, none);
    if (fs::is_symlink(status) && fs::read_symlink(path, none) == program) return tell("unchanged:", path);
    if (fs::exists(status) && !fs::is_symlink(status) && !force_) return leave(path);
    fs::remove(path, none);
    std::error_code error;
    fs::create_symlink(program, path, error);
    error ? fail(fmt::format("{} cannot be made: {}", path.string(), error.message())) : tell("linked", path);
  }

  int exit_code() const { return exit_code_; }

 private:
  bool make_folder(const fs::path& path) {
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    if (error) fail(fmt::format("{} cannot be made: {}", path.parent_path().string(), error.message()));
    return !error;
  }

  bool may_write(const fs::path& path, std::string_view content) {
    if (!fs::exists(path)) return true;
    std::ifstream file(path, std::ios::binary);
    const std::string present{std::istreambuf_iterator<char>(file), {}};
    if (present != content && force_) return true;
    present == content ? tell("unchanged:", path) : leave(path);
    return false;
  }

  void tell(const char* what, const fs::path& path) { fmt::print(out_, "{} {}\n", what, path.string()); }
  void leave(const fs::path& path) {
    fail(fmt::format("{} has been changed, or is of another version: left as it is; --force replaces it", path.string()));
  }
  void fail(const std::string& error) {
    fmt::print(err_, "parallax: {}\n", error);
    exit_code_ = kExitFailed;
  }

  const bool force_;
  std::FILE *const out_, *const err_;
  int exit_code_ = 0;
};

}  // namespace

WiresharkFolders wireshark_folders(const std::string& directory) {
  if (!directory.empty()) {
    const fs::path folder = fs::absolute(directory);
    return {folder / "profiles/Parallax", folder / "plugins", {folder / "extcap"}};
  }
  const fs::path configuration = configuration_folder(), library = fs::path(environment("HOME")) / ".local/lib/wireshark";
  return {configuration / "profiles/Parallax", library / "plugins", {configuration / "extcap", library / "extcap"}};
}

int install_in_wireshark(const WiresharkInstallOptions& options, std::FILE* out, std::FILE* err) {
  for (const std::string& point : options.points) {
    if (is_point_name(point)) continue;
    fmt::print(err, "parallax: --points: \"{}\" cannot be a filter button: want a name without blanks, quotes and backslashes\n",
               point);
    return kExitUsage;
  }
  if (options.directory.empty() && environment("HOME").empty()) {
    fmt::print(err, "parallax: HOME is not set: give --directory\n");
    return kExitUsage;
  }
  const WiresharkFolders folders = wireshark_folders(options.directory);
  Installation installation(options.force, out, err);
  installation.write(folders.profile / "preferences", kProfilePreferences);
  installation.write(folders.profile / "colorfilters", kProfileColorFilters);
  installation.write(folders.profile / "dfilter_buttons", filter_buttons(options.points));
  installation.write(folders.profile / "enabled_protos", kProfileEnabledProtocols);
  installation.write(folders.plugins / "parallax.lua", kLuaScript);
  const fs::path program = fs::read_symlink("/proc/self/exe");
  for (const fs::path& extcap : folders.extcaps) installation.link(extcap / "parallax", program);
  if (installation.exit_code() == 0) {
    fmt::print(
        out,
        "In Wireshark choose the profile Parallax (Edit, Configuration Profiles), and a sensor in the list of interfaces.\n");
  }
  return installation.exit_code();
}

}  // namespace parallax
