#include "daemon/slice/slice_filters.h"

#include <fmt/format.h>

#include <map>

#include "capture/decode/bpf_names.h"

namespace parallax {

// Compiled once for each link type, for it may take long.
Result<SliceFilters> compile_slice_filters(const std::string& expression, const std::vector<LinkType>& interfaces,
                                           size_t must_fit) {
  // libpcap would ask the daemon's resolver, for whoever may ask the daemon.
  if (const auto name = find_host_name(expression)) {
    return Error{
        fmt::format("filter '{}': '{}' is no word of pcap-filter(7), and host names are not looked up: give an address, "
                    "at position {}",
                    expression, name->text, name->position)};
  }
  SliceFilters filters;
  std::map<LinkType, std::optional<BpfFilter>> compiled;
  for (size_t i = 0; i < interfaces.size(); ++i) {
    if (!compiled.contains(interfaces[i])) {
      Result<BpfFilter> filter = BpfFilter::compile(expression, interfaces[i]);
      if (!filter && i < must_fit) return Error{filter.error()};
      compiled.emplace(interfaces[i], filter ? std::optional(std::move(*filter)) : std::nullopt);
    }
    filters.push_back(compiled.at(interfaces[i]));
  }
  return filters;
}

}  // namespace parallax
