#include "daemon/client/wireshark/wireshark_command.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "daemon/client/wireshark/install.h"

namespace parallax {
namespace {

constexpr const char* kFooter = R"(
Writes the profile Parallax (columns, colours, filter buttons), a Lua script that shows how long the device took, and a link to this
program as an extcap, so that sensors are interfaces in Wireshark (4.0 and later). What is there and differs is left as it is, which
is said, and the exit code is 1.

Sensors besides the one at the default address are named in ~/.config/parallax/sensors, one a line: NAME ADDRESS, and for one on
TCP the files CA CERTIFICATE KEY after them:

  edge-2  192.0.2.9:9465  ca.pem client.pem client.key

  tshark -i parallax-edge-2 -o extcap.parallax_edge_2.finding:7)";

}  // namespace

void add_wireshark_command(CLI::App& app, int& exit_code) {
  CLI::App& command = *app.add_subcommand("wireshark", "Makes sensors interfaces in Wireshark, with a profile for slices");
  command.require_subcommand(1);
  CLI::App& install = *command.add_subcommand("install", "Writes profile, Lua script and extcap into Wireshark's folders");
  const auto options = std::make_shared<WiresharkInstallOptions>();
  install
      .add_option("--directory", options->directory, "This folder takes profiles/, plugins/ and extcap/, and not the user's own")
      ->option_text("DIR");
  install.add_option("--points", options->points, "The sensor's points, with commas: a filter button for each (outside,inside)")
      ->delimiter(',')
      ->option_text("POINT,...");
  install.add_flag("--force", options->force, "Replace files that have been changed, too");
  install.footer(kFooter);
  install.callback([options, &exit_code] { exit_code = install_in_wireshark(*options, stdout, stderr); });
}

}  // namespace parallax
