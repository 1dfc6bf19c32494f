#include "daemon/client/command_line.h"

#include <CLI/CLI.hpp>

#include "daemon/client/analyze_command.h"
#include "daemon/client/client_commands.h"
#include "daemon/client/doctor_command.h"
#include "daemon/client/wireshark/wireshark_command.h"

namespace parallax {

std::unique_ptr<CLI::App> command_line(int& exit_code) {
  auto app = std::make_unique<CLI::App>(
      "Parallax watches both sides of a firewall, NAT or load balancer and says who dropped, refused or reset what.", "parallax");
  app->set_version_flag("--version", "parallax " PARALLAX_VERSION, "print the version");
  app->require_subcommand(1);
  app->get_formatter()->column_width(34);
  add_analyze_command(*app, exit_code);
  add_client_commands(*app, exit_code);
  add_wireshark_command(*app, exit_code);
  add_doctor_command(*app, exit_code);
  return app;
}

}  // namespace parallax
