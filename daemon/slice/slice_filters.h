// The filter of a slice, compiled for each of its interfaces. Any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "capture/core/link_type.h"
#include "capture/core/result.h"
#include "capture/decode/bpf_filter.h"

namespace parallax {

// By interface; nullopt: the filter has no meaning for its link type, and nothing of it matches. For the first `must_fit`
// interfaces that is an error. Host names are refused: nothing is looked up.
using SliceFilters = std::vector<std::optional<BpfFilter>>;
Result<SliceFilters> compile_slice_filters(const std::string& expression, const std::vector<LinkType>& interfaces,
                                           size_t must_fit);

}  // namespace parallax
