// The configuration as YAML that loads back to the same message (`parallaxd --print-config`).
#pragma once

#include <string>

#include "parallax/v1/config.pb.h"

namespace parallax {

std::string config_to_yaml(const v1::Config& config);

}  // namespace parallax
