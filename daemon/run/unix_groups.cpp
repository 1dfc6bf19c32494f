#include "daemon/run/unix_groups.h"

#include <grp.h>

#include <cerrno>
#include <vector>

namespace parallax {

std::optional<gid_t> find_group(const std::string& name) {
  constexpr size_t kBytesMax = 16 << 20;  // all names of the members of one group
  group entry{};
  group* found = nullptr;
  int failure = ERANGE;
  for (size_t bytes = 4096; failure == ERANGE && bytes <= kBytesMax; bytes *= 4) {
    std::vector<char> buffer(bytes);
    failure = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (failure == 0 && found != nullptr) return entry.gr_gid;
  }
  return std::nullopt;
}

}  // namespace parallax
