// What `parallax slice` says on standard error of the slice that it has written. Pure.
#pragma once

#include <string>

#include "parallax/v1/sensor.pb.h"

namespace parallax {

// Lines, each with "parallax: " before it.
std::string slice_text(const v1::SliceSummary& summary);

}  // namespace parallax
