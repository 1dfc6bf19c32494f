#include "daemon/client/page/sequence_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>
#include <vector>

#include "daemon/client/ladder_words.h"
#include "daemon/client/page/html.h"
#include "daemon/client/page/ladder_svg.h"
#include "daemon/message/text_table.h"
#include "daemon/message/time_text.h"

namespace parallax {
namespace {

constexpr double kWidth = 920, kHeight = 340, kLeft = 92, kRight = 16, kTop = 14, kBottom = 46;
constexpr double kSerif = 3;
constexpr size_t kTicks = 7;

// What is marked besides the brackets: a packet takes the first row that fits.
struct Mark {
  uint32_t labels;    // PacketLabel bits, any of them
  uint8_t tcp_flags;  // any of them
  const char* css;
  const char* path;  // about the origin
  const char* means;
};
constexpr uint32_t kSentAgain = [] {
  uint32_t labels = 0;
  for (const PacketLabel kind : kRetransmissionKinds) labels |= bit(kind);
  return labels;
}();
constexpr std::array kMarks{
    Mark{bit(PacketLabel::lost_in_device), 0, "lost", "M-5 -5L5 5M-5 5L5 -5", "lost in the device"},
    Mark{bit(PacketLabel::injected_by_device), 0, "injected", "M0 -6V6M-5 -3L5 3M-5 3L5 -3", "injected by the device"},
    Mark{0, tcp_flag::rst, "rst", "M-5 -5h10v10h-10z", "RST"},
    Mark{kSentAgain, 0, "again", "M0 -6L5 4H-5z", "sent again"},
    Mark{bit(PacketLabel::out_of_order) | bit(PacketLabel::reordered_by_device), 0, "disorder", "M0 -6L5 0L0 6L-5 0z",
         "out of order"},
    Mark{bit(PacketLabel::zero_window), 0, "zero", "M-5 -3h10v6h-10z", "receive window closed"},
    Mark{0, tcp_flag::syn, "syn", "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0", "SYN"},
    Mark{0, tcp_flag::fin, "fin", "M-6 0H6M0 -6V6", "FIN"},
};

const Mark* mark_of(const LadderSighting& sighting, uint32_t step_labels) {
  for (const Mark& mark : kMarks) {
    if ((step_labels & mark.labels) || (sighting.packet.tcp_flags & mark.tcp_flags)) return &mark;
  }
  return nullptr;
}

// Sequence numbers modulo 2^32 as bytes since the connection began: the nearest to what came before.
class Unwrapped {
 public:
  int64_t operator()(uint32_t number) {
    near_ += static_cast<int32_t>(number - static_cast<uint32_t>(near_));
    return near_;
  }

 private:
  int64_t near_ = 0;
};

// One packet at one point.
struct Drawn {
  const LadderSighting* sighting;
  const LadderStep* step;
  size_t lane;
  int64_t from, to;  // bytes
};

// The greatest of 1, 2 and 5 times a power of ten that leaves at least `ticks` of them in `range`, or the one above it.
double tick_apart(double range, size_t ticks) {
  const double least = range / static_cast<double>(ticks);
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1, 2, 5}) {
    if (factor * power >= least) return factor * power;
  }
  return 10 * power;
}

struct TimeUnit {
  const char* name;
  double seconds;
};
TimeUnit unit_for(double span_seconds) {
  for (const TimeUnit unit : {TimeUnit{"s", 1}, TimeUnit{"ms", 1e-3}}) {
    if (span_seconds >= 2 * unit.seconds) return unit;
  }
  return {"µs", 1e-6};
}

class Graph {
 public:
  Graph(const Ladder& ladder, Side sender) : ladder_(ladder), sender_(sender) {
    std::vector<Unwrapped> data(ladder.lanes.size()), acks(ladder.lanes.size());
    for (const LadderStep& step : ladder.steps) {
      for (size_t lane = 0; lane < step.sightings.size(); ++lane) {
        const auto& sighting = step.sightings[lane];
        if (!sighting) continue;
        begin_ns_ = std::min(begin_ns_, sighting->time_ns);
        if (sighting->packet.is_tcp()) add(step, *sighting, lane, data[lane], acks[lane]);
      }
      if (is_cut_) break;
    }
    unit_ = unit_for(static_cast<double>(end_ns_ - begin_ns_) / 1e9);
  }

  bool has_data() const { return has_data_; }

