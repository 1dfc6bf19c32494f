// What the `engine` lines of scenarios set.
#pragma once

#include <string>
#include <vector>

#include "tests/support/pipeline.h"

namespace parallax::test {

// OPTION VALUE and so on, as told in tests/scenarios/README.md. What is wrong with them; empty: nothing.
std::string set_engine_options(PipelineInput& input, const std::vector<std::string>& words);

}  // namespace parallax::test
