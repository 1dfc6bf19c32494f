// `parallax`: the command for people. Exit codes: 0 done, 1 the work failed, 2 wrong usage or no input could be read.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "config/nearest.h"
#include "daemon/analyze.h"
#include "daemon/analyze_command.h"
#if __has_include("daemon/client_commands.h")
#include "daemon/client_commands.h"
#define PARALLAX_CLIENT_COMMANDS 1
#endif

namespace {

// What a mistyped command or option was probably meant to be.
std::string hint(const CLI::App& app, const std::vector<std::string>& arguments) {
  const auto chosen = app.get_subcommands();
  std::vector<std::string> known;
  for (const CLI::Option* option : (chosen.empty() ? &app : chosen.front())->get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  if (chosen.empty()) {
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
      known.push_back(command->get_name());
  }
  for (const std::string& argument : arguments) {
    const std::string word = argument.substr(0, argument.find('='));
    if (std::find(known.begin(), known.end(), word) != known.end()) continue;
    if (const std::string found = parallax::did_you_mean(word, known); !found.empty()) return found;
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Parallax watches both sides of a firewall, NAT or load balancer and says who dropped, refused or reset what.",
               "parallax"};
  app.set_version_flag("--version", "parallax " PARALLAX_VERSION, "print the version");
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  int exit_code = parallax::kExitDone;
  parallax::add_analyze_command(app, exit_code);
#ifdef PARALLAX_CLIENT_COMMANDS
  parallax::add_client_commands(app, exit_code);
#endif

  if (argc == 1) {
    std::fputs(app.help().c_str(), stderr);
    return parallax::kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    const auto chosen = app.get_subcommands();
    const std::string command = chosen.empty() ? "parallax" : "parallax " + chosen.front()->get_name();
    const std::string what = error.what();
    std::fprintf(stderr, "%s: %s%s\nRun `%s --help` for what is right.\n", command.c_str(), what.c_str(),
                 hint(app, app.remaining(true)).c_str(), command.c_str());
    return parallax::kExitUsage;
  }
  return exit_code;
}
