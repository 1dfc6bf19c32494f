#include "capture/decode/flow_filter.h"

#include <algorithm>

namespace parallax {

Result<FlowFilter> FlowFilter::compile(const std::string& expression, std::span<const LinkType> required) {
  FlowFilter filter;
  std::string first_error;
  bool any = false;
  for (size_t i = 0; i < kLinkTypes.size(); ++i) {
    Result<BpfFilter> compiled = BpfFilter::compile(expression, kLinkTypes[i]);
    if (compiled.ok()) {
      filter.filters_[i].emplace(std::move(compiled.value()));
      any = true;
      continue;
    }
    if (std::find(required.begin(), required.end(), kLinkTypes[i]) != required.end()) return Error{compiled.error()};
    // Ethernet's error is the one to show: it is what nearly every port is.
    if (first_error.empty() || kLinkTypes[i] == LinkType::ethernet) first_error = compiled.error();
  }
  if (!any) return Error{first_error};
  return filter;
}

}  // namespace parallax
