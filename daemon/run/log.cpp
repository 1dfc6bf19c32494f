#include "daemon/run/log.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace parallax {

void log_line(LogLevel level, std::string_view text) {
  static const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
  std::string line;
  if (journal) {
    line = fmt::format("<{}>", static_cast<int>(level));
  } else if (level == LogLevel::error) {
    line = "error: ";
  } else if (level == LogLevel::warning) {
    line = "warning: ";
  }
  const size_t prefix = line.size();
  line += text;
  // What a peer or a file said may be quoted in it: one event stays one line, and no terminal is steered.
  for (size_t i = prefix; i < line.size(); ++i) {
    if (static_cast<unsigned char>(line[i]) < 0x20 || line[i] == 0x7f) line[i] = ' ';
  }
  line += '\n';
  // One write, so that lines of several threads do not mix. There is nowhere to report a failure to.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace parallax
