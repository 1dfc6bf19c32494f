#include "daemon/client/page/html_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/client/page/html.h"
#include "daemon/message/text_table.h"

namespace parallax {
namespace {

std::string css_attribute(const std::string& css) { return css.empty() ? "" : " class=\"" + css + '"'; }

}  // namespace

HtmlCell text_cell(const std::string& text) { return {escaped(text)}; }
HtmlCell count_cell(uint64_t count) { return {count_text(count), std::to_string(count)}; }
HtmlCell count_cell_or_blank(uint64_t count) { return {count == 0 ? "" : count_text(count), std::to_string(count)}; }
HtmlCell bytes_cell(uint64_t bytes) { return {bytes_text(bytes), std::to_string(bytes)}; }
HtmlCell duration_cell(double seconds) { return {duration_text(seconds), fmt::format("{:.9f}", seconds)}; }

void HtmlTable::add(std::vector<HtmlCell> cells, const std::string& row_id) { rows_.emplace_back(row_id, std::move(cells)); }

std::string HtmlTable::html() const {
  std::vector<size_t> shown;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (std::any_of(rows_.begin(), rows_.end(), [i](const auto& row) { return !row.second[i].html.empty(); })) shown.push_back(i);
  }
  std::string out = fmt::format("<div class=\"scroll\"><table id=\"{}\"{}>\n<thead><tr>", id_,
                                css_attribute(rows_.size() > 1 ? "sortable" : ""));
  for (const size_t i : shown)
    out += fmt::format("<th scope=\"col\"{}>{}</th>", css_attribute(columns_[i].css), escaped(columns_[i].title));
  out += "</tr></thead>\n<tbody>\n";
  for (const auto& [id, cells] : rows_) {
    out += id.empty() ? "<tr>" : fmt::format("<tr id=\"{}\">", id);
    for (const size_t i : shown) {
      const std::string sort = cells[i].sort.empty() ? "" : fmt::format(" data-sort=\"{}\"", escaped(cells[i].sort));
      out += fmt::format("<td{}{}>{}</td>", css_attribute(columns_[i].css), sort, cells[i].html);
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

}  // namespace parallax
