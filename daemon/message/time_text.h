// Times as RFC 3339 in UTC: 2024-02-29T12:00:00.25Z, with 0, 3, 6 or 9 decimals, as many as are needed.
#pragma once

#include <cstdint>
#include <string>

namespace parallax {

// Seconds since 1970, nanoseconds in [0, 999999999]. Outside the years 0001 to 9999 the nearest time within.
std::string time_text(int64_t seconds, int32_t nanos);
std::string time_text_ns(int64_t time_ns);
void append_time(int64_t seconds, int32_t nanos, std::string& out);

}  // namespace parallax
