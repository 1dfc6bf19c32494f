// `parallax doctor`.
#pragma once

#include <CLI/App.hpp>

namespace parallax {

// `exit_code` outlives the parsing.
void add_doctor_command(CLI::App& app, int& exit_code);

}  // namespace parallax