  std::string figure() const {
    const bool from_client = sender_ == Side::client;
    const std::string ways = from_client ? "client to server" : "server to client";
    std::string out = fmt::format(
        "<figure class=\"graph\"><figcaption>Time-sequence graph, {}{}</figcaption><div class=\"scroll\">"
        "<svg class=\"sequence\" role=\"group\" aria-label=\"Time-sequence graph, {}\" width=\"{}\" height=\"{}\" "
        "viewBox=\"0 0 {} {}\">",
        ways, is_cut_ ? fmt::format(" (the first {} segments)", count_text(kGraphSegmentsMax)) : "", ways, kWidth, kHeight,
        kWidth, kHeight);
    out += axes();
    for (size_t lane = 0; lane < ladder_.lanes.size(); ++lane) out += acknowledged(lane);
    for (const Drawn& drawn : segments_) out += bracket(drawn);
    for (const Drawn& drawn : segments_) out += marked(drawn);
    for (const Drawn& drawn : acks_) {
      // What carries data, opens or closes is marked in the graph of its own direction.
      const Sighting& s = drawn.sighting->packet;
      if (s.payload_length == 0 && !(s.tcp_flags & tcp_flag::turning)) out += marked(drawn);
    }
    return out + "</svg></div>" + legend() + "</figure>\n";
  }

 private:
  void add(const LadderStep& step, const LadderSighting& sighting, size_t lane, Unwrapped& data, Unwrapped& acks) {
    const Sighting& s = sighting.packet;
    if (step.from == sender_) {
      const bool turns = s.tcp_flags & tcp_flag::turning;
      if (s.payload_length == 0 && !turns) return;
      if (segments_.size() >= kGraphSegmentsMax) {
        is_cut_ = true;
        return;
      }
      // A reset's number may be any: it does not stretch the axis, and what follows is not measured by it.
      Unwrapped at = data;
      const int64_t from = at(sighting.relative_seq), to = from + s.payload_length;
      segments_.push_back({&sighting, &step, lane, from, to});
      end_ns_ = std::max(end_ns_, sighting.time_ns);
      if (s.tcp_flags & tcp_flag::rst) return;
      data = at;
      has_data_ |= s.payload_length > 0;
      reach(from, to);
    } else if ((s.tcp_flags & tcp_flag::ack) && !(s.tcp_flags & tcp_flag::rst) && !is_cut_) {
      const int64_t at = acks(sighting.relative_ack);
      acks_.push_back({&sighting, &step, lane, at, at});
      end_ns_ = std::max(end_ns_, sighting.time_ns);
      reach(at, at);
    }
  }
  void reach(int64_t from, int64_t to) {
    least_ = std::min(least_, from);
    most_ = std::max(most_, to);
  }

  double x_of(int64_t time_ns) const {
    const auto span = static_cast<double>(std::max<int64_t>(end_ns_ - begin_ns_, 1));
    return kLeft + static_cast<double>(time_ns - begin_ns_) / span * (kWidth - kLeft - kRight);
  }
  double y_of(int64_t byte) const {
    const auto span = static_cast<double>(std::max<int64_t>(most_ - least_, 1));
    const double share = std::clamp(static_cast<double>(byte - least_) / span, 0.0, 1.0);
    return kHeight - kBottom - share * (kHeight - kTop - kBottom);
  }

  std::string axes() const {
    std::string out;
    const double right = kWidth - kRight, bottom = kHeight - kBottom;
    const auto bytes = static_cast<double>(std::max<int64_t>(most_ - least_, 1));
    const double step_y = std::max(1.0, tick_apart(bytes, kTicks));
    for (double at = std::ceil(static_cast<double>(least_) / step_y) * step_y; at <= static_cast<double>(most_); at += step_y) {
      const double y = y_of(static_cast<int64_t>(at));
      const std::string number = count_text(static_cast<uint64_t>(std::abs(at)));
      out += fmt::format("<path class=\"grid\" d=\"M{} {:.1f}H{}\"/><text class=\"end\" x=\"{}\" y=\"{:.1f}\">{}{}</text>", kLeft,
                         y, right, kLeft - 8, y + 4, at < 0 ? "-" : "", number);
    }
    const double span = static_cast<double>(std::max<int64_t>(end_ns_ - begin_ns_, 1)) / 1e9 / unit_.seconds;
    const double step_x = tick_apart(span, kTicks);
    for (size_t i = 0; static_cast<double>(i) * step_x <= span * 1.0001; ++i) {
      const double at = static_cast<double>(i) * step_x;
      const double x = kLeft + at / span * (right - kLeft);
      out +=
          fmt::format("<path class=\"grid\" d=\"M{0:.1f} {1}V{2}\"/><text class=\"middle\" x=\"{0:.1f}\" y=\"{3}\">{4:g}</text>",
                      x, kTop, bottom, bottom + 17, at);
    }
    out += fmt::format("<path class=\"axis\" d=\"M{} {}V{}H{}\"/>", kLeft, kTop, bottom, right);
    out += fmt::format("<text class=\"middle\" x=\"{:.0f}\" y=\"{}\">{} since {}</text>", (kLeft + right) / 2, kHeight - 8,
                       unit_.name, escaped(time_text_ns(begin_ns_)));
    const double middle = (kTop + bottom) / 2;
    out += fmt::format("<text class=\"middle\" transform=\"translate(14 {}) rotate(-90)\">relative sequence number, bytes</text>",
                       middle);
    return out;
  }

