// The beginning of a slice that was cut, as a file holds it, for the request that goes on with it.
#pragma once

#include <string>

#include "capture/core/result.h"
#include "parallax/v1/sensor.pb.h"

namespace parallax {

// Reads the whole file. A file that is not there is an error: what is to be resumed was there.
Result<v1::SliceResume> beginning_of(const std::string& path);

}  // namespace parallax
