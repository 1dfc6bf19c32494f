// The kernel's lists of cores: "0-3,8,10-11".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace parallax {

// In the order of the list. What is no list has none.
std::vector<uint32_t> cores_in(const std::string& list);

}  // namespace parallax
