// What a thread in the background has to say for the daemon's log. Called by that thread and by the one that makes it.
#pragma once

#include <functional>
#include <string_view>

namespace parallax {

enum class News { trouble, notice };
using Tell = std::function<void(News, std::string_view)>;

}  // namespace parallax
