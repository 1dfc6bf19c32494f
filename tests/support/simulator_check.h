// Holds what the engine says against what the simulator knows.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/simulator.h"

namespace parallax::test {

struct Verdict {
  struct Told {
    uint64_t happened = 0, decidable = 0, told = 0;
  };

  std::vector<std::string> false_accusations;  // the device is blamed for what it did not do: there must be none
  std::vector<std::string> wrong_pairings;     // legs joined that do not belong together: none, but for likely ones
  // Connections paired by likelihood (payload, timing), which says itself how often it may be wrong.
  uint64_t likely = 0;
  std::vector<std::string> wrong_likely;
  std::vector<std::string> missed;       // decidable faults that no finding tells of, pairings not made
  std::array<Told, kFaults> by_fault{};  // connections to which the device did something
  uint64_t segments_decidable = 0, segments_told = 0;
  uint64_t pairable = 0, paired = 0;

  uint64_t decidable() const;
  uint64_t told() const;
  Verdict& operator+=(const Verdict& more);
};
std::string describe(const Verdict& verdict);

Verdict judge(const Simulation& simulation, const PipelineOutput& output);

}  // namespace parallax::test
