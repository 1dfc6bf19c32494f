// Numbers as they stand in sentences.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace parallax {

std::string plural(uint64_t count, std::string_view noun);  // "1 SYN", "3 SYNs"
// For what agrees with a count: by_number(n, "it", "them").
std::string_view by_number(uint64_t count, std::string_view one, std::string_view many);
std::string percent(uint64_t part, uint64_t whole);  // "12.5 %"; four decimals below 0.1 %
std::string duration_of(int64_t ns);                 // "272 us", "3.6 ms", "406 ms", "30.5 s"; from ten minutes on "12 min 5 s"
std::string seconds_of(double seconds);              // the same

}  // namespace parallax
