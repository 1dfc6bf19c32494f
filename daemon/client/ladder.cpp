#include "daemon/client/ladder.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/client/ladder_words.h"
#include "daemon/client/paint.h"
#include "daemon/message/text_table.h"

namespace parallax {
namespace {

constexpr size_t kTimeColumns = 13, kLanesColumns = 36;
constexpr size_t kLaneLeast = 5, kLaneMost = 9, kLaneAlone = 13;  // from one to the next; around a single point

// What lines are drawn with.
struct Strokes {
  const char *lane, *before_point, *in_device, *seen, *to_server, *to_client, *lost, *made, *unknown, *fold;
};
constexpr Strokes kAscii{"|", "-", "=", "o", ">", "<", "X", "*", "?", ":"};
constexpr Strokes kUtf8{"│", "─", "═", "●", "▶", "◀", "✗", "✱", "?", "┊"};

// ---- the line between the columns ----

// Columns: the client, the points, the server. Cells between: what crosses there.
class Lanes {
 public:
  Lanes(size_t points, const Strokes& strokes, Paint paint)
      : strokes_(strokes),
        paint_(paint),
        apart_(points == 1 ? kLaneAlone : std::clamp(kLanesColumns / (points + 1), kLaneLeast, kLaneMost)),
        lanes_(points + 2) {}

  size_t columns() const { return (lanes_ - 1) * apart_ + 1; }
  size_t apart() const { return apart_; }

  std::string empty(const char* mark) const { return join(cells(mark)); }

  std::string of(const LadderStep& step) const {
    std::vector<std::string> line = cells(strokes_.lane);
    const bool forth = step.from == Side::client;
    const auto column = [&](size_t lane) { return (forth ? lane : lanes_ - 1 - lane) * apart_; };
    const auto is_seen = [&](size_t lane) { return step.sightings[forth ? lane - 1 : lanes_ - 2 - lane].has_value(); };
    const LadderSpan span = span_of(step);
    for (size_t lane = span.is_made ? span.first - 1 : 0; lane < (span.arrives ? lanes_ - 1 : span.last + 1); ++lane) {
      const bool in_device = lane >= 1 && lane + 1 <= lanes_ - 2;
      const bool begins_here = span.is_made && lane == span.first - 1, ends_here = !span.arrives && lane == span.last;
      for (size_t i = 1; i < apart_; ++i) {
        const bool drawn = begins_here ? i > apart_ / 2 : ends_here ? i < apart_ / 2 : true;
        if (drawn) line[at(column(lane), i, forth)] = in_device ? strokes_.in_device : strokes_.before_point;
      }
      if (begins_here)
        line[at(column(lane), apart_ / 2, forth)] = paint_.alarm(is_injected(step) ? strokes_.made : strokes_.unknown);
      if (ends_here) line[at(column(lane), apart_ / 2, forth)] = paint_.alarm(is_lost(step) ? strokes_.lost : strokes_.unknown);
      if (!ends_here && lane + 1 == lanes_ - 1)
        line[at(column(lane), apart_ - 1, forth)] = forth ? strokes_.to_server : strokes_.to_client;
      if (lane >= 1 && is_seen(lane)) line[column(lane)] = strokes_.seen;
    }
    return join(line);
  }

 private:
  std::vector<std::string> cells(const char* mark) const {
    std::vector<std::string> line(columns(), " ");
    for (size_t lane = 0; lane < lanes_; ++lane) line[lane * apart_] = mark;
    return line;
  }
  static size_t at(size_t column, size_t offset, bool forth) { return forth ? column + offset : column - offset; }
  static std::string join(const std::vector<std::string>& line) {
    std::string text;
    for (const std::string& cell : line) text += cell;
    return text;
  }

  const Strokes& strokes_;
  const Paint paint_;
  const size_t apart_, lanes_;
};

// "spurious retrans.": retransmissions are what a ladder shows most of, and lines are short.
std::string shortened(std::string labels) {
  constexpr std::string_view kLong = "retransmission";
  for (size_t at = 0; (at = labels.find(kLong, at)) != std::string::npos;) labels.replace(at, kLong.size(), "retrans.");
  return labels;
}

std::string cut(std::string text, size_t columns) {
  if (text.size() > columns) text.resize(columns);
  return text;
}
std::string cut_with_dots(const std::string& text, size_t columns) {
  return text.size() <= columns || columns < 3 ? cut(text, columns) : cut(text, columns - 3) + "...";
}

}  // namespace

std::string ladder_text(const Ladder& ladder, const LadderStyle& style) {
  const Strokes& strokes = style.ascii ? kAscii : kUtf8;
  const Paint paint(style.colour);
  const Lanes lanes(ladder.lanes.size(), strokes, paint);
  const size_t room = style.columns - kTimeColumns - lanes.columns() - 2;
  std::string text;
  for (const std::string& line : ladder.title) text += printable(line) + '\n';

  std::string devices(kTimeColumns + lanes.apart(), ' ');
  const char* const device = lanes.apart() == kLaneMost ? "device" : "dev";
  for (size_t lane = 1; lane < ladder.lanes.size(); ++lane) devices += fmt::format("{:^{}}", device, lanes.apart());
  if (ladder.lanes.size() > 1) text += devices.substr(0, devices.find_last_not_of(' ') + 1) + '\n';
  std::string names(kTimeColumns, ' ');
  std::vector<std::string> columns{"client"};
  columns.insert(columns.end(), ladder.lanes.begin(), ladder.lanes.end());
  for (const std::string& name : columns) names += fmt::format("{:<{}}", cut(printable(name), lanes.apart() - 1), lanes.apart());
  text += names + "server\n";

  for (const LadderRow& row : rows_of(ladder, style.steps_max)) {
    if (row.step == nullptr) {
      text += fmt::format("{:{}}{}  {}\n", "", kTimeColumns, lanes.empty(strokes.fold), row.pause);
      continue;
    }
    const LadderStep& step = *row.step;
    std::string said = packet_text(step);
    if (const std::string labels = labels_text(step); !labels.empty()) said += fmt::format(" [{}]", shortened(labels));
    const std::string transit = transit_text(step);
    const std::string rest = (transit.empty() ? "" : " +" + transit) + " #" + frames_text(step);
    said = cut_with_dots(printable(said), room > rest.size() ? room - rest.size() : 0) + rest;
    text += fmt::format("{}{:>11.6f} {}  {}\n", step.decisive ? paint.alarm("!") : " ",
                        static_cast<double>(row.since_begin_ns) / 1e9, lanes.of(step), said);
  }
  return text;
}

}  // namespace parallax
