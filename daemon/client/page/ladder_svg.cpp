#include "daemon/client/page/ladder_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "analysis/model/model.h"
#include "daemon/client/ladder_words.h"
#include "daemon/client/page/html.h"
#include "daemon/client/report_words.h"
#include "daemon/message/time_text.h"

namespace parallax {
namespace {

// Pixels. A character of the monospaced faces in use takes 0.60 to 0.602 of its size.
constexpr double kCharacter = 12 * 0.61;
constexpr double kRow = 22, kTop = 44, kGap = 18;  // kGap: between columns of text
constexpr double kLaneLeast = 70, kLaneMost = 130, kLanesWidth = 420;
// What stands beside the lanes; the longest comes last, so that the others are in sight.
constexpr std::array<const char*, 3> kTitles{"frames", "transit", "packet"};
constexpr double kDot = 3.5, kMark = 4.5;
// About the origin, in units of kMark.
constexpr const char* kLostMark = "M-1 -1L1 1M-1 1L1 -1";
constexpr const char* kMadeMark = "M0 -1V1M-.87 -.5L.87 .5M-.87 .5L.87 -.5";

double width_of(size_t characters) { return static_cast<double>(characters) * kCharacter; }

std::string text_at(double x, double y, const std::string& text, const char* css = nullptr) {
  const std::string attribute = css == nullptr ? "" : fmt::format(" class=\"{}\"", css);
  return fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\"{}>{}</text>", x, y, attribute, escaped(text));
}
std::string line_between(double x1, double y1, double x2, double y2, const char* css) {
  return fmt::format("<path class=\"{}\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>", css, x1, y1, x2, y2);
}

std::string fate_mark(double x, double y, const char* path) {
  return fmt::format("<path class=\"fate\" transform=\"translate({:.1f} {:.1f}) scale({})\" d=\"{}\"/>", x, y, kMark, path);
}

class LadderDrawing {
 public:
  explicit LadderDrawing(const Ladder& ladder) : ladder_(ladder), rows_(rows_of(ladder, kSvgStepsMax)) {
    const double between = static_cast<double>(ladder.lanes.size() + 1);
    apart_ = std::clamp(kLanesWidth / between, kLaneLeast, kLaneMost);
    std::vector<size_t> widths(kTitles.size());
    for (size_t i = 0; i < kTitles.size(); ++i) widths[i] = std::strlen(kTitles[i]);
    for (const LadderRow& row : rows_) {
      const std::vector<std::string> cells = words_of(row);
      for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
    }
    lanes_x_ = width_of(14) + apart_ / 2;
    double x = lane_x(ladder.lanes.size() + 1) + apart_ / 2;
    for (const size_t width : widths) {
      text_x_.push_back(x);
      x += width_of(width) + kGap;
    }
    width_ = x;
  }

  std::string svg() const {
    const double height = kTop + kRow * static_cast<double>(rows_.size()) + 8;
    std::string out = fmt::format(
        "<svg class=\"ladder\" role=\"group\" aria-label=\"Ladder: where each packet was seen, time downwards\" "
        "width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\">",
        width_, height);
    out += head(height);
    double y = kTop + kRow / 2;
    for (const LadderRow& row : rows_) {
      out += row.step == nullptr ? pause(row, y) : step(row, y);
      y += kRow;
    }
    return out + "</svg>\n";
  }

 private:
  static std::vector<std::string> words_of(const LadderRow& row) {
    if (row.step == nullptr) return {"", "", row.pause};
    std::string said = packet_text(*row.step);
    if (const std::string labels = labels_text(*row.step); !labels.empty()) said += " [" + labels + ']';
    return {frames_text(*row.step), transit_text(*row.step), said};
  }

  double lane_x(size_t column) const { return lanes_x_ + static_cast<double>(column) * apart_; }

  std::string head(double height) const {
    std::vector<std::string> names{"client"};
    names.insert(names.end(), ladder_.lanes.begin(), ladder_.lanes.end());
    names.push_back("server");
    std::string out = text_at(width_of(13), 16, "seconds", "title end");
    for (size_t i = 0; i < names.size(); ++i) {
      const bool is_point = i > 0 && i + 1 < names.size();
      out += text_at(lane_x(i), 16, cut_to_lane(names[i]), is_point ? "title middle" : "aside middle");
      out += line_between(lane_x(i), 24, lane_x(i), height - 4, is_point ? "lane point" : "lane");
    }
    // What stands between two points.
    for (size_t i = 1; i + 2 < names.size(); ++i) {
      out += fmt::format("<rect class=\"device\" x=\"{:.1f}\" y=\"24\" width=\"{:.1f}\" height=\"{:.0f}\"/>", lane_x(i) + 14,
                         apart_ - 28, height - 28);
      out += text_at(lane_x(i) + apart_ / 2, 34, "device", "aside middle");
    }
    for (size_t i = 0; i < kTitles.size(); ++i) out += text_at(text_x_[i], 16, kTitles[i], "title");
    return out;
  }

  std::string cut_to_lane(const std::string& name) const {
    const auto room = static_cast<size_t>((apart_ - 6) / kCharacter);
    return name.size() <= room ? name : name.substr(0, room - 1) + "…";
  }

  std::string pause(const LadderRow& row, double y) const {
    std::string out = "<g class=\"pause\">";
    for (size_t i = 0; i < ladder_.lanes.size() + 2; ++i)
      out += line_between(lane_x(i), y - kRow / 2 + 2, lane_x(i), y + kRow / 2 - 2, "gap");
    return out + text_at(text_x_.back(), y + 4, row.pause) + "</g>\n";
  }

