// A scenario that stands in a test, for what no expectation of a scenario file can say.
#pragma once

#include <gtest/gtest.h>

#include "tests/support/scenario.h"

namespace parallax::test {

inline PipelineOutput run_text(const char* text) {
  ParsedScenario parsed = parse_scenario("text", text, Variant::fault);
  EXPECT_TRUE(parsed.scenario) << parsed.error;
  if (!parsed.scenario) return {};
  parsed.scenario->input.options.record_packets = true;
  return run(parsed.scenario->input, 1);
}

}  // namespace parallax::test
