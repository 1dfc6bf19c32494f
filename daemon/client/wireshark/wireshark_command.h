// `parallax wireshark` on the command line.
#pragma once

namespace CLI {
class App;
}

namespace parallax {

// Registers the command; parsing runs it and sets `exit_code`, which outlives the parsing.
void add_wireshark_command(CLI::App& app, int& exit_code);

}  // namespace parallax
