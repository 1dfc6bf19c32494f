// The daemon's log: one line an event on standard error, which systemd hands to the journal.
//
// Any thread may log, a line is written in one piece. Nothing on the packet path logs. Under systemd (JOURNAL_STREAM is
// set) a line begins with its priority, "<4>", as sd-daemon(3) has it; for a person with the word.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace parallax {

enum class LogLevel { error = 3, warning = 4, notice = 5, info = 6 };  // syslog(3)'s numbers

void log_line(LogLevel level, std::string_view text);

template <typename... A>
void log_error(fmt::format_string<A...> format, A&&... args) {
  log_line(LogLevel::error, fmt::format(format, std::forward<A>(args)...));
}
template <typename... A>
void log_warning(fmt::format_string<A...> format, A&&... args) {
  log_line(LogLevel::warning, fmt::format(format, std::forward<A>(args)...));
}
template <typename... A>
void log_notice(fmt::format_string<A...> format, A&&... args) {
  log_line(LogLevel::notice, fmt::format(format, std::forward<A>(args)...));
}
template <typename... A>
void log_info(fmt::format_string<A...> format, A&&... args) {
  log_line(LogLevel::info, fmt::format(format, std::forward<A>(args)...));
}

}  // namespace parallax
