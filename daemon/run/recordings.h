// Which files of a point follow one another in time, and so are parts of one recording: a port with gaps, not parallel ports.
#pragma once

#include <cstdint>
#include <vector>

#include "capture/core/packet_source.h"
#include "capture/core/port.h"

namespace parallax {

// Assigns each file of one point, by its first and last stamp, to a recording; numbers begin at `first_recording`. A file joins
// the recording that ended last before it began (rotation may let them overlap by a few milliseconds); otherwise it begins one of
// its own, as the members of a LAG or the two directions of a TAP do. In the order of `files`.
std::vector<RecordingPart> recordings_of(const std::vector<TimeSpan>& files, uint32_t first_recording);

}  // namespace parallax
