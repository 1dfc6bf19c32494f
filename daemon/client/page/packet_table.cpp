#include "daemon/client/page/packet_table.h"

#include <fmt/format.h>

#include <set>
#include <utility>
#include <vector>

#include "daemon/client/ladder_words.h"
#include "daemon/client/page/html_table.h"
#include "daemon/client/page/ladder_svg.h"
#include "daemon/message/time_text.h"

namespace parallax {

namespace {

// Whether a frame number at this point is not enough to find the packet.
bool has_several_files(const Ladder& ladder, size_t lane) {
  std::set<PortIndex> ports;
  for (const LadderStep& step : ladder.steps) {
    if (step.sightings[lane]) ports.insert(step.sightings[lane]->packet.port);
  }
  return ports.size() > 1;
}

}  // namespace

std::string packet_table(const Ladder& ladder, const std::string& id) {
  std::vector<HtmlTable::Column> columns{
      {"seconds", "number"}, {"from"}, {"packet", "exact words"}, {"rewritten, old > new", "words"}, {"transit", "number"}};
  std::vector<bool> names_files;
  for (size_t lane = 0; lane < ladder.lanes.size(); ++lane) {
    names_files.push_back(has_several_files(ladder, lane));
    columns.push_back({"frame at " + ladder.lanes[lane], "number"});
    if (names_files[lane]) columns.push_back({"of file"});
    columns.push_back({"time at " + ladder.lanes[lane] + " (UTC)", "exact"});
  }
  HtmlTable table(id, columns);
  for (const LadderRow& row : rows_of(ladder, kSvgStepsMax)) {
    if (row.step == nullptr) continue;
    const LadderStep& step = *row.step;
    std::string said = packet_text(step);
    if (const std::string labels = labels_text(step); !labels.empty()) said += " [" + labels + ']';
    std::vector<HtmlCell> cells{{fmt::format("{:.6f}", static_cast<double>(row.since_begin_ns) / 1e9)},
                                text_cell(step.from == Side::client ? "client" : "server"),
                                text_cell(said),
                                text_cell(rewritten_text(step)),
                                {transit_text(step), std::to_string(transit_ns(step).value_or(0))}};
    for (size_t lane = 0; lane < step.sightings.size(); ++lane) {
      const auto& sighting = step.sightings[lane];
      cells.push_back(sighting ? HtmlCell{std::to_string(sighting->frame)} : text_cell("-"));
      if (names_files[lane]) cells.push_back(text_cell(sighting ? file_of(ladder, *sighting) : ""));
      cells.push_back(text_cell(sighting ? time_text_ns(sighting->time_ns) : "not seen"));
    }
    table.add(std::move(cells));
  }
  return table.html();
}

}  // namespace parallax
