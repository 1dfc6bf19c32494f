#include "daemon/doctor/core_list.h"

#include <charconv>

namespace parallax {

std::vector<uint32_t> cores_in(const std::string& list) {
  constexpr uint32_t kCoresMost = 1 << 16;
  std::vector<uint32_t> cores;
  const char *at = list.data(), *const end = list.data() + list.size();
  while (at < end) {
    uint32_t first = 0, last = 0;
    auto read = std::from_chars(at, end, first);
    if (read.ec != std::errc()) return {};
    last = first;
    if (read.ptr < end && *read.ptr == '-') read = std::from_chars(read.ptr + 1, end, last);
    if (read.ec != std::errc() || last < first || last > kCoresMost || (read.ptr < end && *read.ptr != ',')) return {};
    for (uint32_t core = first; core <= last; ++core) cores.push_back(core);
    at = read.ptr < end ? read.ptr + 1 : end;
  }
  return cores;
}

}  // namespace parallax
