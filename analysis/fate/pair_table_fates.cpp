// Deciding on what found no match: lost in the device, made by it, or neither proved. And telling of it.
#include <algorithm>
#include <cstdlib>

#include "analysis/fate/pair_table.h"
#include "analysis/model/sequence.h"

namespace parallax {

void PairTable::expire(Pair& pair, size_t d, int64_t now_ns) {
  while (is_due(pair.entered[d], now_ns)) decide_lost(pair, d, pool_.pop(pair.entered[d]), limits_.device_timeout_ns);
  while (is_due(pair.early[d], now_ns)) decide_injected(pair, d, pool_.pop(pair.early[d]), limits_.device_timeout_ns);
}

// Decides what can be. `now_ns`: what lies before it has been released; fates that would need more time stay undecided.
void PairTable::settle(Pair& pair, int64_t now_ns) {
  for (size_t d = 0; d < 2; ++d) {
    // Nothing will come any more: what the device has needed so far, with ample margin, must do.
    const int64_t wait =
        pair.matched[d] >= pair_wait::kTransitsKnown
            ? std::clamp(pair_wait::kTransitMargin * pair.max_transit_ns[d], pair_wait::kLeastNs, limits_.device_timeout_ns)
            : limits_.device_timeout_ns;
    const auto over = [&](const Pending& p) { return p.order_ns + wait + p.stamp_uncertainty_ns < now_ns; };
    while (pair.entered[d].head != kNone) {
      const Pending in = pool_.pop(pair.entered[d]);
      over(in) ? decide_lost(pair, d, in, wait) : leave_undecided(pair, d, Doubt::not_covered);
    }
    while (pair.early[d].head != kNone) {
      const Pending out = pool_.pop(pair.early[d]);
      over(out) ? decide_injected(pair, d, out, wait) : leave_unexplained(pair, d, Doubt::not_covered);
    }
  }
}

void PairTable::close(Pair& pair, int64_t now_ns) {
  settle(pair, now_ns);
  abandon(pair);
}

// One of the legs goes on with another: what waits here may have left there.
void PairTable::abandon(Pair& pair) {
  for (size_t d = 0; d < 2; ++d) {
    for (; pair.entered[d].head != kNone; pool_.pop(pair.entered[d])) leave_undecided(pair, d, Doubt::not_covered);
    for (; pair.early[d].head != kNone; pool_.pop(pair.early[d])) leave_unexplained(pair, d, Doubt::not_covered);
    forgive_control(pair, d);
    for (; pair.control[d].held.head != kNone; pool_.pop(pair.control[d].held)) {
      ++pair.lost[d];
      counters_of(pair, d).lost.add();
    }
  }
  end(pair);
}

// The legs do not belong together, and nothing was proved of their packets. The counters of the crossing only grow: what the pair
// has added to them is added to what is to be subtracted.
void PairTable::take_back(Pair& pair) {
  for (size_t d = 0; d < 2; ++d) {
    CrossingCounters::TakenBack& void_of = counters_of(pair, d).taken_back;
    void_of.forwarded.add(pair.matched[d]);
    void_of.lost.add(pair.lost[d]);
    void_of.superseded.add(pair.superseded[d]);
    void_of.segments_lost.add(pair.segments_lost[d]);
    counters_.fates_taken_back.add(pair.matched[d] + pair.lost[d] + pair.superseded[d] + pair.undecided[d] + pair.injected[d] +
                                   pair.unexplained[d] + pair.entered[d].size + pair.early[d].size + pair.control[d].held.size);
    for (PacketQueue* queue : {&pair.entered[d], &pair.early[d], &pair.control[d].held}) {
      while (queue->head != kNone) pool_.pop(*queue);
    }
  }
  end(pair);
}

void PairTable::end(Pair& pair) {
  if (!events_.send(event_of(pair, FateEventType::closed))) counters_.events_dropped.add();
  if (pair.sketch != kNone) free_sketches_.push_back(pair.sketch);
  pair.open = false;
}

void PairTable::leave_undecided(Pair& pair, size_t d, Doubt doubt) {
  ++pair.undecided[d];
  pair.doubts |= static_cast<uint16_t>(1 << static_cast<int>(doubt));
  counters_of(pair, d).undecided[static_cast<size_t>(doubt)].add();
}

void PairTable::leave_unexplained(Pair& pair, size_t d, Doubt doubt) {
  ++pair.unexplained[d];
  pair.doubts |= static_cast<uint16_t>(1 << static_cast<int>(doubt));
}

// ---- lost ----

// A RST may be trimmed by the device, and it is seldom that a direction of nothing but a RST has taught its offset: any that left
// in the time of a transit is it.
bool PairTable::is_altered_reset(const Pair& pair, size_t d, const Pending& in, const Pending& out) const {
  if (!(in.tcp_flags & out.tcp_flags & tcp_flag::rst)) return false;
  const int64_t transit = out.time_ns - in.time_ns, uncertainty = int64_t{in.stamp_uncertainty_ns} + out.stamp_uncertainty_ns;
  return transit >= -uncertainty &&
         transit <= pair_wait::kLeastNs + pair_wait::kTransitMargin * pair.max_transit_ns[d] + uncertainty;
}

// One of the same bytes left that entered under no such ID: then the device did change it, this once.
bool PairTable::left_altered(Pair& pair, size_t d, const Pending& in) {
  for (uint32_t previous = kNone, node = pair.early[d].head; node != kNone; previous = node, node = pool_[node].next) {
    if (!matches(pair, d, in, pool_[node]) && !is_altered_reset(pair, d, in, pool_[node])) continue;
    matched(pair, d, in, pool_.remove(pair.early[d], previous, node));
    return true;
  }
  return false;
}
bool PairTable::entered_altered(Pair& pair, size_t d, const Pending& out) {
  for (uint32_t previous = kNone, node = pair.entered[d].head; node != kNone; previous = node, node = pool_[node].next) {
    if (!is_altered_reset(pair, d, pool_[node], out)) continue;
    matched(pair, d, pool_.remove(pair.entered[d], previous, node), out);
    return true;
  }
  return false;
}

// A packet left that nothing explains, and it bears the same ID: the device may have changed its numbers or its length.
bool PairTable::has_rival(const Pair& pair, size_t d, const Pending& in) const {
  if (in.ip_id == 0) return false;
  for (uint32_t node = pair.early[d].head; node != kNone; node = pool_[node].next) {
    if (pool_[node].ip_id == in.ip_id && pool_[node].tcp_flags == in.tcp_flags) return true;
  }
  return false;
}

AbsenceProof PairTable::absence_of(Pair& pair, size_t d, const Pending& in, int64_t waited_ns) {
  const PointIndex enters = pair.point[d], leaves = pair.point[1 - d];
  const int64_t from = in.order_ns - in.stamp_uncertainty_ns, to = in.order_ns + waited_ns;
  AbsenceProof proof(sensor_, leaves, travel(pair, d));
  const bool reset = in.has(tcp_flag::rst);
  proof.unless(!reset && !in.has(tcp_flag::syn) && !pair.offset[d].known(), Doubt::offset_unknown);
  proof.unless(!reset && !in.has(tcp_flag::syn) && pair.matched[d] == 0, Doubt::path_unknown);
  proof.unless(reset && nothing_matched(pair), Doubt::clock_uncertain);
  // Acknowledged by the receiver, though no copy of it was seen leaving: then it did leave, and the sensor missed it.
  const bool takes_numbers = in.data || in.has(tcp_flag::fin);
  const bool acknowledged = takes_numbers && !in.covered && is_acknowledged(pair, d, in.end());
  proof.unless(acknowledged, Doubt::acknowledged);
  // What else was missing there at about that time is the sensor's as likely as the device's.
  int64_t& missed_ns = pair.missed_ns[1 - d];
  if (acknowledged && !in.acknowledged) missed_ns = std::max(missed_ns, in.order_ns);
  proof.unless(missed_ns != kTimeMin && std::abs(in.order_ns - missed_ns) < limits_.device_timeout_ns, Doubt::not_covered);
  // Seen leaving before its own stamp, when fates had not begun: stamps of two ports may differ by more than they say.
  const bool begun = pair.fates_from_ns == kTimeMin || from - pair_wait::kLeastNs >= pair.fates_from_ns;
  proof.unless(!begun, Doubt::clock_uncertain);
  proof.unless(pair.not_followed[d].near(in.order_ns, limits_.device_timeout_ns), Doubt::not_covered);
  proof.unless(!reset && has_rival(pair, d, in), Doubt::rival);
  proof.expect(from, to);
  // A copy of these bytes has left, and it may have been this one: then it is the earlier copy that is missing, and the sensor
  // must cover that time too.
  const Exits& exits = pair.doubtful[d];
  for (size_t i = 0; in.data && i < exits.seq.size(); ++i) {
    const int64_t out_ns = exits.in_order_ns[i] + int64_t{exits.transit_us[i]} * 1000;
    if (exits.length[i] == 0 || exits.seq[i] != in.seq || out_ns + in.stamp_uncertainty_ns + pair_wait::kLeastNs < in.time_ns)
      continue;
    proof.expect(exits.in_order_ns[i], exits.in_order_ns[i] + waited_ns);
  }
  AbsenceProof complete(sensor_, enters, travel(pair, d));  // and that no copy of it was missed where it entered
  proof.unless(!complete.expect(from, to).holds(), Doubt::not_covered);
  return proof;
}

void PairTable::decide_lost(Pair& pair, size_t d, const Pending& in, int64_t waited_ns) {
  if (left_altered(pair, d, in)) return;
  const AbsenceProof proof = absence_of(pair, d, in, waited_ns);
  if (!proof.holds_for_all()) return leave_undecided(pair, d, proof.doubt());
  if (notes_.wanted()) note(pair, in, pair.point[d], PacketLabel::lost_in_device);
  const int64_t decided_ns = in.order_ns + waited_ns;
  const bool reset = in.has(tcp_flag::rst);
  if (!reset && !in.data && !in.has(tcp_flag::syn)) return lose_control(pair, d, in, decided_ns);
  ++pair.lost[d];
  counters_of(pair, d).lost.add();
  if (reset) {
    if (pair.reset_crossed_ns[d] == kTimeMax) tell(pair, d, FateEventType::reset_not_forwarded, in, true, decided_ns);
  } else if (in.data) {
    ++pair.segments_lost[d];
    counters_.segments_lost[outer(pair)][inward(pair, d)].add();
    tell(pair, d, FateEventType::segment_lost, in, true, decided_ns);
  }  // else a SYN: handshakes have detectors of their own
}

// ---- control packets ----

// Acknowledgements are cumulative, and a device may thin them out: what a later one says that did leave, nobody went without.
// And until the first one has left the handshake is not over, and has detectors of its own.
bool PairTable::is_superseded(const Pair& pair, size_t d, const Pending& in) const {
  if (in.has(tcp_flag::fin)) return pair.fin_left[d];
  const Acknowledged& of = pair.acknowledged[1 - d];
  if (!of.at_sender_known || !pair.offset[1 - d].known()) return true;
  const uint32_t ack = in.ack - pair.offset[1 - d].value();
  if (ack != of.at_sender) return sequence_before(ack, of.at_sender);
  return !of.zero_window || in.zero_window;
}

// Lost, which is no harm by itself. It is if the sender has to say it again, or the peer sends again what it acknowledged.
void PairTable::lose_control(Pair& pair, size_t d, const Pending& in, int64_t decided_ns) {
  ControlLoss& loss = pair.control[d];
  forgive_control(pair, d);
  if (is_superseded(pair, d, in)) {
    ++pair.superseded[d];
    counters_of(pair, d).superseded.add();
    return;
  }
  if (loss.held.size == 0 || sequence_before(loss.ack, in.ack)) loss.ack = in.ack;
  if (loss.held.size >= kControlHeld || !pool_.append(loss.held, in)) {
    ++pair.lost[d];
    counters_of(pair, d).lost.add();
    return;
  }
  tell_control(pair, d, decided_ns);
}

// Of those held, what has become superseded since.
void PairTable::forgive_control(Pair& pair, size_t d) {
  PacketQueue& held = pair.control[d].held;
  for (uint32_t previous = kNone, node = held.head; node != kNone;) {
    const uint32_t next = pool_[node].next;
    if (is_superseded(pair, d, pool_[node]) || (pool_[node].has(tcp_flag::fin) && is_acknowledged(pair, d, pool_[node].end()))) {
      pool_.remove(held, previous, node);
      ++pair.superseded[d];
      counters_of(pair, d).superseded.add();
    } else {
      previous = node;
    }
    node = next;
  }
}

// Two are the least: one may have been on its way when the peer sent again, or the sensor may have missed it without knowing.
void PairTable::tell_control(Pair& pair, size_t d, int64_t decided_ns) {
  ControlLoss& loss = pair.control[d];
  if (!loss.told) {
    size_t fins = 0;
    for (uint32_t node = loss.held.head; node != kNone; node = pool_[node].next) fins += pool_[node].has(tcp_flag::fin);
    const Repeated& repeated = pair.repeated[1 - d];
    const bool in_vain = loss.held.size > 0 && repeated.order_ns > pool_[loss.held.head].order_ns + pair_wait::kLeastNs &&
                         sequence_at_or_before(repeated.seq, loss.ack - pair.offset[1 - d].value());
    if (loss.held.size < 2 || (fins < 2 && !in_vain)) return;
    loss.told = true;
  }
  while (loss.held.head != kNone) {
    ++pair.lost[d];
    counters_of(pair, d).lost.add();
    tell(pair, d, FateEventType::control_segment_lost, pool_.pop(loss.held), true, decided_ns);
  }
}

// The sender of `d` sends again what its receiver has acknowledged, or it probes a window that has been opened.
void PairTable::note_repeated(Pair& pair, size_t d, const Pending& in) {
  if (in.has(tcp_flag::rst)) return;
  const bool probe = in.length <= 1 && !in.has(tcp_flag::fin);
  const bool again = probe ? pair.acknowledged[d].zero_window && (in.data || in.acknowledged) : in.acknowledged;
  if (!again) return;
  pair.repeated[d] = {in.order_ns, in.seq};
  forgive_control(pair, 1 - d);
  tell_control(pair, 1 - d, in.order_ns);
}

// ---- made ----

void PairTable::decide_injected(Pair& pair, size_t d, const Pending& out, int64_t waited_ns) {
  if (entered_altered(pair, d, out)) return;
  const PointIndex enters = pair.point[d], leaves = pair.point[1 - d];
  const int64_t from = out.order_ns - waited_ns, to = out.order_ns + waited_ns;
  if (out.order_ns < pair.fates_from_ns + waited_ns && pair.fates_from_ns != kTimeMin)  // may have entered before
    return leave_unexplained(pair, d, Doubt::not_covered);
  // Where the stretch before the packet was not covered because the capture began then, its own time must do.
  const int64_t covered_from = out.order_ns - out.stamp_uncertainty_ns - std::max(pair_wait::kLeastNs, pair.max_transit_ns[d]);
  AbsenceProof proof(sensor_, enters, travel(pair, d));
  proof.unless(!pair.entering_seen[d], Doubt::path_unknown).unless(nothing_matched(pair), Doubt::clock_uncertain);
  proof.unless(pair.not_followed[d].near(out.order_ns, limits_.device_timeout_ns), Doubt::not_covered);
  proof.expect(std::max(from, covered_from), to);
  // Stamped late: what entered has been given up before this came.
  AbsenceProof in_time(sensor_, leaves, travel(pair, d));
  proof.unless(!in_time.expect(out.order_ns - out.stamp_uncertainty_ns, out.order_ns).holds(), Doubt::clock_uncertain);
  if (!proof.holds_for_all()) return leave_unexplained(pair, d, proof.doubt());
  if (notes_.wanted()) note(pair, out, leaves, PacketLabel::injected_by_device);
  ++pair.injected[d];
  counters_of(pair, d).injected.add();
  if (!out.has(tcp_flag::rst) || pair.reset_crossed_ns[d] <= out.order_ns) return;
  tell(pair, d, FateEventType::reset_by_device, out, false, to);
}

// ---- telling ----

void PairTable::note(const Pair& pair, const Pending& p, PointIndex point, PacketLabel label, const Pending* peer) {
  notes_.add({.order_ns = p.order_ns,
              .time_ns = p.time_ns,
              .leg = 0,
              .frame = p.frame,
              .labels = bit(label),
              .peer_frame = peer ? peer->frame : 0,
              .port = p.port,
              .peer_port = peer ? peer->port : PortIndex{},
              .point = point,
              .pair = number_of(pair)});
}

// `lost`: seen entering and absent where it leaves; else the other way round.
void PairTable::tell(const Pair& pair, size_t d, FateEventType type, const Pending& p, bool lost, int64_t decided_ns) {
  const size_t seen_at = lost ? d : 1 - d;
  const FateEvent event{.type = type,
                        .home = worker_,
                        .pair_generation = pair.generation,
                        .legs_left = false,
                        .pair = number_of(pair),
                        .connection_id = pair.connection_id,
                        .decided_ns = decided_ns,
                        .packet = {.order_ns = p.order_ns,
                                   .time_ns = p.time_ns,
                                   .frame = p.frame,
                                   .stamp_uncertainty_ns = p.stamp_uncertainty_ns,
                                   .seq = p.seq,
                                   .ack = p.ack,
                                   .tsval = 0,
                                   .payload_length = p.length,
                                   .port = p.port,
                                   .ip_id = p.ip_id,
                                   .point = pair.point[seen_at],
                                   .ttl = p.ttl,
                                   .tcp_flags = p.tcp_flags,
                                   .from = d == 0 ? Side::client : Side::server},
                        .absent_at = pair.point[1 - seen_at],
                        .stats = {}};
  // It may be lost: room is kept for the end of every pair.
  if (!events_.send(event, limits_.pairs)) counters_.events_dropped.add();
}

FateEvent PairTable::event_of(const Pair& pair, FateEventType type) const {
  FateEvent event{.type = type,
                  .home = worker_,
                  .pair_generation = pair.generation,
                  .legs_left = pair.ended < 2,
                  .pair = number_of(pair),
                  .connection_id = pair.connection_id,
                  .decided_ns = kTimeMax,
                  .packet = {},
                  .absent_at = 0,
                  .stats = {}};
  CrossingStats& stats = event.stats;
  for (size_t d = 0; d < 2; ++d) {
    const uint32_t waiting = pair.entered[d].size + pair.control[d].held.size;
    stats.lost[d] = pair.segments_lost[d];
    stats.matched[d] = pair.matched[d];
    stats.packets[d] = {.entered = pair.matched[d] + pair.lost[d] + pair.superseded[d] + pair.undecided[d] + waiting,
                        .forwarded = pair.matched[d],
                        .lost = pair.lost[d],
                        .superseded = pair.superseded[d],
                        .undecided = pair.undecided[d],
                        .injected = pair.injected[d],
                        .unexplained = pair.unexplained[d]};
    stats.undecided += pair.undecided[d] + pair.unexplained[d];
    stats.uncertain_transits[d] = pair.uncertain_transits[d];
    stats.isn_offset[d] = static_cast<int32_t>(pair.offset[d].value());
    stats.offset_known[d] = pair.offset[d].known();
    if (pair.sketch != kNone && sketches_[pair.sketch][d].count() > 0) {
      stats.transit[d] = sketches_[pair.sketch][d].distribution();
    }
  }
  stats.doubts = pair.doubts;
  stats.changes = pair.changes;
  stats.isn_known = stats.offset_known[0] && stats.offset_known[1];
  return event;
}

}  // namespace parallax
