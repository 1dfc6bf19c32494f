#include "analysis/detect/turn_times.h"

#include <algorithm>

#include "analysis/connection/waiting.h"
#include "analysis/detect/handshake.h"
#include "analysis/model/text.h"

namespace parallax {
namespace {

bool is_over(const Connection& c) { return c.legs_over == c.legs.size(); }

std::string share(int64_t part_ns, int64_t whole_ns) {
  return std::to_string(whole_ns <= 0 ? 0 : (100 * part_ns + whole_ns / 2) / whole_ns) + " %";
}

bool lost_or_held(const Connection& c, const Crossing& crossing, Side sender, const DetectorView& view) {
  const CrossingStats stats = crossing.stats.get();
  const Distribution& own = stats.transit[sender];
  const auto usual = view.knowledge.usual_transit_ns(c.legs[crossing.client_leg].point, c.legs[crossing.server_leg].point,
                                                     c.direction_of(sender));
  const bool is_held = stats.held[sender] > 0 && own.max_ns >= view.thresholds.device_delay_times_usual *
                                                                   std::min(own.median_ns, usual.value_or(own.median_ns));
  return stats.lost[sender] > 0 || is_held;
}

bool device_explains(const Connection& c, const DetectorView& view) {
  return std::any_of(c.crossings.begin(), c.crossings.end(), [&](const Crossing& crossing) {
    return lost_or_held(c, crossing, Side::client, view) || lost_or_held(c, crossing, Side::server, view);
  });
}

}  // namespace

int64_t TurnTimes::transfer_ns() const {
  const FlowTimesSummary& t = first->summary.times;
  return t.transfer_ns[Side::client] + t.transfer_ns[Side::server];
}

bool TurnTimes::asks_for_few_at_a_time() const {
  // A pattern, of blocks that are worth asking for ahead; requests of a few hundred bytes.
  constexpr uint32_t turns_least = 6, few = 4;
  constexpr uint64_t block_least = 16 * 1024, request_most = 1024;
  // What is asked for less often than twice a second is not waited for. And a quarter of a second in all is noticed.
  constexpr int64_t mean_most_ns = 500'000'000, least_ns = 250'000'000;
  const LegSummary& leg = first->summary;
  const uint64_t message = leg.times.message_max[Side::server], bytes = leg.bytes[Side::server];
  const bool are_blocks = block_bytes() >= block_least && message * turns() <= bytes + bytes / 32;
  return turns() >= turns_least && leg.times.outstanding_max <= few && are_blocks &&
         leg.bytes[Side::client] <= request_most * at_a_time() * turns() && waited_ns() >= transfer_ns() &&
         waited_ns() >= least_ns && waited_ns() <= mean_most_ns * turns() && 2 * parts.server_ns < waited_ns();
}

std::string TurnTimes::shares(const DetectorView& view) const {
  const std::string &near = view.options.path[first->point], &far = view.options.path[last->point];
  const std::pair<std::string, int64_t> parts_of_path[] = {{"client", parts.client_ns},
                                                           {"network to the client", parts.before_device_ns},
                                                           {"between " + near + " and " + far, parts.device_ns},
                                                           {"network to the server", parts.after_device_ns},
                                                           {"server", parts.server_ns}};
  std::string text;
  for (const auto& [name, ns] : parts_of_path) {
    const std::string part = share(ns, waited_ns());
    if (part != "0 %") text += (text.empty() ? "" : ", ") + name + ' ' + part;
  }
  return text;
}

std::optional<TurnTimes> turn_times_of(const Connection& c, const DetectorView& view) {
  if (c.evicted || c.legs.front().summary.times.turns == 0) return std::nullopt;
  const bool is_whole = std::none_of(c.legs.begin(), c.legs.end(), [](const LegState& leg) { return leg.midstream; });
  // Which end is the client's decides which part is which.
  const bool is_oriented = view.options.path.size() == 1 || c.side_basis != SideBasis::guessed;
  if (!is_whole || !is_oriented || device_explains(c, view)) return std::nullopt;
  const auto parts = waiting_of(c, view.sensor);
  if (!parts) return std::nullopt;
  const auto [first, last] = waited_legs(c);
  return TurnTimes{*parts, first, last};
}

int64_t turn_times_due_ns(const Connection& c, const DetectorView& view) {
  if (view.options.offline || !is_over(c)) return kTimeMax;
  const auto [first, last] = waited_legs(c);
  return first == nullptr ? kTimeMax
                          : std::max(first->summary.last_ns, last->summary.last_ns) + 2 * view.options.device_timeout_ns;
}

Observation turn_times_observation(const Connection& c, const TurnTimes& times, FindingKind kind, int64_t lost_ns,
                                   const DetectorView& view) {
  Observation o;
  o.kind = kind;
  o.service = c.client_leg().server;
  o.source = c.client_leg().client;
  o.connection_id = c.id;
  o.first_ns = std::min(times.first->summary.first_ns, times.last->summary.first_ns);
  o.last_ns = std::max(times.first->summary.times.last_data_ns, times.last->summary.times.last_data_ns);
  o.confidence = c.side_basis == SideBasis::seen ? kSure : kInferred;
  o.attempts = times.turns();
  o.time_lost_seconds = static_cast<double>(lost_ns) * 1e-9;
  const std::string shares = times.shares(view);
  o.evidence.push_back(
      {.kind = "timing",
       .point = times.last->point,
       .port = std::nullopt,
       .frame = 0,
       .time_ns = o.last_ns,
       .detail = plural(times.turns(), "turn") + ", " + duration_of(times.waited_ns()) + " between them: " + shares});
  o.remark = "its time: " + shares + ".";
  return o;
}

}  // namespace parallax
