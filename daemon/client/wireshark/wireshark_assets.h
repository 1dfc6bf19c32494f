// What `parallax wireshark install` writes, built in: the files of the profile, and the Lua script.
#pragma once

#include <string_view>

namespace parallax {

extern const std::string_view kProfilePreferences, kProfileColorFilters, kProfileFilterButtons, kProfileEnabledProtocols;
extern const std::string_view kLuaScript;

}  // namespace parallax
