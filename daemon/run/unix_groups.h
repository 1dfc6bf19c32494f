// Groups of this system.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace parallax {

// Nullopt where there is no such group. Any thread.
std::optional<gid_t> find_group(const std::string& name);

}  // namespace parallax
