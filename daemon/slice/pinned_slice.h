// A slice out of a pinned file: what was copied out of the ring when the finding was told, for when the ring has turned.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/run/pinned_files.h"
#include "daemon/slice/slice.h"

namespace parallax {

// As make_slice(), with the packet ids and comments that the file has. What of it is damaged is left out, and the summary says
// so; data_loss: nothing of it can be read. out_of_range: it has been removed. `bytes_max` as of a SliceRequest. Any thread.
SliceResult pull_pinned(const PinnedFiles& files, uint64_t finding_id, const std::string& filter, const SliceSink& sink,
                        uint64_t bytes_max = UINT64_MAX);

}  // namespace parallax
