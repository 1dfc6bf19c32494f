// The commands of `parallax` that ask a running daemon: status, findings, connections, devices, slice.
//
// Registered as subcommands; CLI11's own parsing runs them (as callbacks), and `exit_code` is what they end with.
#pragma once

#include <CLI/App.hpp>

namespace parallax {

// `exit_code` outlives the parsing. It is left alone where none of these commands is given.
void add_client_commands(CLI::App& app, int& exit_code);

}  // namespace parallax
