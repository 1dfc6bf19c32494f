// Holds what the engine says against what the simulator knows.
#pragma once

#include <string>
#include <vector>

#include "tests/support/simulator.h"

namespace parallax::test {

struct Verdict {
  std::vector<std::string> false_accusations;  // the device is blamed for what it did not do: there must be none
  std::vector<std::string> wrong_pairings;     // legs joined that do not belong together: none
  std::vector<std::string> missed;             // faults that no finding tells of, pairings not made
  uint64_t faults = 0, faults_told = 0;        // connections to which the device did something
  uint64_t segments_dropped = 0, segments_told = 0;
  uint64_t crossing = 0, paired = 0;  // connections seen at both points
};

Verdict judge(const Simulation& simulation, const PipelineOutput& output);

}  // namespace parallax::test
