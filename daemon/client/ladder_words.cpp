#include "daemon/client/ladder_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "analysis/model/icmp_error.h"
#include "analysis/model/model.h"
#include "daemon/client/report_words.h"
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

// The sightings in the order in which the packet passed.
std::vector<const LadderSighting*> in_passing(const LadderStep& step) {
  std::vector<const LadderSighting*> passed;
  for (const auto& sighting : step.sightings) {
    if (sighting) passed.push_back(&*sighting);
  }
  if (step.from == Side::server) std::reverse(passed.begin(), passed.end());
  return passed;
}

// What a packet holds that a device may rewrite; nothing where it does not have it.
using Field = std::optional<std::string> (*)(const Sighting&);

std::optional<std::string> mss_of(const Sighting& s) {
  const bool offers = s.is_tcp() && (s.tcp_flags & tcp_flag::syn) && (s.options & tcp_option::mss);
  return offers ? std::optional(std::to_string(s.mss)) : std::nullopt;
}
std::optional<std::string> scale_of(const Sighting& s) {
  return s.options & tcp_option::window_scale ? std::optional(std::to_string(s.window_scale)) : std::nullopt;
}
constexpr std::array<std::pair<uint8_t, const char*>, 5> kOptionNames{{{tcp_option::mss, "MSS"},
                                                                       {tcp_option::window_scale, "window scale"},
                                                                       {tcp_option::sack_permitted, "SACK"},
                                                                       {tcp_option::timestamps, "timestamps"},
                                                                       {tcp_option::fast_open, "fast open"}}};
// Of a SYN, where all of them are known.
std::optional<std::string> options_of(const Sighting& s) {
  if (!s.is_tcp() || !(s.tcp_flags & tcp_flag::syn) || (s.options & tcp_option::cut)) return std::nullopt;
  std::string text;
  for (const auto& [option, name] : kOptionNames) {
    if (s.options & option) text += (text.empty() ? "" : "+") + std::string(name);
  }
  return text.empty() ? "none" : text;
}
template <auto Member>
std::optional<std::string> of_tcp(const Sighting& s) {
  return s.is_tcp() ? std::optional(std::to_string(s.*Member)) : std::nullopt;
}

constexpr std::array<std::pair<const char*, Field>, 10> kFields{{
    {"source",
     [](const Sighting& s) {
       return std::optional(to_string(Endpoint{s.source, s.source_port}));
     }},
    {"destination",
     [](const Sighting& s) {
       return std::optional(to_string(Endpoint{s.destination, s.destination_port}));
     }},
    {"IP id", [](const Sighting& s) { return std::optional(std::to_string(s.ip_id)); }},
    {"seq", of_tcp<&Sighting::seq>},
    {"ack", [](const Sighting& s) { return s.tcp_flags & tcp_flag::ack ? of_tcp<&Sighting::ack>(s) : std::nullopt; }},
    {"window", of_tcp<&Sighting::window>},
    {"payload", [](const Sighting& s) { return std::optional(std::to_string(s.payload_length) + " bytes"); }},
    {"MSS", mss_of},
    {"window scale", scale_of},
    {"options", options_of},
}};

// " -SACK +timestamps": options of a SYN that it entered with and does not leave with, or the other way round.
std::string exchanged_options_text(const LadderStep& step) {
  const auto passed = in_passing(step);
  const Sighting &first = passed.front()->packet, &last = passed.back()->packet;
  if (!options_of(first) || !options_of(last)) return {};
  std::string text;
  for (const auto& [option, name] : kOptionNames) {
    if ((first.options ^ last.options) & option) text += fmt::format(" {}{}", first.options & option ? '-' : '+', name);
  }
  return text;
}

// "1460>1380": each value that differs from the one before.
std::string values_text(const LadderStep& step, Field field, const char* between) {
  std::optional<std::string> before;
  std::string text;
  for (const LadderSighting* sighting : in_passing(step)) {
    const std::optional<std::string> now = field(sighting->packet);
    if (!now || before == now) continue;
    text += (before ? between : "") + *now;
    before = now;
  }
  return text;
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
  if (s.has(SightingFlag::icmp_quote)) {
    const std::string about = s.protocol == ip_protocol::tcp ? fmt::format(" about seq {}", first.relative_seq) : "";
    return text_of(icmp_error_of(s)) + about;
  }
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
  if (const std::string mss = values_text(step, mss_of, ">"); !mss.empty()) text += " mss " + mss;
  if (const std::string scale = values_text(step, scale_of, ">"); scale.find('>') != std::string::npos) text += " scale " + scale;
  text += exchanged_options_text(step);
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

std::optional<int64_t> transit_ns(const LadderStep& step) {
  const std::vector<const LadderSighting*> passed = in_passing(step);
  if (passed.size() < 2) return std::nullopt;
  const auto [first, last] =
      std::minmax_element(passed.begin(), passed.end(), [](const auto* a, const auto* b) { return a->time_ns < b->time_ns; });
  return (*last)->time_ns - (*first)->time_ns;
}

std::string transit_text(const LadderStep& step) {
  const std::optional<int64_t> transit = transit_ns(step);
  return transit ? duration_text(static_cast<double>(*transit) / 1e9) : "";
}

std::string rewritten_text(const LadderStep& step) {
  std::string text;
  for (const auto& [name, field] : kFields) {
    if (const std::string values = values_text(step, field, " > "); values.find(" > ") != std::string::npos)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, values);
  }
  return text;
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
    if (folded > 0) rows.push_back({.pause = plural(std::exchange(folded, 0), "packet", "packets")});
    if (before_ns && time_ns - *before_ns >= kGapNs)
      rows.push_back({.pause = duration_text(static_cast<double>(time_ns - *before_ns) / 1e9)});
    before_ns = time_ns;
    rows.push_back({.step = &step, .since_begin_ns = time_ns - *begin_ns});
  }
  return rows;
}

}  // namespace parallax
