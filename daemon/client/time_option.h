// Times as they are typed behind an option: RFC 3339, or an age before now: "90s", "10m", "2h", "1d".
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <string>

#include "capture/core/result.h"

namespace parallax {

// The error names the option, and says what would be right.
Result<google::protobuf::Timestamp> parse_time_option(const char* option, const std::string& text);

}  // namespace parallax
