#include "daemon/client/ladder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/model/vocabulary.h"
#include "daemon/client/paint.h"
#include "daemon/message/text_table.h"

namespace parallax {
namespace {

constexpr size_t kTimeColumns = 13, kLanesColumns = 27;
constexpr size_t kLaneLeast = 5, kLaneMost = 13;
constexpr int64_t kGapNs = 500'000'000;          // of a longer one the line before it says how long
constexpr size_t kFirstKept = 8, kLastKept = 6;  // of a folded ladder

// What lines are drawn with.
struct Strokes {
  const char *lane, *before_point, *in_device, *seen, *to_server, *to_client, *lost, *made, *unknown, *fold;
};
constexpr Strokes kAscii{"|", "-", "=", "o", ">", "<", "X", "*", "?", ":"};
constexpr Strokes kUtf8{"│", "─", "═", "●", "▶", "◀", "✗", "✱", "?", "┊"};

int64_t time_of(const LadderStep& step) {
  int64_t first_ns = INT64_MAX;
  for (const auto& sighting : step.sightings) {
    if (sighting) first_ns = std::min(first_ns, sighting->time_ns);
  }
  return first_ns;
}

uint32_t labels_of(const LadderStep& step) {
  uint32_t labels = 0;
  for (const auto& sighting : step.sightings) labels |= sighting ? sighting->labels : 0;
  return labels;
}
bool has(const LadderStep& step, PacketLabel label) { return labels_of(step) & bit(label); }

const LadderSighting& first_sighting(const LadderStep& step) {
  const auto it = step.from == Side::client
                      ? std::find_if(step.sightings.begin(), step.sightings.end(), [](const auto& s) { return s.has_value(); })
                      : std::prev(std::find_if(step.sightings.rbegin(), step.sightings.rend(), [](const auto& s) {
                                    return s.has_value();
                                  }).base());
  return **it;
}

// ---- the line between the columns ----

// Columns: the client, the points, the server. Cells between: what crosses there.
class Lanes {
 public:
  Lanes(size_t points, const Strokes& strokes, Paint paint)
      : strokes_(strokes),
        paint_(paint),
        apart_(std::clamp(kLanesColumns / (points + 1), kLaneLeast, kLaneMost)),
        lanes_(points + 2) {}

  size_t columns() const { return (lanes_ - 1) * apart_ + 1; }
  size_t apart() const { return apart_; }

  std::string empty(const char* mark) const { return join(cells(mark)); }

