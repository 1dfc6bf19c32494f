// A table of the page: its columns sort by a click where it has more than one row. Columns that hold nothing in any row are left
// out.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace parallax {

struct HtmlCell {
  std::string html;    // escaped already
  std::string sort{};  // what it is sorted by; empty: its text
};
HtmlCell text_cell(const std::string& text);
HtmlCell count_cell(uint64_t count);
HtmlCell count_cell_or_blank(uint64_t count);  // blank: zero
HtmlCell bytes_cell(uint64_t bytes);
HtmlCell duration_cell(double seconds);

class HtmlTable {
 public:
  struct Column {
    std::string title;
    const char* css = "";  // number, exact (monospaced, in one line), words
  };
  HtmlTable(std::string id, std::vector<Column> columns) : id_(std::move(id)), columns_(std::move(columns)) {}

  // REQUIRES: one cell a column. `row_id` to link to; empty: none.
  void add(std::vector<HtmlCell> cells, const std::string& row_id = "");
  std::string html() const;

 private:
  const std::string id_;
  const std::vector<Column> columns_;
  std::vector<std::pair<std::string, std::vector<HtmlCell>>> rows_;  // with their ids
};

}  // namespace parallax
