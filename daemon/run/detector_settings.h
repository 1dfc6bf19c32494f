// The settings of the detectors as the configuration has them.
#pragma once

#include <memory>

#include "analysis/model/detector_settings.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

std::shared_ptr<const DetectorSettings> detector_settings(const v1::Config& config);

}  // namespace parallax
