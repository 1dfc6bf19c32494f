// Text within HTML and SVG.
#pragma once

#include <string>
#include <string_view>

namespace parallax {

// Whatever came from the wire, as text of an element or value of a quoted attribute: markup is escaped; what printable()
// replaces can be seen.
std::string escaped(std::string_view text);

}  // namespace parallax
