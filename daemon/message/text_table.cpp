#include "daemon/message/text_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "daemon/message/utf8.h"

namespace parallax {
namespace {

// Columns on the screen: bytes that do not continue a UTF-8 character.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

void TextTable::add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = printable(cell);
  rows_.push_back(std::move(cells));
}

std::string TextTable::text() const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = width_of(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, width_of(row[i]));
    widths.push_back(width);
  }
  std::string text;
  const auto add_line = [&](auto&& cell) {
    for (size_t i = 0; i < columns_.size(); ++i) {
      const std::string& value = cell(i);
      const std::string blanks(widths[i] - width_of(value), ' ');
      if (i != 0) text += "  ";
      if (columns_[i].right) text += blanks;
      text += value;
      if (!columns_[i].right && i + 1 != columns_.size()) text += blanks;
    }
    text += '\n';
  };
  add_line([&](size_t i) -> const std::string& { return columns_[i].title; });
  for (const auto& row : rows_) add_line([&](size_t i) -> const std::string& { return row[i]; });
  return text;
}

std::string printable(std::string_view text) { return sanitised(text, "?"); }

std::string count_text(uint64_t count) {
  std::string digits = std::to_string(count);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string bytes_text(uint64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string duration_text(double seconds) {
  const double size = std::abs(seconds);
  // Three digits, without a thousand of the smaller unit.
  if (size < 999.5e-9) return fmt::format("{:.0f} ns", seconds * 1e9);
  if (size < 999.5e-6) return fmt::format("{:.3g} us", seconds * 1e6);
  if (size < 999.5e-3) return fmt::format("{:.3g} ms", seconds * 1e3);
  if (size < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<long long>(seconds);
  if (size < 3600) return fmt::format("{} min {} s", whole / 60, std::abs(whole % 60));
  if (size < 86400) return fmt::format("{} h {} min", whole / 3600, std::abs(whole / 60 % 60));
  return fmt::format("{} d {} h", whole / 86400, std::abs(whole / 3600 % 24));
}

std::string wrapped(const std::string& text, size_t indent, size_t first_indent) {
  std::string out(first_indent, ' ');
  size_t column = first_indent;
  bool at_start = true;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find(' ', begin);
    if (text.compare(std::min(end, text.size()), 2, " %") == 0) end = text.find(' ', end + 1);  // "99 %" is one word
    if (end == std::string::npos) end = text.size();
    const size_t length = end - begin;
    if (!at_start && column + 1 + length > kTextColumns) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
      at_start = true;
    }
    if (!at_start) {
      out += ' ';
      ++column;
    }
    out.append(text, begin, length);
    column += length;
    at_start = false;
    begin = end + 1;
  }
  return out + '\n';
}

}  // namespace parallax
