// Deciding on what found no match: lost in the device, made by it, or neither proved. And telling of it.
#include <algorithm>
#include <cstdlib>

#include "analysis/fate/pair_table.h"
#include "analysis/model/sequence.h"

namespace parallax {

void PairTable::expire(Pair& pair, Side sender, int64_t now_ns) {
  while (is_due(pair.half[sender].entered, now_ns))
    decide_lost(pair, sender, pool_.pop(pair.half[sender].entered), limits_.device_timeout_ns);
  while (is_due(pair.half[sender].early, now_ns))
    decide_injected(pair, sender, pool_.pop(pair.half[sender].early), limits_.device_timeout_ns);
}

// Decides on what is due at `now_ns`, of both directions, and when something is next.
void PairTable::expire_due(Pair& pair, int64_t now_ns) {
  pair.due_ns = kTimeMax;
  for (const Side sender : kSides) {
    const Half& half = pair.half[sender];
    if (is_due(half.entered, now_ns) || is_due(half.early, now_ns)) expire(pair, sender, now_ns);
    for (const PacketQueue* queue : {&half.entered, &half.early}) {
      if (queue->head != kNone) pair.due_ns = std::min(pair.due_ns, pool_[queue->head].order_ns + limits_.device_timeout_ns);
    }
  }
  decide_held(pair, now_ns, false);
}

// Decides what can be. `now_ns`: what lies before it has been released; fates that would need more time stay undecided.
void PairTable::settle(Pair& pair, int64_t now_ns) {
  for (const Side sender : kSides) {
    // Nothing will come any more: what the device has needed so far, with ample margin, must do.
    const int64_t wait = pair.half[sender].matched >= pair_wait::kTransitsKnown
                             ? std::clamp(pair_wait::kTransitMargin * pair.half[sender].max_transit_ns, pair_wait::kLeastNs,
                                          limits_.device_timeout_ns)
                             : limits_.device_timeout_ns;
    const auto over = [&](const Pending& p) { return p.order_ns + wait + p.stamp_uncertainty_ns < now_ns; };
    while (pair.half[sender].entered.head != kNone) {
      const Pending in = pool_.pop(pair.half[sender].entered);
      if (over(in)) {
        decide_lost(pair, sender, in, wait);
      } else {
        tell_one_sided(pair, sender, in, true, now_ns);
        leave_undecided(pair, sender, Doubt::not_covered);
      }
    }
    while (pair.half[sender].early.head != kNone) {
      const Pending out = pool_.pop(pair.half[sender].early);
      if (over(out)) {
        decide_injected(pair, sender, out, wait);
      } else {
        tell_one_sided(pair, sender, out, false, now_ns);
        leave_unexplained(pair, sender, Doubt::not_covered);
      }
    }
  }
  if (pair.holds_handshake) decide_handshake(pair, Origin::server);
  decide_copies(pair, now_ns);
  decide_held(pair, now_ns, true);
}

void PairTable::close(Pair& pair, int64_t now_ns) {
  settle(pair, now_ns);
  abandon(pair);
}

// One of the legs goes on with another: what waits here may have left there.
void PairTable::abandon(Pair& pair) {
  for (const Side sender : kSides) {
    for (; pair.half[sender].entered.head != kNone; pool_.pop(pair.half[sender].entered))
      leave_undecided(pair, sender, Doubt::not_covered);
    for (; pair.half[sender].early.head != kNone; pool_.pop(pair.half[sender].early))
      leave_unexplained(pair, sender, Doubt::not_covered);
    if (!pair.incidents) continue;
    PacketQueue& held = pair.incidents->control[sender].held;
    for (; pair.datagrams && held.head != kNone; pool_.pop(held)) leave_undecided(pair, sender, Doubt::rival);
    forgive_control(pair, sender);
    for (; held.head != kNone; pool_.pop(held)) {
      ++pair.lost[sender];
      counters_of(pair, sender).lost.add();
    }
  }
  end(pair);
}

// The legs do not belong together, and nothing was proved of their packets. The counters of the crossing only grow: what the pair
// has added to them is added to what is to be subtracted.
void PairTable::take_back(Pair& pair) {
  for (const Side sender : kSides) {
    CrossingCounters::TakenBack& void_of = counters_of(pair, sender).taken_back;
    void_of.forwarded.add(pair.half[sender].matched);
    void_of.lost.add(pair.lost[sender]);
    void_of.superseded.add(pair.superseded[sender]);
    void_of.segments_lost.add(pair.segments_lost[sender]);
    PacketQueue none;
    PacketQueue& held = pair.incidents ? pair.incidents->control[sender].held : none;
    counters_.fates_taken_back.add(decided_of(pair, sender) + pair.half[sender].entered.size + pair.half[sender].early.size +
                                   held.size);
    for (PacketQueue* queue : {&pair.half[sender].entered, &pair.half[sender].early, &held}) {
      while (queue->head != kNone) pool_.pop(*queue);
    }
  }
  end(pair);
}

void PairTable::end(Pair& pair) {
  if (!events_.send(event_of(pair, FateEventType::closed))) counters_.events_dropped.add();
  while (notes_of(pair).head != kNone) pool_.pop(notes_of(pair));
  pair.incidents.reset();
  pair.open = false;
}

void PairTable::leave_undecided(Pair& pair, Side sender, Doubt doubt) {
  ++pair.undecided[sender];
  pair.doubts |= static_cast<uint16_t>(1 << static_cast<int>(doubt));
  counters_of(pair, sender).undecided[static_cast<size_t>(doubt)].add();
}

void PairTable::leave_unexplained(Pair& pair, Side sender, Doubt doubt) {
  ++own_incidents(pair).unexplained[sender];
  pair.doubts |= static_cast<uint16_t>(1 << static_cast<int>(doubt));
}

// ---- lost ----

// A RST may be trimmed by the device, and it is seldom that a direction of nothing but a RST has taught its offset: any that left
// in the time of a transit is it.
bool PairTable::is_altered_reset(const Pair& pair, Side sender, const Pending& in, const Pending& out) const {
  return (in.tcp_flags & out.tcp_flags & tcp_flag::rst) && is_near_in_transit(pair, sender, in, out);
}

bool PairTable::is_near_in_transit(const Pair& pair, Side sender, const Pending& in, const Pending& out) const {
  const int64_t transit = out.time_ns - in.time_ns, uncertainty = int64_t{in.stamp_uncertainty_ns} + out.stamp_uncertainty_ns;
  return transit >= -uncertainty &&
         transit <= pair_wait::kLeastNs + pair_wait::kTransitMargin * pair.half[sender].max_transit_ns + uncertainty;
}

// One of the same bytes left that entered under no such ID: then the device did change it, this once.
bool PairTable::left_altered(Pair& pair, Side sender, const Pending& in) {
  for (uint32_t previous = kNone, node = pair.half[sender].early.head; node != kNone; previous = node, node = pool_[node].next) {
    if (!matches(pair, sender, in, pool_[node]) && !is_altered_reset(pair, sender, in, pool_[node])) continue;
    matched(pair, sender, in, pool_.remove(pair.half[sender].early, previous, node));
    return true;
  }
  return false;
}
bool PairTable::entered_altered(Pair& pair, Side sender, const Pending& out) {
  for (uint32_t previous = kNone, node = pair.half[sender].entered.head; node != kNone;
       previous = node, node = pool_[node].next) {
    if (!is_altered_reset(pair, sender, pool_[node], out)) continue;
    matched(pair, sender, pool_.remove(pair.half[sender].entered, previous, node), out);
    return true;
  }
  return false;
}

// Stamps of two ports may differ by more than they say, so that what refuses a SYN is seen before it at one point, and taken for
// the client's: at the other one it goes the other way.
bool PairTable::passed_the_other_way(Pair& pair, Side sender, const Pending& reset) {
  if (!reset.has(tcp_flag::rst) || !reset.has(tcp_flag::ack)) return false;
  const Side other = opposite(sender);
  for (PacketQueue* queue : {&pair.half[other].entered, &pair.half[other].early}) {
    for (uint32_t previous = kNone, node = queue->head; node != kNone; previous = node, node = pool_[node].next) {
      const Pending& twin = pool_[node];
      const bool is_same = twin.seq == reset.seq && twin.ack == reset.ack && twin.tcp_flags == reset.tcp_flags &&
                           std::abs(twin.order_ns - reset.order_ns) <= pair_wait::kLeastNs;
      if (!is_same) continue;
      pool_.remove(*queue, previous, node);
      queue == &pair.half[other].entered ? leave_undecided(pair, other, Doubt::clock_uncertain)
                                         : leave_unexplained(pair, other, Doubt::clock_uncertain);
      return true;
    }
  }
  return false;
}

// A packet left that nothing explains, and it bears the same ID: the device may have changed its numbers or its length. Of a
// datagram it may have changed all, and without an ID that it left in time is enough.
bool PairTable::has_rival(const Pair& pair, Side sender, const Pending& in) const {
  for (uint32_t node = pair.half[sender].early.head; pair.datagrams && node != kNone; node = pool_[node].next) {
    const bool has_ids = in.ip_id != 0 && pool_[node].ip_id != 0;
    if (!has_ids && is_near_in_transit(pair, sender, in, pool_[node])) return true;
  }
  if (in.ip_id == 0) return false;
  for (uint32_t node = pair.half[sender].early.head; node != kNone; node = pool_[node].next) {
    if (pool_[node].ip_id == in.ip_id && pool_[node].tcp_flags == in.tcp_flags) return true;
  }
  return false;
}

AbsenceProof PairTable::absence_of(Pair& pair, Side sender, const Pending& in, int64_t waited_ns) {
  const PointIndex enters = pair.point[sender], leaves = pair.point[opposite(sender)];
  const int64_t from = in.order_ns - in.stamp_uncertainty_ns, to = in.order_ns + waited_ns;
  AbsenceProof proof(sensor_, leaves, ports_of(pair, sender));
  const bool reset = in.has(tcp_flag::rst);
  const bool has_begun = pair.datagrams && first_has_left(pair, sender, in);
  const bool is_in_flow = !reset && !in.has(tcp_flag::syn);
  proof.unless(is_in_flow && !pair.offset[sender].known(), Doubt::offset_unknown);
  // What takes no numbers of its own is known by those it acknowledges.
  const bool is_bare_ack = is_in_flow && !pair.datagrams && in.length == 0;
  proof.unless(is_bare_ack && !pair.offset[opposite(sender)].known(), Doubt::offset_unknown);
  proof.unless(is_in_flow && pair.half[sender].matched == 0 && !has_begun, Doubt::path_unknown);
  proof.unless(has_begun && !sensor_.shows_later_fragments(leaves, to), Doubt::may_be_hidden);
  proof.unless(pair.clocks_apart || (reset && nothing_matched(pair)), Doubt::clock_uncertain);
  // Acknowledged by the receiver, though no copy of it was seen leaving: then it did leave, and the sensor missed it.
  const bool is_answer = in.has(tcp_flag::syn) && in.has(tcp_flag::ack);  // to a SYN alone a device may answer
  const bool takes_numbers = in.data || in.has(tcp_flag::fin) || is_answer;
  proof.unless(takes_numbers && !in.covered && is_acknowledged(pair, sender, in.end()), Doubt::acknowledged);
  // What else was missing there at about that time is the sensor's as likely as the device's.
  if (was_missed(pair, sender, in)) {
    int64_t& newest_ns = own_incidents(pair).missed_ns[opposite(sender)];
    newest_ns = std::max(newest_ns, in.order_ns);
  }
  const int64_t missed_ns = incidents_of(pair).missed_ns[opposite(sender)];
  proof.unless(missed_ns != kTimeMin && std::abs(in.order_ns - missed_ns) < limits_.device_timeout_ns, Doubt::not_covered);
  // Others have needed nearly as long.
  proof.unless(pair.half[sender].max_transit_ns > waited_ns / 4 * 3, Doubt::clock_uncertain);
  // Seen leaving before its own stamp, when fates had not begun: stamps of two ports may differ by more than they say.
  const bool begun = pair.fates_from_ns == kTimeMin || from - pair_wait::kLeastNs >= pair.fates_from_ns;
  proof.unless(!begun, Doubt::clock_uncertain);
  proof.unless(incidents_of(pair).not_followed[sender].near(in.order_ns, limits_.device_timeout_ns), Doubt::not_covered);
  proof.unless((pair.datagrams && in.covered) || in.may_have_left, Doubt::rival);
  proof.unless(!reset && has_rival(pair, sender, in), Doubt::rival);
  const int64_t likely =
      in.order_ns +
      std::min(waited_ns, std::max(pair_wait::kNearlyAllNs, pair_wait::kTransitMargin * pair.half[sender].max_transit_ns));
  proof.expect(from, likely, to);
  // A copy of these bytes has left, and it may have been this one: then it is the earlier copy that is missing, and the sensor
  // must cover that time too.
  const Exits& exits = incidents_of(pair).doubtful[sender];
  for (size_t i = 0; in.data && i < exits.seq.size(); ++i) {
    const int64_t out_ns = exits.in_order_ns[i] + int64_t{exits.transit_us[i]} * 1000;
    if (exits.length[i] == 0 || exits.seq[i] != in.seq || out_ns + in.stamp_uncertainty_ns + pair_wait::kLeastNs < in.time_ns)
      continue;
    proof.expect(exits.in_order_ns[i], exits.in_order_ns[i] + waited_ns);
  }
  AbsenceProof complete(sensor_, enters, ports_of(pair, sender));  // and that no copy of it was missed where it entered
  proof.unless(!complete.expect(from, likely, to).holds(), Doubt::not_covered);
  return proof;
}

// It arrived, as its receiver says, and no copy of it was seen: then the point that it leaves by has missed it.
bool PairTable::was_missed(const Pair& pair, Side sender, const Pending& in) const {
  return (in.data || in.has(tcp_flag::fin)) && !in.covered && !in.acknowledged && is_acknowledged(pair, sender, in.end());
}

// The device has answered the SYN in the server's place: its SYN-ACK left, and did not come in.
bool PairTable::is_answered_by_device(const Pair& pair, Side sender, const Pending& syn) const {
  for (uint32_t node = pair.half[opposite(sender)].early.head; node != kNone; node = pool_[node].next) {
    const Pending& out = pool_[node];
    if (out.has(tcp_flag::syn) && out.has(tcp_flag::ack) && out.ack == syn.end()) return true;
  }
  return false;
}

void PairTable::decide_lost(Pair& pair, Side sender, const Pending& in, int64_t waited_ns) {
  if (left_altered(pair, sender, in)) return;
  if (passed_the_other_way(pair, sender, in)) return leave_undecided(pair, sender, Doubt::clock_uncertain);
  if (in.has(tcp_flag::rst)) tell_one_sided(pair, sender, in, true, in.order_ns + waited_ns);
  const AbsenceProof proof = absence_of(pair, sender, in, waited_ns);
  if (was_missed(pair, sender, in) && proof.covered() == proof.expected()) count_missed(pair, sender, proof.point(), in.order_ns);
  if (!proof.holds_for_all()) return leave_undecided(pair, sender, proof.doubt());
  if (pair.datagrams) return lose_datagram(pair, sender, in, waited_ns);
  // The correlator counts it as answered, and tells of it.
  if (in.has(tcp_flag::syn) && is_answered_by_device(pair, sender, in)) return leave_undecided(pair, sender, Doubt::rival);
  const int64_t decided_ns = in.order_ns + waited_ns;
  const bool reset = in.has(tcp_flag::rst);
  if (in.data && !reset) {
    // Live the sensor knows what it has lost, and people are waiting; of a file nobody knows who has cut a hole into it.
    const bool may_be_a_hole = limits_.offline && !in.repeats && !in.covered && !in.has(tcp_flag::syn);
    if (!may_be_a_hole || !hold_unmissed(pair, sender, in)) lose_segment(pair, sender, in, decided_ns);
    return;
  }
  if (notes_.wanted()) note(pair, in, pair.point[sender], PacketLabel::lost_in_device);
  if (!reset && !in.has(tcp_flag::syn)) return lose_control(pair, sender, in, decided_ns);
  ++pair.lost[sender];
  counters_of(pair, sender).lost.add();
  if (reset && incidents_of(pair).reset_crossed_ns[sender] == kTimeMax)
    tell(pair, sender, FateEventType::reset_not_forwarded, in, true, decided_ns);
  // Else a SYN: handshakes have detectors of their own.
}

void PairTable::lose_segment(Pair& pair, Side sender, const Pending& in, int64_t decided_ns, bool is_unrepaired) {
  if (notes_.wanted()) note(pair, in, pair.point[sender], PacketLabel::lost_in_device);
  count_lost_data(pair, sender);
  tell(pair, sender, FateEventType::segment_lost, in, true, decided_ns, {}, {}, is_unrepaired);
}

// ---- datagrams ----

// A NAT that has forgotten a conversation, for its silence or because it was told to, lets the next datagram leave from another
// port, and all that follow: a leg of its own. What crosses under the one name before and after shows that it has not.
void PairTable::lose_datagram(Pair& pair, Side sender, const Pending& in, int64_t waited_ns) {
  if (first_has_left(pair, sender, in)) return tell_datagram(pair, sender, in, waited_ns);
  Incidents& incidents = own_incidents(pair);
  PacketQueue& held = incidents.control[sender].held;
  if (pair.may_move && in.order_ns < incidents.first_matched_ns) return leave_undecided(pair, sender, Doubt::rival);
  if (held.size >= kControlHeld) {
    pool_.pop(held);
    leave_undecided(pair, sender, Doubt::rival);
  }
  if (!pool_.append(held, in)) return leave_undecided(pair, sender, Doubt::not_covered);
  tell_datagrams(pair, waited_ns);
}

void PairTable::tell_datagrams(Pair& pair, int64_t waited_ns) {
  if (!pair.incidents) return;
  for (const Side sender : kSides) {
    PacketQueue& held = pair.incidents->control[sender].held;
    while (held.head != kNone && (!pair.may_move || pool_[held.head].order_ns < pair.incidents->last_matched_ns))
      tell_datagram(pair, sender, pool_.pop(held), waited_ns);
  }
}

void PairTable::tell_datagram(Pair& pair, Side sender, const Pending& in, int64_t waited_ns) {
  if (notes_.wanted()) note(pair, in, pair.point[sender], PacketLabel::lost_in_device);
  count_lost_data(pair, sender);
  const Fragments fragments = first_has_left(pair, sender, in) ? Fragments::first_left
                              : in.window != 0                 ? Fragments::none_left
                                                               : Fragments::none;
  tell(pair, sender, FateEventType::datagram_lost, in, true, in.order_ns + waited_ns, {}, fragments);
}

// ---- control packets ----

// Acknowledgements are cumulative, and a device may thin them out: what a later one says that did leave, nobody went without.
// And until the first one has left the handshake is not over, and has detectors of its own.
bool PairTable::is_superseded(const Pair& pair, Side sender, const Pending& in) const {
  if (in.has(tcp_flag::fin)) return pair.fin_left[sender];
  const Acknowledged& of = pair.acknowledged[opposite(sender)];
  if (!of.at_sender_known || !pair.offset[opposite(sender)].known()) return true;
  const uint32_t ack = in.ack - pair.offset[opposite(sender)].value();
  if (ack != of.at_sender) return sequence_before(ack, of.at_sender);
  return !of.zero_window || in.zero_window;
}

// Lost, which is no harm by itself. It is if the sender has to say it again, or the peer sends again what it acknowledged.
void PairTable::lose_control(Pair& pair, Side sender, const Pending& in, int64_t decided_ns) {
  forgive_control(pair, sender);
  if (is_superseded(pair, sender, in)) {
    ++pair.superseded[sender];
    counters_of(pair, sender).superseded.add();
    return;
  }
  ControlLoss& loss = own_incidents(pair).control[sender];
  if (loss.held.size == 0 || sequence_before(loss.ack, in.ack)) loss.ack = in.ack;
  if (loss.held.size >= kControlHeld || !pool_.append(loss.held, in)) {
    ++pair.lost[sender];
    counters_of(pair, sender).lost.add();
    return;
  }
  tell_control(pair, sender, decided_ns);
}

// Of those held, what has become superseded since.
void PairTable::forgive_control(Pair& pair, Side sender) {
  if (!pair.incidents) return;
  PacketQueue& held = pair.incidents->control[sender].held;
  for (uint32_t previous = kNone, node = held.head; node != kNone;) {
    const uint32_t next = pool_[node].next;
    if (is_superseded(pair, sender, pool_[node]) ||
        (pool_[node].has(tcp_flag::fin) && is_acknowledged(pair, sender, pool_[node].end()))) {
      pool_.remove(held, previous, node);
      ++pair.superseded[sender];
      counters_of(pair, sender).superseded.add();
    } else {
      previous = node;
    }
    node = next;
  }
}

// Two are the least: one may have been on its way when the peer sent again, or the sensor may have missed it without knowing.
void PairTable::tell_control(Pair& pair, Side sender, int64_t decided_ns) {
  Incidents& incidents = own_incidents(pair);
  ControlLoss& loss = incidents.control[sender];
  if (!incidents.loses_control[sender]) {
    size_t fins = 0;
    for (uint32_t node = loss.held.head; node != kNone; node = pool_[node].next) fins += pool_[node].has(tcp_flag::fin);
    const Repeated& repeated = incidents.repeated[opposite(sender)];
    const bool in_vain = loss.held.size > 0 && repeated.order_ns > pool_[loss.held.head].order_ns + pair_wait::kLeastNs &&
                         sequence_at_or_before(repeated.seq, loss.ack - pair.offset[opposite(sender)].value());
    if (loss.held.size < 2 || (fins < 2 && !in_vain)) return;
    incidents.loses_control[sender] = true;
  }
  while (loss.held.head != kNone) {
    ++pair.lost[sender];
    counters_of(pair, sender).lost.add();
    tell(pair, sender, FateEventType::control_segment_lost, pool_.pop(loss.held), true, decided_ns);
  }
}

// The sender of `sender` sends again what its receiver has acknowledged, or it probes a window that has been opened.
void PairTable::note_repeated(Pair& pair, Side sender, const Pending& in) {
  if (in.has(tcp_flag::rst)) return;
  const bool probe = in.length <= 1 && !in.has(tcp_flag::fin);
  const bool again = probe ? pair.acknowledged[sender].zero_window && (in.data || in.acknowledged) : in.acknowledged;
  if (!again) return;
  own_incidents(pair).repeated[sender] = {in.order_ns, in.seq};
  forgive_control(pair, opposite(sender));
  tell_control(pair, opposite(sender), in.order_ns);
}

// ---- made ----

AbsenceProof PairTable::never_entered(const Pair& pair, Side sender, const Pending& out, int64_t waited_ns) const {
  const int64_t from = out.order_ns - waited_ns, to = out.order_ns + waited_ns;
  // Where the stretch before the packet was not covered because the capture began then, its own time must do.
  const int64_t covered_from =
      out.order_ns - out.stamp_uncertainty_ns - std::max(pair_wait::kLeastNs, pair.half[sender].max_transit_ns);
  AbsenceProof proof(sensor_, pair.point[sender], ports_of(pair, sender));
  proof.unless(!pair.half[sender].entering_seen, Doubt::path_unknown)
      .unless(pair.clocks_apart || nothing_matched(pair), Doubt::clock_uncertain);
  proof.unless(incidents_of(pair).not_followed[sender].near(out.order_ns, limits_.device_timeout_ns), Doubt::not_covered);
  proof.expect(std::max(from, covered_from), to);
  proof.unless(!is_in_time(pair, sender, out), Doubt::clock_uncertain);
  return proof;
}

// Else it was stamped late: what entered had been given up before it came.
bool PairTable::is_in_time(const Pair& pair, Side sender, const Pending& out) const {
  AbsenceProof in_time(sensor_, pair.point[opposite(sender)], ports_of(pair, sender));
  return in_time.expect(out.order_ns - out.stamp_uncertainty_ns, out.order_ns).holds();
}

void PairTable::decide_injected(Pair& pair, Side sender, const Pending& out, int64_t waited_ns) {
  if (entered_altered(pair, sender, out)) return;
  pair.has_reset_left |= out.has(tcp_flag::rst);
  if (passed_the_other_way(pair, sender, out)) return leave_unexplained(pair, sender, Doubt::clock_uncertain);
  tell_one_sided(pair, sender, out, false, out.order_ns + waited_ns);
  // What the device makes of a datagram need have nothing in common with it.
  if (pair.datagrams) return leave_unexplained(pair, sender, Doubt::rival);
  if (take_other_copy(pair, sender, false, out)) return leave_unexplained(pair, sender, Doubt::rival);
  const PointIndex enters = pair.point[sender], leaves = pair.point[opposite(sender)];
  if (may_have_entered_before(pair, out, waited_ns)) return leave_unexplained(pair, sender, Doubt::not_covered);
  const AbsenceProof proof = never_entered(pair, sender, out, waited_ns);
  // Devices make handshakes and resets of their own, and nothing else that takes sequence numbers.
  const bool is_forwarded = out.data || out.has(tcp_flag::fin);
  const bool is_followed = !incidents_of(pair).not_followed[sender].near(out.order_ns, limits_.device_timeout_ns);
  if (is_forwarded && is_followed && pair.offset[sender].known() && proof.covered() == proof.expected() &&
      is_in_time(pair, sender, out) && !pair.clocks_apart && !nothing_matched(pair))
    count_missed(pair, sender, enters, out.order_ns);
  if (!proof.holds_for_all()) return leave_unexplained(pair, sender, proof.doubt());
  if (out.is_next) return leave_unexplained(pair, sender, Doubt::not_covered);
  ++own_incidents(pair).injected[sender];
  counters_of(pair, sender).injected.add();
  if (out.again) return hold_copy(pair, sender, pair_note::kProved, out);
  if (notes_.wanted()) note(pair, out, leaves, PacketLabel::injected_by_device);
  if (!out.has(tcp_flag::rst) || incidents_of(pair).reset_crossed_ns[sender] <= out.order_ns) return;
  tell(pair, sender, FateEventType::reset_by_device, out, false, out.order_ns + waited_ns);
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
              .pair = number_of(pair),
              .home = worker_});
}

