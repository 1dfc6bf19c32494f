#include "daemon/client/page/packet_table.h"

#include <fmt/format.h>

#include "daemon/client/ladder_words.h"
#include "daemon/client/page/html_table.h"
#include "daemon/client/page/ladder_svg.h"
#include "daemon/message/time_text.h"

namespace parallax {

std::string packet_table(const Ladder& ladder, const std::string& id) {
  std::vector<HtmlTable::Column> columns{{"seconds", "number"}, {"from"}, {"packet", "exact"}, {"labels"}, {"transit", "number"}};
  for (const std::string& lane : ladder.lanes) {
    columns.push_back({"frame at " + lane, "number"});
    columns.push_back({"of file"});
    columns.push_back({"time at " + lane + " (UTC)", "exact"});
  }
  columns.push_back({"rewritten, old > new", "words"});
  HtmlTable table(id, columns);
  for (const LadderRow& row : rows_of(ladder, kSvgStepsMax)) {
    if (row.step == nullptr) continue;
    const LadderStep& step = *row.step;
    std::vector<HtmlCell> cells{{fmt::format("{:.6f}", static_cast<double>(row.since_begin_ns) / 1e9)},
                                text_cell(step.from == Side::client ? "client" : "server"),
                                text_cell(packet_text(step)),
                                text_cell(labels_text(step)),
                                {transit_text(step), std::to_string(transit_ns(step).value_or(0))}};
    for (const auto& sighting : step.sightings) {
      cells.push_back(sighting ? HtmlCell{std::to_string(sighting->frame)} : text_cell("-"));
      cells.push_back(text_cell(sighting ? file_of(ladder, *sighting) : ""));
      cells.push_back(text_cell(sighting ? time_text_ns(sighting->time_ns) : "not seen"));
    }
    cells.push_back(text_cell(rewritten_text(step)));
    table.add(cells);
  }
  return table.html();
}

}  // namespace parallax