  std::string step(const LadderRow& row, double y) const {
    const LadderStep& step = *row.step;
    const LadderSpan span = span_of(step);
    std::string css = "step";
    if (step.decisive) css += " decisive";
    if (!span.arrives && is_lost(step)) css += " lost";
    if (span.is_made && is_injected(step)) css += " injected";
    std::string out = fmt::format("<g class=\"{}\"><title>{}</title>", css, escaped(title_of(step)));
    out +=
        fmt::format("<rect class=\"row\" x=\"0\" y=\"{:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\"/>", y - kRow / 2, width_, kRow);
    if (step.decisive) out += text_at(4, y + 4, "!", "flag");
    out += text_at(width_of(13), y + 4, fmt::format("{:.6f}", static_cast<double>(row.since_begin_ns) / 1e9), "time end");
    out += arrow(step, span, y);
    const std::vector<std::string> cells = words_of(row);
    for (size_t i = 0; i < cells.size(); ++i) {
      if (!cells[i].empty()) out += text_at(text_x_[i], y + 4, cells[i]);
    }
    return out + "</g>\n";
  }

  std::string arrow(const LadderStep& step, const LadderSpan& span, double y) const {
    const bool forth = step.from == Side::client;
    const size_t last = ladder_.lanes.size() + 1;
    const auto column = [&](size_t lane) { return forth ? lane : last - lane; };
    const auto x_of = [&](size_t lane) { return lane_x(column(lane)); };
    const double half = forth ? apart_ / 2 : -apart_ / 2;
    const double begin = span.is_made ? x_of(span.first) - half : x_of(0);
    const double end = span.arrives ? x_of(last) : x_of(span.last) + half;
    std::string out = line_between(begin, y, end, y, "way");
    if (span.arrives) {
      const double back = forth ? -8 : 8;
      out += fmt::format("<path class=\"tip\" d=\"M{0:.1f} {1:.1f}l{2:.1f} -4v8z\"/>", end, y, back);
    } else {
      out += mark(end, y, is_lost(step), kLostMark);
    }
    if (span.is_made) out += mark(begin, y, is_injected(step), kMadeMark);
    for (size_t lane = span.first; lane <= span.last; ++lane) {
      if (step.sightings[column(lane) - 1])
        out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"/>", x_of(lane), y, kDot);
    }
    return out;
  }

  static std::string mark(double x, double y, bool is_known, const char* path) {
    return is_known ? fate_mark(x, y, path) : text_at(x, y + 4, "?", "unknown middle");
  }

  std::string title_of(const LadderStep& step) const {
    std::string text = packet_text(step);
    for (size_t lane = 0; lane < step.sightings.size(); ++lane) {
      text += "; ";
      text += step.sightings[lane] ? sighting_text(ladder_, lane, *step.sightings[lane]) : ladder_.lanes[lane] + ": not seen";
    }
    return text;
  }

  const Ladder& ladder_;
  const std::vector<LadderRow> rows_;
  double apart_ = 0, lanes_x_ = 0, width_ = 0;
  std::vector<double> text_x_;
};

}  // namespace

std::string file_of(const Ladder& ladder, const LadderSighting& sighting) {
  return sighting.packet.port < ladder.files.size() ? file_name(ladder.files[sighting.packet.port]) : "";
}

std::string sighting_text(const Ladder& ladder, size_t lane, const LadderSighting& sighting) {
  const Sighting& s = sighting.packet;
  const std::string file = file_of(ladder, sighting);
  std::string text =
      fmt::format("{}: {}, frame {}{}, {} > {}, TTL {}, IP id {}", ladder.lanes[lane], time_text_ns(sighting.time_ns),
                  sighting.frame, file.empty() ? "" : " of " + file, to_string(Endpoint{s.source, s.source_port}),
                  to_string(Endpoint{s.destination, s.destination_port}), s.ttl, s.ip_id);
  if (s.is_tcp()) text += fmt::format(", seq {}, ack {}, window {}", s.seq, s.ack, s.window);
  return text;
}

std::string ladder_svg(const Ladder& ladder) { return LadderDrawing(ladder).svg(); }

std::string ladder_legend(const Ladder& ladder) {
  bool lost = false, injected = false, unknown = false, decisive = false;
  for (const LadderStep& step : ladder.steps) {
    const LadderSpan span = span_of(step);
    lost |= !span.arrives && is_lost(step);
    injected |= span.is_made && is_injected(step);
    unknown |= (!span.arrives && !is_lost(step)) || (span.is_made && !is_injected(step));
    decisive |= step.decisive;
  }
  std::string out = "<ul class=\"legend\">";
  const auto add = [&out](bool occurs, const std::string& drawing, const char* means) {
    if (occurs)
      out += fmt::format(
          "<li><svg class=\"ladder\" width=\"16\" height=\"16\" viewBox=\"-8 -8 16 16\" aria-hidden=\"true\">{}</svg>{}</li>",
          drawing, means);
  };
  add(true, fmt::format("<circle r=\"{}\"/>", kDot), "seen at this point");
  add(lost, fate_mark(0, 0, kLostMark), "lost in the device");
  add(injected, fate_mark(0, 0, kMadeMark), "made by the device");
  add(unknown, text_at(0, 4, "?", "middle"), "not seen any further, and why is not known");
  add(decisive, text_at(0, 4, "!", "flag middle"), "a finding rests on it");
  return out + "</ul>\n";
}

}  // namespace parallax
