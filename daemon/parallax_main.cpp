// `parallax`: the command for people. Exit codes: 0 done, 1 the work failed, 2 wrong usage or no input could be read.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "config/nearest.h"
#include "daemon/client/analyze.h"
#include "daemon/client/analyze_command.h"
#include "daemon/client/client_commands.h"
#include "daemon/client/extcap.h"

namespace {

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(command->get_name());
  return names;
}

// What was wrong, and what was probably meant.
std::string complaint(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  std::vector<std::string> options;
  for (const CLI::Option* option : (chosen.empty() ? &app : chosen.front())->get_options()) {
    for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
  }
  for (const std::string& argument : app.remaining(true)) {
    const std::string word = argument.substr(0, argument.find('='));
    if (argument.starts_with('-')) return "unknown option " + word + parallax::did_you_mean(word, options);
    if (chosen.empty()) {
      const std::vector<std::string> commands = commands_of(app);
      return "unknown command \"" + argument + '"' + parallax::did_you_mean(argument, commands) + "; there are " +
             parallax::one_of(commands);
    }
    return '"' + argument + "\" was not expected here";
  }
  return error.what();
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (parallax::is_extcap_call(arguments)) return parallax::extcap(arguments, stdout, stderr);

  CLI::App app{"Parallax watches both sides of a firewall, NAT or load balancer and says who dropped, refused or reset what.",
               "parallax"};
  app.set_version_flag("--version", "parallax " PARALLAX_VERSION, "print the version");
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  int exit_code = parallax::kExitDone;
  parallax::add_analyze_command(app, exit_code);
  parallax::add_client_commands(app, exit_code);

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
    std::fprintf(stderr, "%s: %s\nRun `%s --help` for usage.\n", command.c_str(), complaint(app, error).c_str(), command.c_str());
    return parallax::kExitUsage;
  }
  return exit_code;
}
