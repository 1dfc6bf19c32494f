// The daemon's log: one line an event. Into systemd's journal with fields, where standard error is the journal's
// (systemd.exec(5), JOURNAL_STREAM); else onto standard error as text, with the word of what is bad.
//
// Any thread may log, a line is written in one piece. Nothing on the packet path logs. Of lines from one place (one format) so
// many are written within a while (log_limit.h), and how many more there were is told at its end. What is given to log_line() as
// it is, is written always.
#pragma once

#include <fmt/format.h>

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/run/log_limit.h"

namespace parallax {

// A field of the journal besides MESSAGE, PRIORITY and SYSLOG_IDENTIFIER. One name may come several times.
struct LogField {
  std::string_view name;  // upper case, such as PARALLAX_POINT
  std::string value;
};

void log_line(LogLevel level, std::string_view text, std::span<const LogField> fields = {});

// As log_line(), where no more of `kind` were written of late than may be.
void log_limited(std::string_view kind, LogLevel level, std::string_view text, std::span<const LogField> fields = {});
// How many were not, once their while is over. About once a second; `all`: at the end, also before.
void log_suppressed(bool all = false);

template <typename... A>
void log_error(fmt::format_string<A...> format, A&&... args) {
  const fmt::string_view place = format;
  log_limited({place.data(), place.size()}, LogLevel::error, fmt::format(format, std::forward<A>(args)...));
}
template <typename... A>
void log_warning(fmt::format_string<A...> format, A&&... args) {
  const fmt::string_view place = format;
  log_limited({place.data(), place.size()}, LogLevel::warning, fmt::format(format, std::forward<A>(args)...));
}
template <typename... A>
void log_notice(fmt::format_string<A...> format, A&&... args) {
  const fmt::string_view place = format;
  log_limited({place.data(), place.size()}, LogLevel::notice, fmt::format(format, std::forward<A>(args)...));
}
template <typename... A>
void log_info(fmt::format_string<A...> format, A&&... args) {
  const fmt::string_view place = format;
  log_limited({place.data(), place.size()}, LogLevel::info, fmt::format(format, std::forward<A>(args)...));
}

}  // namespace parallax