  std::string bracket(const Drawn& drawn) const {
    if (drawn.from == drawn.to) return {};
    const double x = x_of(drawn.sighting->time_ns), top = y_of(drawn.to), bottom = y_of(drawn.from);
    const double serif = drawn.lane % 2 == 0 ? kSerif : -kSerif;
    return fmt::format("<path class=\"segment p{0}\" d=\"M{1:.1f} {2:.1f}H{3:.1f}V{4:.1f}H{1:.1f}\"><title>{5}</title></path>\n",
                       drawn.lane, x - serif, top, x, bottom, title_of(drawn));
  }

  std::string acknowledged(size_t lane) const {
    std::string path;
    for (const Drawn& drawn : acks_) {
      if (drawn.lane != lane) continue;
      const double x = x_of(drawn.sighting->time_ns), y = y_of(drawn.from);
      path += path.empty() ? fmt::format("M{:.1f} {:.1f}", x, y) : fmt::format("H{:.1f}V{:.1f}", x, y);
    }
    return path.empty() ? "" : fmt::format("<path class=\"ack p{}\" d=\"{}\"/>\n", lane, path);
  }

  // Once a packet, where it was seen last.
  std::string marked(const Drawn& drawn) const {
    const auto& sightings = drawn.step->sightings;
    const bool is_last =
        sender_ == drawn.step->from
            ? std::all_of(sightings.begin(), sightings.end(),
                          [&](const auto& s) { return !s || &*s == drawn.sighting || s->time_ns <= drawn.sighting->time_ns; })
            : std::none_of(sightings.begin(), sightings.begin() + static_cast<ptrdiff_t>(drawn.lane),
                           [](const auto& s) { return s.has_value(); });
    const Mark* mark = is_last ? mark_of(*drawn.sighting, labels_of(*drawn.step)) : nullptr;
    if (mark == nullptr) return {};
    used_.insert(mark);
    const double y = (y_of(drawn.from) + y_of(drawn.to)) / 2;
    return fmt::format("<path class=\"mark {}\" transform=\"translate({:.1f} {:.1f})\" d=\"{}\"><title>{}: {}</title></path>\n",
                       mark->css, x_of(drawn.sighting->time_ns), y, mark->path, mark->means, title_of(drawn));
  }

  std::string title_of(const Drawn& drawn) const {
    std::string text = packet_text(*drawn.step);
    if (const std::string labels = labels_text(*drawn.step); !labels.empty()) text += " [" + labels + ']';
    return escaped(text + "; " + sighting_text(ladder_, drawn.lane, *drawn.sighting));
  }

  std::string legend() const {
    std::string out = "<ul class=\"legend\">";
    const auto add = [&out](const std::string& drawing, const std::string& means) {
      out += fmt::format(
          "<li><svg class=\"sequence\" width=\"22\" height=\"16\" viewBox=\"-11 -8 22 16\" aria-hidden=\"true\">{}</svg>{}</li>",
          drawing, escaped(means));
    };
    for (size_t lane = 0; lane < ladder_.lanes.size(); ++lane) {
      const double serif = lane % 2 == 0 ? kSerif : -kSerif;
      add(fmt::format("<path class=\"segment p{}\" d=\"M{} -6H0V6H{}\"/>", lane, -serif, -serif),
          "data at " + ladder_.lanes[lane]);
      add(fmt::format("<path class=\"ack p{}\" d=\"M-9 4H0V-4H9\"/>", lane), "acknowledged at " + ladder_.lanes[lane]);
    }
    for (const Mark& mark : kMarks) {
      if (used_.contains(&mark)) add(fmt::format("<path class=\"mark {}\" d=\"{}\"/>", mark.css, mark.path), mark.means);
    }
    return out + "</ul>";
  }

  const Ladder& ladder_;
  const Side sender_;
  std::vector<Drawn> segments_, acks_;
  int64_t begin_ns_ = INT64_MAX, end_ns_ = INT64_MIN;  // of the ladder, so that graphs can be compared with it; of this direction
  int64_t least_ = 0, most_ = 1;
  bool has_data_ = false, is_cut_ = false;
  TimeUnit unit_{};
  mutable std::set<const Mark*> used_;
};

}  // namespace

std::string sequence_graphs(const Ladder& ladder) {
  std::string out;
  for (const Side sender : kSides) {
    const Graph graph(ladder, sender);
    if (graph.has_data()) out += graph.figure();
  }
  return out;
}

}  // namespace parallax
