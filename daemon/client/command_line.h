// The command line of `parallax`: its commands and their options, for the program and for its manual (manual.h).
#pragma once

#include <memory>

namespace CLI {
class App;
}

namespace parallax {

// Parsing runs the command that is given and sets `exit_code`, which outlives the parsing.
std::unique_ptr<CLI::App> command_line(int& exit_code);

}  // namespace parallax
