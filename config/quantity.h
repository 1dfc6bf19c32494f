// Sizes and durations as people write them: 4096, 64KiB, 200GiB, 1.5TB; 0.25, 250ms, 10s, 5m.
// What is printed reads back to the same value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace parallax {

// K, M, G, T, P with B are powers of 1000, with iB powers of 1024; no unit or B: bytes. Nullopt: not a size, not a
// whole number of bytes, or above 2^63.
std::optional<uint64_t> parse_bytes(std::string_view text);
std::string print_bytes(uint64_t bytes);

// Seconds; ns, us, ms, s, m, h, d, or no unit: seconds. Nullopt: not a duration, or negative.
std::optional<double> parse_seconds(std::string_view text);
std::string print_seconds(double seconds);

// The shortest text that reads back to the same double.
std::string print_double(double value);

}  // namespace parallax
