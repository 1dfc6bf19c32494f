#include "daemon/client/access_log_text.h"

#include <fmt/format.h>

#include <cmath>

#include "daemon/message/text_table.h"
#include "daemon/message/time_text.h"

namespace parallax {
namespace {

// "1 request", "1,200 requests".
std::string counted(uint64_t count, const char* noun) {
  return fmt::format("{} {}{}", count_text(count), noun, count == 1 ? "" : "s");
}

std::string of_which(uint64_t count, const char* what) {
  return count == 0 ? "" : fmt::format(", {} {}", count_text(count), what);
}

}  // namespace

std::vector<std::string> access_log_lines(const v1::AccessLog& log) {
  std::vector<std::string> lines;
  lines.push_back(
      fmt::format("access log: {}, {} joined to connections, {} ambiguous, {} not captured{}", counted(log.requests(), "request"),
                  count_text(log.joined()), count_text(log.ambiguous()), count_text(log.not_captured()),
                  log.outside_capture() == 0 ? "" : fmt::format(" ({} at other times)", count_text(log.outside_capture()))));
  lines.push_back(fmt::format("{} format; clients by {}{}", log.format(),
                              log.client_fields().empty() ? "no field: none holds an address" : log.client_fields(),
                              of_which(log.without_request(), "without an HTTP request")));
  std::string told;
  const auto tell = [&told](uint64_t count, const char* what, const char* then) {
    if (count > 0) told += fmt::format("{}{} {}", told.empty() ? "" : "; ", counted(count, what), then);
  };
  tell(log.clients_named(), "captured request", "got a client's address from it");
  tell(log.pairings(), "connection", "of clients paired across the proxy by it");
  tell(log.pairings_confirmed(), "request", "on connections that were paired alike without it");
  tell(log.pairings_taken_back(), "pairing", "by timing taken back, as it names another client");
  if (!told.empty()) lines.push_back(told);
  if (log.malformed_lines() > 0)
    lines.push_back(fmt::format("{} of it could not be read, the first is {}:{}", counted(log.malformed_lines(), "line"),
                                log.file(), log.first_malformed_line()));
  if (log.foreign_requests() > 0)
    lines.push_back(
        fmt::format("{} to servers of whose requests fewer than 9 in 10 stand in it: they are taken for another log's, and "
                    "not joined",
                    counted(log.foreign_requests(), "captured request")));
  const double ahead = log.clock_offset_seconds();
  if (ahead != 0) {
    lines.push_back(
        fmt::format("its clock is {} {} the packets', by the requests that stand once in both; a multiple of 15 minutes is "
                    "a time zone",
                    duration_text(std::abs(ahead)), ahead < 0 ? "behind" : "ahead of"));
  } else if (!log.has_clock_offset_seconds() && log.joined() == 0 && log.requests() > 0) {
    lines.push_back("whether its clock agrees with the packets' cannot be told: too few requests stand once in both");
  }
  return lines;
}

}  // namespace parallax
