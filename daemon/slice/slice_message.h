// The summary of a slice as the API says it. Pure.
#pragma once

#include "daemon/slice/slice.h"
#include "parallax/v1/sensor.pb.h"

namespace parallax {

v1::SliceSummary to_proto(const SliceSummary& summary);

}  // namespace parallax