// Whether the path goes on at the far side of the point where the packet was not seen: of a hairpin perhaps on either side. And
// what of datagrams a hairpin there may seem to have lost, no acknowledgement shows.
bool PairTable::has_point_beyond(const Pair& pair, Side seen_at) const {
  const PointIndex absent = pair.point[opposite(seen_at)], seen = pair.point[seen_at];
  if (absent == seen || pair.datagrams) return limits_.points > 1;
  return absent > seen ? absent + 1u < limits_.points : absent > 0;
}

// For what the device seems to have lost that comes next, or to have made that came before.
void PairTable::tell_one_sided(const Pair& pair, Side sender, const Pending& p, bool lost, int64_t decided_ns) {
  const Side seen_at = lost ? sender : opposite(sender);
  if (has_point_beyond(pair, seen_at)) tell(pair, sender, FateEventType::one_sided, p, lost, decided_ns);
}

// `lost`: seen entering and absent where it leaves; else the other way round.
void PairTable::tell(const Pair& pair, Side sender, FateEventType type, const Pending& p, bool lost, int64_t decided_ns,
                     const SackCrossing& sack, Fragments fragments, bool is_unrepaired) {
  const Side seen_at = lost ? sender : opposite(sender);
  const FateEvent event{.type = type,
                        .home = worker_,
                        .pair_generation = pair.generation,
                        .legs_left = false,
                        .entered = lost,
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
                                   .from = sender},
                        .absent_at = pair.point[opposite(seen_at)],
                        .seq_at_absent = lost ? p.seq + pair.offset[sender].value() : p.seq - pair.offset[sender].value(),
                        .stats = {},
                        .sack = sack,
                        .fragments = fragments,
                        .is_unrepaired = is_unrepaired,
                        .repaired_ns = int64_t{p.covered_us} * 1000};
  // It may be lost: room is kept for the end of every pair.
  if (!events_.send(event, limits_.pairs)) counters_.events_dropped.add();
}

