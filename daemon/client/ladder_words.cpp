#include "daemon/client/ladder_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/message/text_table.h"

namespace parallax {
namespace {

constexpr int64_t kGapNs = 500'000'000;          // of a longer one the line before it says how long
constexpr size_t kFirstKept = 8, kLastKept = 6;  // of a folded ladder

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

bool is_told(const LadderStep& step) { return step.decisive || is_lost(step) || is_injected(step); }

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

}  // namespace

uint32_t labels_of(const LadderStep& step) {
  uint32_t labels = 0;
  for (const auto& sighting : step.sightings) labels |= sighting ? sighting->labels : 0;
  return labels;
}
int64_t time_of(const LadderStep& step) {
  int64_t first_ns = INT64_MAX;
  for (const auto& sighting : step.sightings) {
    if (sighting) first_ns = std::min(first_ns, sighting->time_ns);
  }
  return first_ns;
}

const LadderSighting& first_sighting(const LadderStep& step) {
  const auto it = step.from == Side::client
                      ? std::find_if(step.sightings.begin(), step.sightings.end(), [](const auto& s) { return s.has_value(); })
                      : std::prev(std::find_if(step.sightings.rbegin(), step.sightings.rend(), [](const auto& s) {
                                    return s.has_value();
                                  }).base());
  return **it;
}

LadderSpan span_of(const LadderStep& step) {
  const size_t points = step.sightings.size();
  const auto is_seen = [&](size_t column) {
    return step.sightings[step.from == Side::client ? column - 1 : points - column].has_value();
  };
  LadderSpan span{.first = 1, .last = points};
  while (!is_seen(span.first)) ++span.first;
  while (!is_seen(span.last)) --span.last;
  span.is_made = span.first > 1;
  span.arrives = span.last == points;
  return span;
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
    std::string name(name_of(label));
    std::replace(name.begin(), name.end(), '_', ' ');
    text += (text.empty() ? "" : ", ") + name;
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
  return seen < 2 ? "" : duration_text(static_cast<double>(*last_ns - *first_ns) / 1e9);
}

std::string frames_text(const LadderStep& step) {
  std::string text;
  for (const auto& sighting : step.sightings)
    text += fmt::format("{}{}", text.empty() ? "" : "/", sighting ? std::to_string(sighting->frame) : "-");
  return text;
}

std::vector<LadderRow> rows_of(const Ladder& ladder, size_t steps_max) {
  const std::vector<bool> keep = shown(ladder.steps, steps_max);
  std::vector<LadderRow> rows;
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
    if (folded > 0) rows.push_back({.pause = count_text(std::exchange(folded, 0)) + " packets"});
    if (before_ns && time_ns - *before_ns >= kGapNs)
      rows.push_back({.pause = duration_text(static_cast<double>(time_ns - *before_ns) / 1e9)});
    before_ns = time_ns;
    rows.push_back({.step = &step, .since_begin_ns = time_ns - *begin_ns});
  }
  return rows;
}

}  // namespace parallax
