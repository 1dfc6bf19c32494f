// A table for people: columns as wide as they need to be, two blanks between, numbers to the right.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace parallax {

class TextTable {
 public:
  struct Column {
    std::string title;
    bool right = false;  // to the right edge: numbers
  };
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // REQUIRES: one cell a column.
  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // With a line of titles. The last column is not padded.
  std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// What came from the wire may hold anything: what sanitised() replaces becomes '?', so that neither terminals nor readers are
// steered.
std::string printable(std::string_view text);

// Breaks lines of more than kTextColumns at blanks; ends in a line break. What cannot be broken stands out.
inline constexpr size_t kTextColumns = 96;
std::string wrapped(const std::string& text, size_t indent, size_t first_indent);

std::string count_text(uint64_t count);     // 1,234,567
std::string bytes_text(uint64_t bytes);     // 1.5 MiB
std::string duration_text(double seconds);  // 1.2 us, 35 ms, 4.0 s, 3 min 12 s, 2 d 3 h

}  // namespace parallax
