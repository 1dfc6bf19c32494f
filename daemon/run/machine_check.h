// Whether a configuration fits the machine: what the start would stumble over, found without opening, making or changing
// anything, so that it can be asked beside a running daemon.
//
// Called by the control thread before anything is opened.
#pragma once

#include <cstdint>
#include <vector>

#include "config/checks.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

struct MachineProblem {
  enum class Weight : uint8_t {
    warning,  // it would run, but not as it is meant
    unfit,    // the start would fail on this machine
    wrong,    // and on any other
  };
  ConfigProblem problem;
  Weight weight;
};

// Of these alone.
std::vector<MachineProblem> check_filters(const v1::Config& config);
std::vector<MachineProblem> check_webhook(const v1::Config& config);
// All that is found. REQUIRES: check_config() found nothing.
std::vector<MachineProblem> check_machine(const v1::Config& config);

}  // namespace parallax