// `device`: where it was missed, the point alone.
void PairTable::tell_passage(Passing& passing, DeviceIndex device, Direction direction, bool seen) {
  if (passing.packets == 0) return;
  FateEvent event{};
  event.type = FateEventType::passage;
  event.passage = {.time_ns = passing.tick_ns,
                   .packets = passing.packets,
                   .point = outer_point_of(device),
                   .direction = direction,
                   .seen = seen,
                   .device = device,
                   .crossed = seen ? passing.packets : 0,
                   .backwards = passing.backwards,
                   .timed = passing.timed,
                   .backwards_ns = passing.backwards_ns,
                   .transit_ns = passing.transit_ns};
  passing = {};
  if (!events_.send(event, limits_.pairs)) counters_.events_dropped.add();
  if (!seen) return;
  event.passage.crossed = event.passage.backwards = 0;
  // What has crossed was shown at both sides; of a hairpin it came to the point and went from it.
  if (is_hairpin(device)) {
    event.passage.direction = opposite(direction);
  } else {
    ++event.passage.point;
  }
  if (!events_.send(event, limits_.pairs)) counters_.events_dropped.add();
}

FateEvent PairTable::event_of(const Pair& pair, FateEventType type) const {
  FateEvent event{.type = type,
                  .home = worker_,
                  .pair_generation = pair.generation,
                  .legs_left = pair.ended < 2,
                  .entered = false,
                  .pair = number_of(pair),
                  .connection_id = pair.connection_id,
                  .decided_ns = kTimeMax,
                  .packet = {},
                  .absent_at = 0,
                  .seq_at_absent = 0,
                  .stats = {}};
  CrossingStats& stats = event.stats;
  const Incidents& incidents = incidents_of(pair);
  for (const Side sender : kSides) {
    const uint32_t waiting = pair.half[sender].entered.size + incidents.control[sender].held.size;
    stats.lost[sender] = pair.segments_lost[sender];
    stats.matched[sender] = pair.half[sender].matched;
    stats.packets[sender] = {
        .entered = pair.half[sender].matched + pair.lost[sender] + pair.superseded[sender] + pair.undecided[sender] + waiting,
        .forwarded = pair.half[sender].matched,
        .lost = pair.lost[sender],
        .superseded = pair.superseded[sender],
        .undecided = pair.undecided[sender],
        .injected = incidents.injected[sender],
        .unexplained = incidents.unexplained[sender]};
    stats.undecided += pair.undecided[sender] + incidents.unexplained[sender];
    stats.held[sender] = incidents.held[sender];
    stats.uncertain_transits[sender] = pair.uncertain_transits[sender];
    stats.isn_offset[sender] = static_cast<int32_t>(pair.offset[sender].value());
    stats.offset_known[sender] = pair.offset[sender].known();
    if (pair.transits[sender].count() > 0) stats.transit[sender] = pair.transits[sender].distribution();
  }
  stats.doubts = pair.doubts;
  stats.changes = pair.changes;
  stats.isn_known = stats.offset_known[Side::client] && stats.offset_known[Side::server];
  return event;
}

}  // namespace parallax
