// Numbers as they stand in sentences.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace parallax {

std::string plural(uint64_t count, std::string_view noun);  // "1 SYN", "3 SYNs"
std::string percent(uint64_t part, uint64_t whole);         // "12.5 %"; four decimals below 0.1 %
std::string duration_of(int64_t ns);                        // "1.204 ms" below 10 ms, else "1.204 s"
std::string seconds_of(double seconds);                     // "30.5 s"; four decimals below 0.1 s

}  // namespace parallax
