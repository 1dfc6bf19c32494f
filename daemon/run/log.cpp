#include "daemon/run/log.h"

#define SD_JOURNAL_SUPPRESS_LOCATION  // the daemon's lines say what they are of; the place in its source is of no use to an
                                      // operator
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/message/utf8.h"

namespace parallax {
namespace {

constexpr const char* kJournalSocket = "/run/systemd/journal/socket";

// Whether standard error is the journal's, and not something else's to which it was redirected under systemd.
bool is_journal() {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &status) != 0) return false;
  return stream == fmt::format("{}:{}", status.st_dev, status.st_ino);
}

// False: the journal does not take it.
bool send_to_journal(LogLevel level, const std::string& text, std::span<const LogField> fields) {
  if (::access(kJournalSocket, F_OK) != 0) return false;  // then libsystemd says that all went well
  std::vector<std::string> lines{"MESSAGE=" + text, fmt::format("PRIORITY={}", static_cast<int>(level)),
                                 "SYSLOG_IDENTIFIER=parallaxd"};
  for (const LogField& field : fields) lines.push_back(fmt::format("{}={}", field.name, field.value));
  std::vector<iovec> parts;
  for (std::string& line : lines) parts.push_back({line.data(), line.size()});
  return ::sd_journal_sendv(parts.data(), static_cast<int>(parts.size())) == 0;
}

void write_to_standard_error(LogLevel level, const std::string& text, bool is_journal) {
  std::string line;
  if (is_journal) {
    line = fmt::format("<{}>", static_cast<int>(level));
  } else if (level == LogLevel::error) {
    line = "error: ";
  } else if (level == LogLevel::warning) {
    line = "warning: ";
  }
  line += text + '\n';
  // One write, so that lines of several threads do not mix. There is nowhere to report a failure to.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

struct SharedLimit {
  std::mutex mutex;
  LogLimit limit;  // guarded by it
};

// Never destroyed: threads of libraries may log while the program ends.
SharedLimit& shared_limit() {
  static SharedLimit& limit = *new SharedLimit;
  return limit;
}

}  // namespace

void log_line(LogLevel level, std::string_view text, std::span<const LogField> fields) {
  static const bool journal = is_journal();
  // What a peer or a file said may be quoted in it: one event stays one line, and no terminal is steered.
  std::string line(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  line = sanitised(line);
  if (!journal || !send_to_journal(level, line, fields)) write_to_standard_error(level, line, journal);
}

void log_limited(std::string_view kind, LogLevel level, std::string_view text, std::span<const LogField> fields) {
  SharedLimit& shared = shared_limit();
  {
    const std::lock_guard lock(shared.mutex);
    if (!shared.limit.admits(kind, level, text, LogLimit::Clock::now())) return;
  }
  log_line(level, text, fields);
}

void log_suppressed(bool all) {
  SharedLimit& shared = shared_limit();
  std::vector<LogLimit::Suppressed> suppressed;
  {
    const std::lock_guard lock(shared.mutex);
    suppressed = shared.limit.take(LogLimit::Clock::now(), all);
  }
  for (const LogLimit::Suppressed& one : suppressed) {
    log_line(one.worst, fmt::format("{} more like this within {} s; the last: {}", one.lines, LogLimit::kWhile.count(), one.last),
             std::vector<LogField>{{"PARALLAX_SUPPRESSED", std::to_string(one.lines)}});
  }
}

}  // namespace parallax
