// The rows of the table, one for each line of detectors.def, each defined in the file of its kind.
#pragma once

#include "analysis/detect/detector.h"

namespace parallax::detect {

#define X(kind) extern const Detector kind;
#include "analysis/detect/detectors.def"
#undef X

}  // namespace parallax::detect
