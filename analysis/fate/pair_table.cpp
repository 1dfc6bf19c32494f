// Matching what enters a device with what leaves it. Deciding on what finds no match: pair_table_fates.cpp.
#include "analysis/fate/pair_table.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "analysis/model/sequence.h"

namespace parallax {
namespace {

constexpr uint8_t kShapeFlags = tcp_flag::syn | tcp_flag::fin | tcp_flag::rst;  // what a device that forwards does not change

}  // namespace

PairTable::PairTable(uint8_t worker, const PairLimits& limits, const SensorView& sensor, WorkerCounters& counters,
                     Outbox<FateEvent>& events, PacketNotes& notes)
    : worker_(worker),
      limits_(limits),
      sensor_(sensor),
      counters_(counters),
      events_(events),
      notes_(notes),
      pairs_(limits.pairs),
      pool_(limits.pending, limits.offline),
      sketches_(limits.sketches) {
  for (size_t i = sketches_.size(); i-- > 0;) free_sketches_.push_back(static_cast<uint32_t>(i));
}

void PairTable::open(const Command& command) {
  if (command.pair >= pairs_.size()) pairs_.resize(std::max<size_t>(command.pair + 1, pairs_.size() * 2));  // offline only
  used_ = std::max<size_t>(used_, command.pair + 1);
  Pair& pair = pairs_[command.pair];
  pair = {};
  pair.connection_id = command.connection_id;
  pair.point = {command.client_point, command.server_point};
  pair.generation = command.pair_generation;
  pair.open = true;
  pair.datagrams = command.datagrams;
  pair.may_move = command.datagrams && command.renamed;
  for (const Side sender : kSides) {
    if (pair.datagrams) pair.offset[sender].learn(0);
    if (command.sequence_offset_known[sender]) pair.offset[sender].learn(command.sequence_offset[sender]);
  }
  if (free_sketches_.empty() && limits_.offline) {
    free_sketches_.push_back(static_cast<uint32_t>(sketches_.size()));
    sketches_.emplace_back();
  }
  if (free_sketches_.empty()) {
    counters_.sketches_missing.add();
    return;
  }
  pair.sketch = free_sketches_.back();
  free_sketches_.pop_back();
  sketches_[pair.sketch] = {};
}

void PairTable::take(const PairSighting& s) {
  Pair& pair = pairs_[s.pair];
  if (!pair.open || pair.generation != s.pair_generation) return;  // a straggler of a pair that is over
  if (s.kind == PairSighting::Kind::begin) {
    pair.fates_from_ns = std::max(pair.fates_from_ns, s.time_ns);
    ++pair.begun;
    return;
  }
  if (s.kind == PairSighting::Kind::end) {
    // With one leg gone (over, or evicted) nothing can be said of what the other still shows.
    settle(pair, s.release_ns);
    if (++pair.ended == 2) close(pair, s.release_ns);
    return;
  }
  if (s.kind == PairSighting::Kind::abandon) {
    abandon(pair);
    return;
  }
  if (s.kind == PairSighting::Kind::taken_back) {
    take_back(pair);
    return;
  }
  const Side sender = s.from;
  const bool enters = s.point == pair.point[sender];
  if (pair.ended == 0 && anything_waits(pair)) {
    // A packet says that it is no earlier than its stamp less the uncertainty of that.
    const int64_t now_ns = s.release_ns - s.stamp_uncertainty_ns;
    for (const Side each : kSides) {
      if (is_due(pair.entered[each], now_ns) || is_due(pair.early[each], now_ns)) expire(pair, each, now_ns);
    }
  }
  if (pair.ended > 0 || s.order_ns < pair.fates_from_ns) {
    if (s.same != DuplicateState::fresh) return;
    enters ? leave_undecided(pair, sender, Doubt::not_covered) : leave_unexplained(pair, sender, Doubt::not_covered);
    return;
  }
  if (s.same != DuplicateState::fresh && !copy_is_awaited(pair, sender, s)) {  // shown twice, passed once
    // If it is one: else what it is on the far side finds no match.
    if (s.same == DuplicateState::suspect) pair.not_followed[sender].add(s.order_ns, 2 * limits_.device_timeout_ns);
    return;
  }
  if (s.tcp_flags & tcp_flag::ack) note_acknowledgement(pair, sender, enters, s);
  if (enters) {
    entering(pair, sender, s);
  } else {
    if (pair.sketch != kNone) sketches_[pair.sketch][sender].prefetch(pair.sketch_bucket[sender]);  // transits change little
    leaving(pair, sender, Pending(s));
  }
  if (pair.learned[Side::client] || pair.learned[Side::server]) [[unlikely]]
    match_what_waits(pair);
}

// Whichever side of the device shows it: what its receiver acknowledges has arrived there.
void PairTable::note_acknowledgement(Pair& pair, Side sender, bool enters, const PairSighting& s) {
  Acknowledged& of = pair.acknowledged[opposite(sender)];
  if (enters) {
    if (of.at_receiver_known && !sequence_before(of.at_receiver, s.ack)) return;
    of.at_receiver = s.ack;
    of.at_receiver_known = true;
    return;
  }
  if (s.tcp_flags & tcp_flag::rst) return;  // it may be the device's own
  if (of.at_sender_known && !sequence_at_or_before(of.at_sender, s.ack)) return;
  of.at_sender = s.ack;
  of.at_sender_known = true;
  of.zero_window = s.window == 0;
}

bool PairTable::matches(const Pair& pair, Side sender, const Pending& in, const Pending& out) const {
  if ((in.tcp_flags ^ out.tcp_flags) & kShapeFlags || in.length != out.length) return false;
  if (pair.datagrams) return in.seq == out.seq || in.seq == 0 || out.seq == 0;
  if (in.has(tcp_flag::syn)) return true;  // a device that rewrites sequences teaches its offset here
  if (!pair.offset[sender].known()) return in.has(tcp_flag::rst) && in.seq == out.seq;  // may be all that a direction ever shows
  if (out.seq - in.seq != pair.offset[sender].value()) return false;
  if (in.length > 0 || !in.has(tcp_flag::ack)) return true;
  const SequenceOffset& other = pair.offset[opposite(sender)];
  if (other.known()) return in.ack - out.ack == other.value();
  return in.ack == out.ack || (in.ip_id != 0 && in.ip_id == out.ip_id);
}

// A copy at one point may be a packet of its own at the other: there it was seen too late to be taken for one.
bool PairTable::copy_is_awaited(const Pair& pair, Side sender, const PairSighting& s) const {
  const bool enters = s.point == pair.point[sender];
  const Pending copy(s);
  for (uint32_t node = (enters ? pair.early : pair.entered)[sender].head; node != kNone; node = pool_[node].next) {
    const Pending& other = pool_[node];
    if (other.ip_id == copy.ip_id && (enters ? matches(pair, sender, copy, other) : matches(pair, sender, other, copy)))
      return true;
  }
  return false;
}

// No room: then nothing is said of the packet, or of the oldest where each is compared with all.
void PairTable::wait(Pair& pair, Side sender, PacketQueue& queue, const Pending& p) {
  const bool enters = &queue == &pair.entered[sender];
  const auto give_up = [&](const Pending& given_up, Doubt doubt) {
    enters ? leave_undecided(pair, sender, doubt) : leave_unexplained(pair, sender, doubt);
    pair.not_followed[sender].add(given_up.order_ns, 2 * limits_.device_timeout_ns);
  };
  if (!pair.offset[sender].known() && queue.size >= kPendingMaxUnknown) give_up(pool_.pop(queue), Doubt::offset_unknown);
  if (queue.size < kPendingMax && pool_.append(queue, p)) return;
  give_up(p, Doubt::not_covered);
  counters_.pending_overflows.add();
}

void PairTable::entering(Pair& pair, Side sender, const PairSighting& s) {
  Pending in(s);
  pair.entering_seen[sender] = true;
  if (in.has(tcp_flag::syn)) {
    pair.acknowledged[sender] = {};  // what was acknowledged before was of other numbers
  } else {
    in.acknowledged = is_acknowledged(pair, sender, in.end());
    if (in.acknowledged || pair.acknowledged[sender].zero_window) [[unlikely]]
      note_repeated(pair, sender, in);
  }
  // Seen leaving already? Stamps of two ports, or of two clocks.
  for (uint32_t previous = kNone, node = pair.early[sender].head; node != kNone; previous = node, node = pool_[node].next) {
    const Pending& out = pool_[node];
    if (!matches(pair, sender, in, out) || another_copy(pair, in, out)) continue;
    matched(pair, sender, in, pool_.remove(pair.early[sender], previous, node));
    return;
  }
  wait(pair, sender, pair.entered[sender], in);
  if (!pair.offset[sender].known()) [[unlikely]]
    learn(pair, sender, in, true);
}

// An original that has waited out of all proportion is likely lost, and this its retransmission, stamped before it entered: then
// that one will come, and else the original is found when it is given up.
bool PairTable::overdue(const Pair& pair, const Pending& in, const Pending& out) const {
  // Of both directions: a handshake tells what the device takes.
  constexpr uint64_t kTransitsLeast = 3;
  if (pair.matched[Side::client] + pair.matched[Side::server] < kTransitsLeast) return false;
  const int64_t longest_ns = std::max(pair.max_transit_ns[Side::client], pair.max_transit_ns[Side::server]);
  return out.time_ns - in.time_ns >
         pair_wait::kLeastNs + pair_wait::kTransitMargin * longest_ns + in.stamp_uncertainty_ns + out.stamp_uncertainty_ns;
}

// Of several copies the one with the same IP ID; without IDs the newest that had entered by then.
PairTable::Found PairTable::find_copy(const Pair& pair, Side sender, const Pending& out) const {
  Found best;
  for (uint32_t before = kNone, node = pair.entered[sender].head; node != kNone; before = node, node = pool_[node].next) {
    const Pending& in = pool_[node];
    if (!matches(pair, sender, in, out)) continue;
    const bool same_id = in.ip_id != 0 && in.ip_id == out.ip_id;
    if (!same_id && (another_copy(pair, in, out) || overdue(pair, in, out) ||
                     (best.node != kNone && in.time_ns > out.time_ns + out.stamp_uncertainty_ns))) {
      best.others = true;
      continue;
    }
    best.node = node;
    best.previous = before;
    if (same_id) break;
  }
  return best;
}

void PairTable::leaving(Pair& pair, Side sender, const Pending& out) {
  const Found found = find_copy(pair, sender, out);
  if (found.node != kNone) {
    matched(pair, sender, pool_.remove(pair.entered[sender], found.previous, found.node), out);
    return;
  }
  const bool known = pair.offset[sender].known();
  if (known && out.data && !pair.datagrams && !found.others && cover(pair, sender, out)) return;
  wait(pair, sender, pair.early[sender], out);
  if (!known) [[unlikely]]
    learn(pair, sender, out, false);
}

// The offset is not known: is there one packet on the other side that `p` must be, whatever its sequence number?
void PairTable::learn(Pair& pair, Side sender, const Pending& p, bool enters) {
  if (p.has(tcp_flag::syn | tcp_flag::rst)) return;
  const auto alike = [&](const Pending& other) { return other.tcp_flags == p.tcp_flags && other.length == p.length; };
  const Pending* alone = nullptr;
  size_t near = 0;  // within the least time that a device is given
  const PacketQueue& far = (enters ? pair.early : pair.entered)[sender];
  for (uint32_t node = far.head; node != kNone; node = pool_[node].next) {
    const Pending& other = pool_[node];
    if (!alike(other)) continue;
    const bool same_id = p.ip_id != 0 && other.ip_id == p.ip_id;
    const bool same_numbers = other.seq == p.seq && other.ack == p.ack;
    if (same_id || same_numbers) {
      const uint8_t weight = same_id && same_numbers ? SequenceOffset::kSamePacket : SequenceOffset::kSameId;
      return enters ? vote(pair, sender, p, other, weight) : vote(pair, sender, other, p, weight);
    }
    if (std::abs(other.time_ns - p.time_ns) > pair_wait::kLeastNs) continue;
    alone = &other;
    ++near;
  }
  if (near != 1) return;
  const PacketQueue& own = (enters ? pair.entered : pair.early)[sender];
  for (uint32_t node = own.head; node != kNone; node = pool_[node].next) {
    const Pending& other = pool_[node];
    if (alike(other) && other.frame != p.frame && std::abs(other.time_ns - p.time_ns) <= pair_wait::kLeastNs) return;
  }
  enters ? vote(pair, sender, p, *alone, SequenceOffset::kAlone) : vote(pair, sender, *alone, p, SequenceOffset::kAlone);
}

// Its sequence number speaks for its own direction, what it acknowledges for the other.
void PairTable::vote(Pair& pair, Side sender, const Pending& in, const Pending& out, uint8_t weight) {
  const auto count = [&](Side of, uint32_t offset) {
    if (pair.offset[of].known()) return;
    pair.offset[of].vote(offset, weight);
    if (pair.offset[of].known()) pair.learned[of] = true;
  };
  count(sender, out.seq - in.seq);
  if (in.has(tcp_flag::ack)) count(opposite(sender), in.ack - out.ack);
}

// An offset has become known: what was seen leaving until now may be what was seen entering.
void PairTable::match_what_waits(Pair& pair) {
  while (pair.learned[Side::client] || pair.learned[Side::server]) {
    const Side sender = pair.learned[Side::client] ? Side::client : Side::server;
    pair.learned[sender] = false;
    for (uint32_t left = pair.early[sender].size; left > 0; --left) leaving(pair, sender, pool_.pop(pair.early[sender]));
  }
}

void PairTable::matched(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  if (in.has(tcp_flag::syn)) {
    if (!pair.offset[sender].known()) pair.learned[sender] = true;
    pair.offset[sender].learn(out.seq - in.seq);
  }
  if (in.has(tcp_flag::rst)) pair.reset_crossed_ns[sender] = std::min(pair.reset_crossed_ns[sender], out.order_ns);
  if (in.has(tcp_flag::fin)) pair.fin_left[sender] = true;
  if (in.ttl != out.ttl) pair.changes |= bit(DeviceChange::ttl);
  if (in.ip_id != out.ip_id) {
    pair.changes |= bit(DeviceChange::ip_id);
  } else if (in.ip_id != 0) {
    pair.ip_id_kept = true;
  }
  ++pair.matched[sender];
  count_transit(pair, sender, in, out);
  if (in.data && !pair.datagrams) note_changes(pair, sender, in, out);
  if (pair.may_move) {
    pair.first_matched_ns = std::min(pair.first_matched_ns, in.order_ns);
    pair.last_matched_ns = std::max(pair.last_matched_ns, in.order_ns);
    tell_datagrams(pair, limits_.device_timeout_ns);
  }
  if (out.data && !pair.datagrams) mark_copies(pair, sender, in, out);
  if (notes_.wanted()) {
    note(pair, in, pair.point[sender], PacketLabel::forwarded);
    note(pair, out, pair.point[opposite(sender)], PacketLabel::forwarded, &in);
  }
}

// What became of a segment besides that it left. Of several copies only the ID tells which it is.
void PairTable::note_changes(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  const bool is_late = in.order_ns + in.stamp_uncertainty_ns + out.stamp_uncertainty_ns < pair.newest_left_ns[sender];
  pair.newest_left_ns[sender] = std::max(pair.newest_left_ns[sender], in.order_ns);
  if (in.ip_id == 0 || in.ip_id != out.ip_id || in.length != out.length || out.seq - in.seq != pair.offset[sender].value())
    return;
  const bool is_comparable = in.checksum != 0 && out.checksum != 0 && in.window == out.window && in.tcp_flags == out.tcp_flags;
  if (is_comparable && pair.checksum_shift[sender].is_altered(in.checksum, out.checksum)) [[unlikely]]
    tell_changed(pair, sender, in, out, PacketLabel::altered_by_device, FateEventType::segment_altered);
  if (is_late && stamps_tell_order(pair, sender, in, out)) [[unlikely]]
    tell_changed(pair, sender, in, out, PacketLabel::reordered_by_device, FateEventType::segment_reordered);
}

// A clock that was set or is not comparable, or a port that was held up, shows another order.
bool PairTable::stamps_tell_order(const Pair& pair, Side sender, const Pending& in, const Pending& out) const {
  const int64_t transit_ns = out.time_ns - in.time_ns;
  const int64_t uncertainty_ns = int64_t{in.stamp_uncertainty_ns} + out.stamp_uncertainty_ns;
  if (transit_ns < -uncertainty_ns || transit_ns > pair_wait::kNearlyAllNs || pair.clocks_apart) return false;
  const auto in_time = [&](Side side) {
    return sensor_.in_time(pair.point[side], port_direction(travel(pair, sender)), in.order_ns - limits_.device_timeout_ns,
                           out.order_ns + limits_.device_timeout_ns);
  };
  return in_time(Side::client) && in_time(Side::server);
}

void PairTable::tell_changed(Pair& pair, Side sender, const Pending& in, const Pending& out, PacketLabel label,
                             FateEventType type) {
  if (notes_.wanted()) {
    note(pair, in, pair.point[sender], label);
    note(pair, out, pair.point[opposite(sender)], label, &in);
  }
  tell(pair, sender, type, in, true, out.order_ns);
}

void PairTable::count_transit(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  const int64_t transit = out.time_ns - in.time_ns;
  CrossingCounters& counters = counters_of(pair, sender);
  counters.forwarded.add();
  const auto outer_point = static_cast<PointIndex>(outer(pair));
  const Direction direction = travel(pair, sender);
  count_passage(crossed_[outer_point][direction], outer_point, direction, true, out.order_ns);
  pair.max_transit_ns[sender] = std::max(pair.max_transit_ns[sender], transit);
  // A RST may be the device's own, and one of its sender's come later.
  if (transit < -(pair_wait::kLeastNs + in.stamp_uncertainty_ns + out.stamp_uncertainty_ns) && !in.has(tcp_flag::rst))
    pair.clocks_apart = true;
  // A negative one says only that the clocks cannot tell, and so does one that a pause of the sensor may have made.
  if (transit < 0 || int64_t{in.stamp_uncertainty_ns} + out.stamp_uncertainty_ns > pair_wait::kLeastNs) {
    ++pair.uncertain_transits[sender];
    counters.uncertain_transits.add();
    return;
  }
  if (pair.sketch != kNone) {
    sketches_[pair.sketch][sender].add(transit);
    pair.sketch_bucket[sender] = static_cast<uint8_t>(transit::bucket_of(static_cast<uint64_t>(transit)));
  }
  counters_.transit_sketch[outer(pair)][travel(pair, sender)].add(transit);
}

// What waits of the same bytes has a copy that left; and where bytes are all that tells copies apart, which one is open.
void PairTable::mark_copies(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  if (in.ip_id == 0 || in.ip_id != out.ip_id) {
    Exits& exits = pair.doubtful[sender];
    const size_t at = exits.next++ % exits.seq.size();
    const int64_t transit_us = (out.time_ns - in.order_ns) / 1000;
    exits.in_order_ns[at] = in.order_ns;
    exits.transit_us[at] = static_cast<int32_t>(
        std::clamp<int64_t>(transit_us, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
    exits.seq[at] = in.seq;
    exits.length[at] = in.length;
  }
  for (uint32_t node = pair.entered[sender].head; node != kNone; node = pool_[node].next) {
    Pending& other = pool_[node];
    const uint32_t seq = other.seq + pair.offset[sender].value();
    if (other.data && sequence_before(seq, out.seq + out.length) && sequence_before(out.seq, seq + other.length))
      other.covered = true;
  }
}

// The device, or offload at one of the points, has cut the bytes otherwise: what leaves covers ranges of what entered, each byte
// once: of two copies the second is still to come.
bool PairTable::cover(Pair& pair, Side sender, const Pending& out) {
  PacketQueue& queue = pair.entered[sender];
  bool any = false;
  const uint32_t out_begin = out.seq - pair.offset[sender].value(), out_end = out_begin + out.length;
  uint32_t matched_begin = out_begin, matched_end = out_begin;  // of it, in a row
  for (uint32_t previous = kNone, node = queue.head; node != kNone;) {
    Pending& in = pool_[node];
    const uint32_t next = in.next, in_end = in.seq + in.length;
    if (!in.data || !sequence_before(in.seq, out_end) || !sequence_before(out_begin, in_end)) {
      previous = node;
      node = next;
      continue;
    }
    if (sequence_at_or_before(matched_begin, in.seq) && sequence_at_or_before(in_end, matched_end)) {
      in.covered = true;
      previous = node;
      node = next;
      continue;
    }
    any = true;
    const bool from_front = sequence_at_or_before(out_begin, in.seq), to_end = sequence_at_or_before(in_end, out_end);
    in.checksum = 0;  // it is that of all of the segment
    pair.checksum_shift[sender].give_up();
    if (from_front && !to_end) {
      in.length = in_end - out_end;
      in.seq = out_end;
    } else if (!from_front && to_end) {
      in.length = out_begin - in.seq;
    } else {
      if (in.seq != matched_end) matched_begin = in.seq;
      matched_end = in_end;
      matched(pair, sender, pool_.remove(queue, previous, node), out);
      node = next;
      continue;
    }
    previous = node;
    node = next;
  }
  return any;
}

bool PairTable::finish_some(size_t budget) {
  for (; close_at_ < used_ && budget > 0; ++close_at_, --budget) {
    if (pairs_[close_at_].open) close(pairs_[close_at_], kTimeMax);
  }
  if (close_at_ < used_) return false;
  tell_passages(kTimeMax);
  return true;
}

void PairTable::sweep(size_t budget, int64_t now_ns, int64_t round_ns) {
  for (size_t i = 0; i < std::min(budget, used_); ++i) {
    if (sweep_at_ >= used_) sweep_at_ = 0;
    if (sweep_at_ == 0) {
      if (sweep_round_ns_ != kTimeMin && now_ns < sweep_round_ns_ + round_ns) return;
      sweep_round_ns_ = now_ns;
      tell_passages(now_ns);
    }
    Pair& pair = pairs_[sweep_at_++];
    if (!pair.open) continue;
    uint32_t sum = 0;
    for (const Side sender : kSides) {
      expire(pair, sender, now_ns);
      sum += static_cast<uint32_t>(pair.matched[sender]) + pair.lost[sender] + pair.superseded[sender] + pair.undecided[sender] +
             pair.injected[sender] + pair.unexplained[sender];
    }
    // Where it would have to wait, the next round tells more.
    if (sum != pair.reported && events_.send_now(event_of(pair, FateEventType::progress))) pair.reported = sum;
  }
}

}  // namespace parallax
