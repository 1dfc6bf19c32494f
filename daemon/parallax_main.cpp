// `parallax`: the command for people. Exit codes: 0 done, 1 the work failed, 2 wrong usage or no input could be read.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "config/nearest.h"
#include "daemon/client/analyze.h"
#include "daemon/client/command_line.h"
#include "daemon/client/extcap.h"

namespace {

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(command->get_name());
  return names;
}

// The command that was given, of commands within commands the innermost: parallax, parallax slice, parallax wireshark install.
struct Given {
  const CLI::App* command;
  std::string name;
};

Given given_command(const CLI::App& app) {
  Given given{&app, app.get_name()};
  for (auto chosen = app.get_subcommands(); !chosen.empty(); chosen = given.command->get_subcommands()) {
    given.command = chosen.front();
    given.name += ' ' + given.command->get_name();
  }
  return given;
}

// What was wrong, and what was probably meant.
std::string complaint(const CLI::App& app, const CLI::App& command, const CLI::ParseError& error) {
  std::vector<std::string> options;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
  }
  for (const std::string& argument : app.remaining(true)) {
    const std::string word = argument.substr(0, argument.find('='));
    if (std::find(options.begin(), options.end(), word) != options.end())
      return word + " is an option of " + command.get_name() + " and stands after that";
    if (argument.starts_with('-')) return "unknown option " + word + parallax::did_you_mean(word, options);
    if (const std::vector<std::string> commands = commands_of(command); !commands.empty()) {
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

  int exit_code = parallax::kExitDone;
  const std::unique_ptr<CLI::App> parser = parallax::command_line(exit_code);
  CLI::App& app = *parser;

  if (argc == 1) {
    std::fputs(app.help().c_str(), stderr);
    return parallax::kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    const Given given = given_command(app);
    std::fprintf(stderr, "%s: %s\nRun `%s --help` for usage.\n", given.name.c_str(),
                 complaint(app, *given.command, error).c_str(), given.name.c_str());
    return parallax::kExitUsage;
  }
  return exit_code;
}
