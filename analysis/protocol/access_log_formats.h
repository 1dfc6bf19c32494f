// One line of an access log, by format. Nothing is handed out that does not stand in the line; a line is parsed or it is not.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/model/access_log.h"

namespace parallax {

enum class LogLineStatus : uint8_t {
  malformed,        // not of this format
  without_request,  // of this format; what came was no HTTP request
  request,
  comment,  // says nothing of a request
};

struct LogLine {
  static constexpr size_t kSlotsMax = 16;

  AccessLogEntry entry;  // without line; its clients: who connected, and who else stands at that place
  // Fields that may name clients, by their place: the quoted ones after the request, or haproxy's captured headers.
  std::array<std::string, kSlotsMax> slots;
  size_t slot_count = 0;
  bool column_named = false;  // W3C: forwarded_for is from a column of that name
};

// What `#Fields:` and `#Date:` have said.
struct W3cFields {
  std::vector<std::string> names;  // in lower case
  std::string date;
};

LogLineStatus parse_common_line(std::string_view text, LogLine& out);   // and combined, with any fields after it
LogLineStatus parse_haproxy_line(std::string_view text, LogLine& out);  // of HTTP mode, with or without syslog's prefix
LogLineStatus parse_w3c_line(std::string_view text, W3cFields& fields, LogLine& out);

// "203.0.113.5, 10.0.0.2", with or without ports and brackets; "unknown" may stand among them. In their order; false: anything
// else.
bool parse_address_list(std::string_view text, std::vector<Address>& out);

}  // namespace parallax
