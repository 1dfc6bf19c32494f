#include "daemon/client/paint.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace parallax {

bool takes_colour(FILE* out) {
  const char* no = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return (no == nullptr || *no == 0) && terminal != nullptr && std::string_view(terminal) != "dumb" && isatty(fileno(out)) == 1;
}

}  // namespace parallax
