// What `parallax slice` says on standard error of the slice that it has written. Pure.
#pragma once

#include <string>

#include "parallax/v1/sensor.pb.h"

namespace parallax {

// Lines, each with "parallax: " before it. `filter`: what was asked for on top of the selection; empty: nothing.
std::string slice_text(const v1::SliceSummary& summary, const std::string& filter);

}  // namespace parallax
