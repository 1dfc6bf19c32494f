#include "config/quantity.h"

#include <array>
#include <charconv>
#include <cmath>

namespace parallax {
namespace {

struct Split {
  double number;
  std::string_view unit;
};

// A number, then perhaps spaces, then perhaps letters.
std::optional<Split> split(std::string_view text) {
  Split result{};
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, result.number, std::chars_format::fixed);
  if (error != std::errc{} || !std::isfinite(result.number) || std::signbit(result.number)) return std::nullopt;
  const char* unit = rest;
  while (unit != end && *unit == ' ') ++unit;
  if (unit == end && unit != rest) return std::nullopt;
  result.unit = {unit, static_cast<size_t>(end - unit)};
  return result;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr std::string_view kPrefixes = "kmgtp";

}  // namespace

std::optional<uint64_t> parse_bytes(std::string_view text) {
  const auto parts = split(text);
  if (!parts) return std::nullopt;
  std::string unit;
  for (const char c : parts->unit) unit += lower(c);
  double factor = 1;
  if (!unit.empty() && unit != "b") {
    const size_t power = kPrefixes.find(unit[0]);
    const std::string_view tail = std::string_view(unit).substr(1);
    if (power == std::string_view::npos || (tail != "b" && tail != "ib")) return std::nullopt;
    factor = std::pow(tail == "ib" ? 1024.0 : 1000.0, static_cast<double>(power + 1));
  }
  if (factor == 1) {  // a plain count is read exactly, also above 2^53
    uint64_t count = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error == std::errc{} && count <= uint64_t{1} << 63 &&
        (rest == text.data() + text.size() || *rest == ' ' || lower(*rest) == 'b')) {
      return count;
    }
  }
  // Rounded to the nanobyte, so that 0.1KB is the 100 bytes that were meant.
  const double bytes = parts->number * factor;
  if (bytes > 0x1p63 || std::abs(bytes - std::round(bytes)) > 1e-9 * std::max(bytes, 1.0)) return std::nullopt;
  return static_cast<uint64_t>(std::round(bytes));
}

std::string print_bytes(uint64_t bytes) {
  size_t power = 0;
  while (power < kPrefixes.size() && bytes != 0 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++power;
  }
  static constexpr std::array<const char*, 6> kUnits = {"", "KiB", "MiB", "GiB", "TiB", "PiB"};
  return std::to_string(bytes) + kUnits[power];
}

std::optional<double> parse_seconds(std::string_view text) {
  const auto parts = split(text);
  if (!parts) return std::nullopt;
  struct Unit {
    std::string_view name;
    double multiply, divide;  // dividing by a whole number rounds once, so that 10ms is the same double as 0.01
  };
  static constexpr std::array<Unit, 8> kUnits = {
      {{"", 1, 1}, {"s", 1, 1}, {"ms", 1, 1e3}, {"us", 1, 1e6}, {"ns", 1, 1e9}, {"m", 60, 1}, {"h", 3600, 1}, {"d", 86400, 1}}};
  for (const Unit& unit : kUnits) {
    if (unit.name == parts->unit) return parts->number * unit.multiply / unit.divide;
  }
  return std::nullopt;
}

std::string print_seconds(double seconds) {
  std::array<char, 512> text;
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
  return error == std::errc{} ? std::string(text.data(), end) + 's' : "0s";
}

std::string print_double(double value) {
  std::array<char, 32> text;
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} ? std::string(text.data(), end) : "0";
}

}  // namespace parallax