  std::string of(const LadderStep& step) const {
    std::vector<std::string> line = cells(strokes_.lane);
    const bool forth = step.from == Side::client;
    // Lanes in the order in which the packet meets them: 0 is its sender.
    const auto column = [&](size_t lane) { return (forth ? lane : lanes_ - 1 - lane) * apart_; };
    const auto seen = [&](size_t lane) { return step.sightings[forth ? lane - 1 : lanes_ - 2 - lane].has_value(); };
    size_t first = 1, last = lanes_ - 2;
    while (!seen(first)) ++first;
    while (!seen(last)) --last;
    const bool made = first > 1, arrives = last == lanes_ - 2;
    for (size_t lane = made ? first - 1 : 0; lane < (arrives ? lanes_ - 1 : last + 1); ++lane) {
      const bool in_device = lane >= 1 && lane + 1 <= lanes_ - 2;
      const bool begins_here = made && lane == first - 1, ends_here = !arrives && lane == last;
      for (size_t i = 1; i < apart_; ++i) {
        const bool drawn = begins_here ? i > apart_ / 2 : ends_here ? i < apart_ / 2 : true;
        if (drawn) line[at(column(lane), i, forth)] = in_device ? strokes_.in_device : strokes_.before_point;
      }
      if (begins_here) line[at(column(lane), apart_ / 2, forth)] = paint_.alarm(made_mark(step));
      if (ends_here) line[at(column(lane), apart_ / 2, forth)] = paint_.alarm(lost_mark(step));
      if (!ends_here && lane + 1 == lanes_ - 1)
        line[at(column(lane), apart_ - 1, forth)] = forth ? strokes_.to_server : strokes_.to_client;
      if (lane >= 1 && seen(lane)) line[column(lane)] = strokes_.seen;
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
  const char* lost_mark(const LadderStep& step) const {
    return has(step, PacketLabel::lost_in_device) ? strokes_.lost : strokes_.unknown;
  }
  const char* made_mark(const LadderStep& step) const {
    return has(step, PacketLabel::injected_by_device) ? strokes_.made : strokes_.unknown;
  }
  static std::string join(const std::vector<std::string>& line) {
    std::string text;
    for (const std::string& cell : line) text += cell;
    return text;
  }

  const Strokes& strokes_;
  const Paint paint_;
  const size_t apart_, lanes_;
};

// ---- what the packet says ----

// Of a segment with nothing but data, or nothing but an acknowledgement, that is all there is to say.
std::string flags_text(uint8_t flags) {
  constexpr std::array<std::pair<uint8_t, const char*>, 4> kNames{
      {{tcp_flag::syn, "SYN"}, {tcp_flag::fin, "FIN"}, {tcp_flag::rst, "RST"}, {tcp_flag::urg, "URG"}}};
  std::string text;
  for (const auto& [flag, name] : kNames) {
    if (flags & flag) text += (text.empty() ? "" : ",") + std::string(name);
  }
  if ((flags & tcp_flag::syn) && (flags & tcp_flag::ack)) text += ",ACK";
  return text;
}

// "mss 1460>1380" where the device has changed it.
template <typename Value>
void add_change(std::string& text, const char* name, const LadderStep& step, Value&& value) {
  std::optional<uint32_t> before;
  const size_t count = step.sightings.size();
  std::string changes;
  for (size_t i = 0; i < count; ++i) {
    const auto& sighting = step.sightings[step.from == Side::client ? i : count - 1 - i];
    if (!sighting) continue;
    const std::optional<uint32_t> now = value(sighting->packet);
    if (!now) continue;
    if (!before) {
      changes = std::to_string(*now);
    } else if (*before != *now) {
      changes += fmt::format(">{}", *now);
    }
    before = now;
  }
  if (before) text += fmt::format(" {} {}", name, changes);
}

std::string packet_text(const LadderStep& step) {
  const LadderSighting& first = first_sighting(step);
  const Sighting& s = first.packet;
  if (s.protocol != ip_protocol::tcp) return fmt::format("{} bytes", s.payload_length);
  if (s.has(SightingFlag::later_fragment)) return fmt::format("fragment, {} bytes", s.payload_length);
  std::string text = flags_text(s.tcp_flags);
  const auto add = [&](const char* name, uint32_t value) {
    text += fmt::format("{}{} {}", text.empty() ? "" : " ", name, value);
  };
  if (s.payload_length > 0 || (s.tcp_flags & tcp_flag::turning)) add("seq", first.relative_seq);
  if (s.payload_length > 0) add("len", s.payload_length);
  if ((s.tcp_flags & tcp_flag::ack) && s.payload_length == 0 && !(s.tcp_flags & tcp_flag::turning))
    add("ack", first.relative_ack);
  if (s.tcp_flags & tcp_flag::syn) {
    add_change(text, "mss", step, [](const Sighting& packet) {
      return packet.options & tcp_option::mss ? std::optional<uint32_t>(packet.mss) : std::nullopt;
    });
  }
  if (s.window == 0 && !(s.tcp_flags & tcp_flag::rst)) text += " win 0";
  return text;
}

// "spurious retrans.": retransmissions are what a ladder shows most of, and lines are short.
std::string short_name(std::string_view label) {
  constexpr std::string_view kLong = "retransmission";
  std::string name(label);
  std::replace(name.begin(), name.end(), '_', ' ');
  if (const size_t at = name.find(kLong); at != std::string::npos) name.replace(at, kLong.size(), "retrans.");
  return name;
}

// What is not said by the line itself, or by a label that says more.
std::string labels_text(const LadderStep& step) {
  constexpr uint32_t drawn =
      bit(PacketLabel::forwarded) | bit(PacketLabel::lost_in_device) | bit(PacketLabel::injected_by_device);
  uint32_t labels = labels_of(step) & ~drawn;
  for (const PacketLabel kind : kRetransmissionKinds) {
    if (labels & bit(kind) & ~bit(PacketLabel::retransmission)) labels &= ~bit(PacketLabel::retransmission);
  }
  std::string text;
  for (int i = 0; i < kPacketLabelCount; ++i) {
    const auto label = static_cast<PacketLabel>(i);
    if (!(labels & bit(label))) continue;
    text += (text.empty() ? "" : ", ") + short_name(name_of(label));
  }
  return text;
}

std::string transit_text(const LadderStep& step) {
  std::optional<int64_t> first_ns, last_ns;
  for (const auto& sighting : step.sightings) {
    if (!sighting) continue;
    first_ns = std::min(first_ns.value_or(sighting->time_ns), sighting->time_ns);
    last_ns = std::max(last_ns.value_or(sighting->time_ns), sighting->time_ns);
  }
  const auto seen = std::count_if(step.sightings.begin(), step.sightings.end(), [](const auto& s) { return s.has_value(); });
  return seen < 2 ? "" : " +" + duration_text(static_cast<double>(*last_ns - *first_ns) / 1e9);
}

// "#12/15": frames by lane, a dash where it was not seen.
std::string frames_text(const LadderStep& step) {
  std::string text;
  for (const auto& sighting : step.sightings)
    text += fmt::format("{}{}", text.empty() ? " #" : "/", sighting ? std::to_string(sighting->frame) : "-");
  return text;
}

// ---- folding ----

bool is_told(const LadderStep& step) {
  return step.decisive || has(step, PacketLabel::lost_in_device) || has(step, PacketLabel::injected_by_device);
}

// Which of the steps are shown: the first and last ones, and those of which something is told with one on either side.
std::vector<bool> shown(const std::vector<LadderStep>& steps, size_t most) {
  std::vector<bool> keep(steps.size(), steps.size() <= most);
  if (steps.size() <= most) return keep;
  size_t kept = kFirstKept + kLastKept;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (i < kFirstKept || i + kLastKept >= steps.size()) keep[i] = true;
    if (!is_told(steps[i]) || kept >= most) continue;
    for (size_t j = i == 0 ? 0 : i - 1; j <= std::min(i + 1, steps.size() - 1); ++j) {
      kept += !keep[j];
      keep[j] = true;
    }
  }
  return keep;
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
  for (size_t lane = 1; lane < ladder.lanes.size(); ++lane) devices += fmt::format("{:^{}}", "device", lanes.apart());
  if (ladder.lanes.size() > 1) text += devices.substr(0, devices.find_last_not_of(' ') + 1) + '\n';
  std::string names(kTimeColumns, ' ');
  std::vector<std::string> columns{"client"};
  columns.insert(columns.end(), ladder.lanes.begin(), ladder.lanes.end());
  columns.push_back("server");
  for (const std::string& name : columns) names += fmt::format("{:<{}}", cut(printable(name), lanes.apart() - 1), lanes.apart());
  text += names.substr(0, names.find_last_not_of(' ') + 1) + '\n';

  const std::vector<bool> keep = shown(ladder.steps, style.steps_max);
  const auto between = [&](const std::string& what) {
    text += fmt::format("{:{}}{}  {}\n", "", kTimeColumns, lanes.empty(strokes.fold), what);
  };
  std::optional<int64_t> begin_ns, before_ns;
  size_t folded = 0;
  for (size_t i = 0; i < ladder.steps.size(); ++i) {
    const LadderStep& step = ladder.steps[i];
    const int64_t time_ns = time_of(step);
    if (!begin_ns) begin_ns = time_ns;
    if (!keep[i]) {
      ++folded;
      before_ns = time_ns;
      continue;
    }
    if (folded > 0) between(fmt::format("{} packets", count_text(std::exchange(folded, 0))));
    if (before_ns && time_ns - *before_ns >= kGapNs) between(duration_text(static_cast<double>(time_ns - *before_ns) / 1e9));
    before_ns = time_ns;
    std::string said = packet_text(step);
    if (const std::string labels = labels_text(step); !labels.empty()) said += fmt::format(" [{}]", labels);
    const std::string rest = transit_text(step) + frames_text(step);
    said = cut_with_dots(said, room > rest.size() ? room - rest.size() : 0) + rest;
    text += fmt::format("{}{:>11.6f} {}  {}\n", step.decisive ? paint.alarm("!") : " ",
                        static_cast<double>(time_ns - *begin_ns) / 1e9, lanes.of(step), said);
  }
  return text;
}

}  // namespace parallax
