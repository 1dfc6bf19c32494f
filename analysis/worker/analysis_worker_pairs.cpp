// The analysis worker's part that follows the packets of paired legs to the pair's home.
#include <algorithm>

#include "analysis/worker/analysis_worker.h"

namespace parallax {
namespace {

constexpr uint16_t kStrangerPackets = 8;

PairSighting pair_sighting_of(const Sighting& s, Side from) {
  return {.release_ns = s.order_ns,
          .order_ns = s.order_ns,
          .time_ns = s.time_ns,
          .pair = 0,
          .frame = s.frame,
          .seq = s.seq,
          .ack = s.ack,
          .payload_length = s.payload_length,
          .stamp_uncertainty_ns = s.stamp_uncertainty_ns,
          .port = s.port,
          .ip_id = s.ip_id,
          .point = s.point,
          .ttl = s.ttl,
          .tcp_flags = s.tcp_flags,
          .from = from,
          .kind = PairSighting::Kind::packet,
          .pair_generation = 0,
          .copy = false,
          .window = s.window};
}

}  // namespace

void AnalysisWorker::follow(uint32_t leg, const Sighting& s, Side from, Sameness same) {
  LegHot& hot = legs_.hot(leg);
  const bool logging = !(hot.flags & leg_flag::log_over);
  if (!logging && hot.pair[0] == kNone && hot.pair[1] == kNone) return;
  PairSighting sighting = pair_sighting_of(s, from);
  sighting.copy = same != Sameness::fresh;
  for (size_t slot = 0; slot < 2; ++slot) {
    if (hot.pair[slot] == kNone) continue;
    sighting.pair = pair_ref::index(hot.pair[slot]);
    sighting.pair_generation = pair_ref::generation(hot.pair[slot]);
    forward(hot.pair_home[slot], sighting);
  }
  if (!logging) return;
  LegCold& cold = legs_.cold(leg);
  // Met in midstream, without a partner, and nothing but RSTs comes back: see StrangerIndex. The first packet opened the leg.
  const bool midstream = !(hot.flags & (leg_flag::syn | leg_flag::syn_ack));
  const bool without_partner = hot.pair[0] == kNone && hot.pair[1] == kNone;
  const bool answered = hot.packets[index_of(other(from))] > 0 && !(hot.flags & leg_flag::reset);
  if (midstream && without_partner && !answered && cold.log_count > 0 && cold.log_count < kStrangerPackets) [[unlikely]]
    send_packet_event(leg, LegEventType::stranger, s, from);
  if (!log_.append(cold.log, cold.log_count, sighting)) {
    counters_.log_overflows.add();
    drop_log(leg);
  }
}

void AnalysisWorker::drop_log(uint32_t leg) {
  LegCold& cold = legs_.cold(leg);
  log_.clear(cold.log, cold.log_count);
  legs_.hot(leg).flags |= leg_flag::log_over;
}

void AnalysisWorker::end_log_if_paired(uint32_t leg) {
  const LegHot& hot = legs_.hot(leg);
  const uint32_t have = (hot.pair[0] != kNone ? 1u : 0u) | (hot.pair[1] != kNone ? 2u : 0u);
  if (have == wanted_slots(legs_.key(leg).point)) drop_log(leg);
}

void AnalysisWorker::forward(uint8_t home, const PairSighting& s) {
  if (home == kLocal) {
    pairs_.take(s);
    return;
  }
  const bool is_packet = s.kind == PairSighting::Kind::packet;
  if (forward_[home].send(s, is_packet ? markers_max_ : 0)) return;
  counters_.forwards_dropped.add();
  if (is_packet) sensor_.worker_loss(index_, s.point).add(s.order_ns, s.order_ns, 1);
}

void AnalysisWorker::leave_pair(uint32_t leg, size_t slot, PairSighting::Kind kind, int64_t now_ns) {
  LegHot& hot = legs_.hot(leg);
  if (hot.pair[slot] == kNone) return;
  PairSighting marker{};
  marker.kind = kind;
  marker.release_ns = now_ns;
  marker.order_ns = now_ns;
  marker.port = 0xffff;  // after any packet of the same time
  marker.point = 0xff;
  marker.pair = pair_ref::index(hot.pair[slot]);
  marker.pair_generation = pair_ref::generation(hot.pair[slot]);
  forward(hot.pair_home[slot], marker);
  hot.pair[slot] = kNone;
}

void AnalysisWorker::set_pair(uint32_t leg, size_t slot, uint8_t home, uint32_t reference, int64_t now_ns) {
  // Another leg on that side takes over: a NAT gave the retry a new port.
  leave_pair(leg, slot, PairSighting::Kind::abandon, now_ns);
  LegHot& hot = legs_.hot(leg);
  hot.pair[slot] = reference;
  hot.pair_home[slot] = home;
}

// Both legs live here: their logs are merged, and from now on each packet goes straight to the pair.
void AnalysisWorker::open_pair(const Command& command, int64_t now_ns) {
  pairs_.open(command);
  if (!command.local) return;
  same_release_.clear();
  bool complete = true;
  const std::array<LegId, 2> ids{command.leg, command.server_leg};
  for (size_t i = 0; i < 2; ++i) {
    const uint32_t leg = ids[i].index;
    if (!legs_.live(leg) || id_of(leg) != ids[i]) {  // gone before the pairing took effect
      PairSighting end{};
      end.kind = PairSighting::Kind::end;
      end.release_ns = now_ns;
      end.pair = command.pair;
      end.pair_generation = command.pair_generation;
      pairs_.take(end);
      complete = false;
      continue;
    }
    const PointIndex own = i == 0 ? command.client_point : command.server_point;
    const PointIndex neighbour = i == 0 ? command.server_point : command.client_point;
    set_pair(leg, slot_toward(own, neighbour), kLocal, pair_ref::make(command.pair, command.pair_generation), now_ns);
    complete &= log_complete(leg);
    const LegCold& cold = legs_.cold(leg);
    log_.for_each(cold.log, cold.log_count, [&](const PairSighting& s) { same_release_.push_back(s); });
  }
  if (!complete) counters_.fates_begun_late.add();
  PairSighting begin{};
  begin.kind = PairSighting::Kind::begin;
  begin.order_ns = complete ? kBeforeAllNs : now_ns;
  begin.release_ns = now_ns;
  begin.pair = command.pair;
  begin.pair_generation = command.pair_generation;
  pairs_.take(begin);
  std::sort(same_release_.begin(), same_release_.end(), in_total_order);
  for (PairSighting& s : same_release_) {
    s.release_ns = now_ns;
    s.pair = command.pair;
    s.pair_generation = command.pair_generation;
    pairs_.take(s);
  }
  for (const LegId& id : ids) {
    if (legs_.live(id.index) && id_of(id.index) == id) end_log_if_paired(id.index);
  }
}

// One of the legs lives here, the home elsewhere or the other leg does: everything goes through the queue, the log first.
void AnalysisWorker::join(const Command& command, int64_t now_ns) {
  PairSighting marker{};
  marker.kind = PairSighting::Kind::end;
  marker.release_ns = now_ns;
  marker.order_ns = now_ns;
  marker.pair = command.pair;
  marker.pair_generation = command.pair_generation;
  const uint32_t leg = command.leg.index;
  if (!legs_.live(leg) || id_of(leg) != command.leg) {
    forward(command.home, marker);
    return;
  }
  const PointIndex own = legs_.key(leg).point;
  const PointIndex neighbour = own == command.client_point ? command.server_point : command.client_point;
  set_pair(leg, slot_toward(own, neighbour), command.home, pair_ref::make(command.pair, command.pair_generation), now_ns);
  marker.kind = PairSighting::Kind::begin;
  if (log_complete(leg)) {
    marker.order_ns = kBeforeAllNs;
  } else if (own == command.client_point) {
    counters_.fates_begun_late.add();
  }
  forward(command.home, marker);
  const LegCold& cold = legs_.cold(leg);
  log_.for_each(cold.log, cold.log_count, [&](const PairSighting& logged) {
    PairSighting s = logged;
    s.release_ns = now_ns;
    s.pair = command.pair;
    s.pair_generation = command.pair_generation;
    forward(command.home, s);
  });
  end_log_if_paired(leg);
}

}  // namespace parallax
