// Matching what enters a device with what leaves it. Deciding on what finds no match: pair_table_fates.cpp.
#include "analysis/fate/pair_table.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "analysis/model/sequence.h"

namespace parallax {

PairTable::PairTable(uint8_t worker, const PairLimits& limits, const SensorView& sensor, WorkerCounters& counters,
                     Outbox<FateEvent>& events, PacketNotes& notes)
    : worker_(worker),
      limits_(limits),
      sensor_(sensor),
      counters_(counters),
      events_(events),
      notes_(notes),
      pool_(limits.pending, limits.offline) {
  if (limits.offline) reserve_room(pairs_), reserve_room(pair_notes_);
  pairs_.resize(limits.pairs);
  pair_notes_.resize(limits.pairs);
}

void PairTable::open(const Command& command) {
  if (command.pair >= pairs_.size()) {  // offline only
    pairs_.resize(command.pair + 1);
    pair_notes_.resize(command.pair + 1);
  }
  used_ = std::max<size_t>(used_, command.pair + 1);
  Pair& pair = pairs_[command.pair];
  pair = {};
  notes_of(pair) = {};
  pair.connection_id = command.connection_id;
  pair.point = {command.client_point, command.server_point};
  pair.device = command.device;
  pair.is_inward = is_hairpin(crossed(pair)) || command.device == PathSide::inner;
  pair.generation = command.pair_generation;
  pair.open = true;
  pair.datagrams = command.datagrams;
  pair.may_move = command.datagrams && command.renamed;
  for (const Side sender : kSides) {
    if (pair.datagrams) pair.offset[sender].learn(0);
    if (command.sequence_offset_known[sender]) pair.offset[sender].learn(command.sequence_offset[sender]);
    pair.offset[sender].take_in();  // nothing waits yet
  }
}

void PairTable::take(const PairSighting& s) {
  if (s.kind == PairSighting::Kind::packet) return take_packet(s.pair, s.pair_generation, s, s.from, s.same, s.device);
  Pair& pair = pairs_[s.pair];
  if (!pair.open || pair.generation != s.pair_generation) return;
  switch (s.kind) {
    case PairSighting::Kind::begin:
      pair.fates_from_ns = std::max(pair.fates_from_ns, s.time_ns);
      ++pair.begun;
      return;
    case PairSighting::Kind::end:
      // With one leg gone (over, or evicted) nothing can be said of what the other still shows.
      settle(pair, s.release_ns);
      pair.fates_from_ns = pair.due_ns = kTimeMax;
      if (++pair.ended == 2) close(pair, s.release_ns);
      return;
    case PairSighting::Kind::abandon:
      return abandon(pair);
    case PairSighting::Kind::taken_back:
      return take_back(pair);
    case PairSighting::Kind::sack:
      if (pair.ended == 0) take_sack(pair, s);
      return;
    case PairSighting::Kind::first_fragment:
      if (pair.ended == 0) take_first_fragment(pair, s);
      return;
    case PairSighting::Kind::packet:
      return;
  }
}

void PairTable::take(uint32_t reference, const Sighting& s, Side from, DuplicateState same, PathSide device) {
  take_packet(pair_ref::index(reference), pair_ref::generation(reference), s, from, same, device);
}

template <typename Packet>
inline void PairTable::take_packet(uint32_t number, uint8_t generation, const Packet& s, Side sender, DuplicateState same,
                                   PathSide device) {
  Pair& pair = pairs_[number];
  if (!pair.open || pair.generation != generation) return;  // a straggler of a pair that is over
  // A packet says that it is no earlier than its stamp less the uncertainty of that. Of what was logged the other sighting is
  // still to come, however late the two legs were paired.
  if (const int64_t now_ns = s.order_ns - s.stamp_uncertainty_ns; pair.due_ns < now_ns) [[unlikely]]
    expire_due(pair, now_ns);
  const bool enters = device == device_side(pair, sender);
  if (s.order_ns < pair.fates_from_ns || same != DuplicateState::fresh) [[unlikely]]
    return take_odd(pair, sender, enters, Pending(s), same);
  if (s.tcp_flags & tcp_flag::ack) note_acknowledgement(pair, sender, enters, s.ack, s.window, s.tcp_flags);
  if (enters) {
    entering(pair, sender, Pending(s));
  } else {
    __builtin_prefetch(&pair.transits[sender], 1);
    leaving(pair, sender, Pending(s));
  }
  if (pair.offset[Side::client].is_new() || pair.offset[Side::server].is_new()) [[unlikely]]
    match_what_waits(pair);
}

void PairTable::take_odd(Pair& pair, Side sender, bool enters, Pending p, DuplicateState same) {
  if (!is_followed(pair, sender, enters, p, same)) return;
  p.again = same == DuplicateState::again;
  if (p.has(tcp_flag::ack)) note_acknowledgement(pair, sender, enters, p.ack, p.window, p.tcp_flags);
  enters ? entering(pair, sender, p) : leaving(pair, sender, p);
  if (pair.offset[Side::client].is_new() || pair.offset[Side::server].is_new()) match_what_waits(pair);
}

// Of a packet from before the fates begin, or after one of the legs has ended, and of one that its point has shown already.
bool PairTable::is_followed(Pair& pair, Side sender, bool enters, const Pending& p, DuplicateState same) {
  if (p.order_ns < pair.fates_from_ns) {
    if (same > DuplicateState::again) return false;
    enters ? leave_undecided(pair, sender, Doubt::not_covered) : leave_unexplained(pair, sender, Doubt::not_covered);
    return false;
  }
  if (same == DuplicateState::again || copy_is_awaited(pair, sender, enters, p)) return true;
  // Shown twice, passed once; if it is a copy: else what it is on the far side finds no match. Where it leaves and nothing waits
  // there is nothing to match.
  const bool may_be_missed = enters || pair.half[sender].entered.head != kNone;
  if (same == DuplicateState::suspect && may_be_missed)
    own_incidents(pair).not_followed[sender].add(p.order_ns, 2 * limits_.device_timeout_ns);
  take_copy(pair, sender, enters, p);
  return false;
}

// Whichever side of the device shows it: what its receiver acknowledges has arrived there.
inline void PairTable::note_acknowledgement(Pair& pair, Side sender, bool enters, uint32_t ack, uint16_t window,
                                            uint8_t tcp_flags) {
  Acknowledged& of = pair.acknowledged[opposite(sender)];
  if (enters) {
    if (of.at_receiver_known && !sequence_before(of.at_receiver, ack)) return;
    of.at_receiver = ack;
    of.at_receiver_known = true;
    return;
  }
  if (tcp_flags & tcp_flag::rst) return;  // it may be the device's own
  if (of.at_sender_known && !sequence_at_or_before(of.at_sender, ack)) return;
  of.at_sender = ack;
  of.at_sender_known = true;
  of.zero_window = window == 0;
}

// A copy at one point may be a packet of its own at the other: there it was seen too late to be taken for one.
bool PairTable::copy_is_awaited(const Pair& pair, Side sender, bool enters, const Pending& copy) const {
  const Half& half = pair.half[sender];
  for (uint32_t node = (enters ? half.early : half.entered).head; node != kNone; node = pool_[node].next) {
    const Pending& other = pool_[node];
    if (other.ip_id == copy.ip_id && (enters ? matches(pair, sender, copy, other) : matches(pair, sender, other, copy)))
      return true;
  }
  return false;
}

// No room: then nothing is said of the packet, or of the oldest where each is compared with all.
[[gnu::always_inline]] inline void PairTable::wait(Pair& pair, Side sender, PacketQueue& queue, const Pending& p) {
  const bool enters = &queue == &pair.half[sender].entered;
  const auto give_up = [&](const Pending& given_up, Doubt doubt) {
    enters ? leave_undecided(pair, sender, doubt) : leave_unexplained(pair, sender, doubt);
    own_incidents(pair).not_followed[sender].add(given_up.order_ns, 2 * limits_.device_timeout_ns);
  };
  if (!pair.offset[sender].known() && queue.size >= kPendingMaxUnknown) give_up(pool_.pop(queue), Doubt::offset_unknown);
  if (queue.size < kPendingMax && pool_.append(queue, p)) {
    pair.due_ns = std::min(pair.due_ns, p.order_ns + limits_.device_timeout_ns);
    return;
  }
  give_up(p, Doubt::not_covered);
  counters_.pending_overflows.add();
}

[[gnu::always_inline]] inline void PairTable::entering(Pair& pair, Side sender, Pending in) {
  Half& half = pair.half[sender];
  half.entering_seen = true;
  if (in.data && !pair.datagrams) {
    const uint32_t end = in.seq + in.length;
    if (half.has_end && sequence_before(in.seq, half.end)) {
      if (waits_already(pair, sender, in)) return take_copy(pair, sender, true, in);
      half.overlaps = in.repeats = true;
      take_repetition(pair, sender, in);
    }
    if (!half.has_end || sequence_before(half.end, end)) half.end = end;
    half.has_end = true;
  }
  if (in.has(tcp_flag::syn)) {
    pair.acknowledged[sender] = {};  // what was acknowledged before was of other numbers
  } else {
    in.acknowledged = is_acknowledged(pair, sender, in.end());
    if (in.acknowledged || pair.acknowledged[sender].zero_window) [[unlikely]]
      note_repeated(pair, sender, in);
  }
  // Seen leaving already? Stamps of two ports, or of two clocks.
  for (uint32_t previous = kNone, node = pair.half[sender].early.head; node != kNone; previous = node, node = pool_[node].next) {
    const Pending& out = pool_[node];
    if (!matches(pair, sender, in, out) || another_copy(pair, in, out)) continue;
    matched(pair, sender, in, pool_.remove(pair.half[sender].early, previous, node));
    return;
  }
  if (in.repeats && left_as_copy(pair, sender, in)) return;
  if (pair.datagrams) in.covered = is_bare_copy(pair, sender, in);
  wait(pair, sender, pair.half[sender].entered, in);
  if (!pair.offset[sender].known()) [[unlikely]]
    learn(pair, sender, in, true);
}

// An original that has waited out of all proportion is likely lost, and this its retransmission, stamped before it entered: then
// that one will come, and else the original is found when it is given up.
bool PairTable::overdue(const Pair& pair, const Pending& in, const Pending& out) const {
  // Of both directions: a handshake tells what the device takes.
  constexpr uint64_t kTransitsLeast = 3;
  if (pair.half[Side::client].matched + pair.half[Side::server].matched < kTransitsLeast) return false;
  const int64_t longest_ns = std::max(pair.half[Side::client].max_transit_ns, pair.half[Side::server].max_transit_ns);
  return out.time_ns - in.time_ns >
         pair_wait::kLeastNs + pair_wait::kTransitMargin * longest_ns + in.stamp_uncertainty_ns + out.stamp_uncertainty_ns;
}

// What a sender numbers in a row and the device leaves alone: this one comes next, or a few after it, so that it is no copy of
// what left before, and nothing that the device has numbered.
bool PairTable::is_next_of(const Pair& pair, Side sender, const Pending& out) const {
  constexpr uint16_t kAheadMost = 64;
  const uint16_t last = pair.half[sender].left_ip_id;
  if (!pair.ip_id_kept || (pair.changes & bit(DeviceChange::ip_id)) || out.ip_id == 0 || last == 0) return false;
  if (out.ttl != pair.half[sender].left_ttl) return false;
  const auto ahead = static_cast<uint16_t>(out.ip_id - last);
  return ahead > 0 && ahead <= kAheadMost;
}

// Of several copies the one with the same IP ID; without IDs the newest that had entered by then.
PairTable::Found PairTable::find_copy(const Pair& pair, Side sender, const Pending& out) const {
  Found best;
  for (uint32_t before = kNone, node = pair.half[sender].entered.head; node != kNone; before = node, node = pool_[node].next) {
    const Pending& in = pool_[node];
    if (!matches(pair, sender, in, out)) continue;
    const bool same_id = have_same_id(pair, in, out);
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

[[gnu::always_inline]] inline void PairTable::leaving(Pair& pair, Side sender, const Pending& out) {
  PacketQueue& entered = pair.half[sender].entered;
  const auto is_oldest = [&] {
    if (entered.head == kNone) return false;
    const Pending& oldest = pool_[entered.head];
    return have_same_id(pair, oldest, out) && matches(pair, sender, oldest, out);
  };
  // Nearly always; find_copy() would say so, too.
  const Found found = is_oldest() ? Found{entered.head} : find_copy(pair, sender, out);
  if (found.node != kNone) {
    matched(pair, sender, pool_.remove(entered, found.previous, found.node), out);
    return;
  }
  const bool known = pair.offset[sender].known();
  if (known && out.data && !pair.datagrams && !found.others && cover(pair, sender, out)) return;
  Pending early = out;
  early.is_next = is_next_of(pair, sender, out);
  wait(pair, sender, pair.half[sender].early, early);
  if (!known) [[unlikely]]
    learn(pair, sender, out, false);
}

// The offset is not known: is there one packet on the other side that `p` must be, whatever its sequence number?
void PairTable::learn(Pair& pair, Side sender, const Pending& p, bool enters) {
  if (p.has(tcp_flag::syn | tcp_flag::rst)) return;
  const auto alike = [&](const Pending& other) { return other.tcp_flags == p.tcp_flags && other.length == p.length; };
  const Pending* alone = nullptr;
  size_t near = 0;  // within the least time that a device is given
  const Half& half = pair.half[sender];
  const PacketQueue& far = enters ? half.early : half.entered;
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
  const PacketQueue& own = enters ? half.entered : half.early;
  for (uint32_t node = own.head; node != kNone; node = pool_[node].next) {
    const Pending& other = pool_[node];
    if (alike(other) && other.frame != p.frame && std::abs(other.time_ns - p.time_ns) <= pair_wait::kLeastNs) return;
  }
  enters ? vote(pair, sender, p, *alone, SequenceOffset::kAlone) : vote(pair, sender, *alone, p, SequenceOffset::kAlone);
}

// Its sequence number speaks for its own direction, what it acknowledges for the other.
void PairTable::vote(Pair& pair, Side sender, const Pending& in, const Pending& out, uint8_t weight) {
  const auto count = [&](Side of, uint32_t offset) {
    if (!pair.offset[of].known()) pair.offset[of].vote(offset, weight);
  };
  count(sender, out.seq - in.seq);
  if (in.has(tcp_flag::ack)) count(opposite(sender), in.ack - out.ack);
}

// One packet by the numbers of its own direction: what it acknowledges tells of the other, of which nothing may be seen.
void PairTable::vote_by_acknowledgement(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  if (!(in.tcp_flags & out.tcp_flags & tcp_flag::ack) || in.length != out.length) return;
  const uint8_t weight = have_same_id(pair, in, out) ? SequenceOffset::kSameId : SequenceOffset::kAlone;
  pair.offset[opposite(sender)].vote(in.ack - out.ack, weight);
}

// An offset has become known: what was seen leaving until now may be what was seen entering.
void PairTable::match_what_waits(Pair& pair) {
  while (pair.offset[Side::client].is_new() || pair.offset[Side::server].is_new()) {
    const Side sender = pair.offset[Side::client].is_new() ? Side::client : Side::server;
    pair.offset[sender].take_in();
    for (uint32_t left = pair.half[sender].early.size; left > 0; --left)
      leaving(pair, sender, pool_.pop(pair.half[sender].early));
  }
}

void PairTable::matched(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  if (in.has(tcp_flag::syn)) [[unlikely]] {
    pair.offset[sender].learn(out.seq - in.seq);
    if (is_answered_ahead(pair, sender, in, out) && hold_handshake(pair, sender, in, out)) return;
    if (pair.holds_handshake && in.has(tcp_flag::ack)) decide_handshake(pair, Origin::server);
  } else if (pair.holds_handshake) [[unlikely]] {
    take_handshake_witness(pair, sender, in, out);
  }
  count_forwarded(pair, sender, in, out);
}

void PairTable::count_forwarded(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  if (in.has(tcp_flag::rst)) {
    int64_t& crossed_ns = own_incidents(pair).reset_crossed_ns[sender];
    crossed_ns = std::min(crossed_ns, out.order_ns);
    pair.has_reset_left = true;
  }
  if (in.has(tcp_flag::fin)) [[unlikely]] {
    pair.fin_left[sender] = true;
    // Of those that entered before it this is the copy by which its receiver has it.
    for (uint32_t node = pair.half[sender].entered.head; node != kNone; node = pool_[node].next)
      pool_[node].covered |= pool_[node].has(tcp_flag::fin) && !pool_[node].data;
  }
  if (in.ttl != out.ttl) pair.changes |= bit(DeviceChange::ttl);
  if (in.is_cut) {
    // Only one of the pieces can bear the ID of the whole.
  } else if (in.ip_id != out.ip_id) {
    pair.changes |= bit(DeviceChange::ip_id);
  } else if (in.ip_id != 0) {
    pair.ip_id_kept = true;
  }
  ++pair.half[sender].matched;
  pair.half[sender].left_ip_id = out.ip_id;
  pair.half[sender].left_ttl = out.ttl;
  count_transit(pair, sender, in, out);
  if (in.data && !pair.datagrams) {
    note_changes(pair, sender, in, out);
    if (!pair.offset[opposite(sender)].known()) [[unlikely]]
      vote_by_acknowledgement(pair, sender, in, out);
  }
  if (pair.datagrams) [[unlikely]]
    match_datagram(pair, sender, in, out);
  if (out.data && !pair.datagrams) mark_copies(pair, sender, in, out);
  if (notes_.wanted()) {
    note(pair, in, pair.point[sender], PacketLabel::forwarded);
    note(pair, out, pair.point[opposite(sender)], PacketLabel::forwarded, &in);
  }
}

void PairTable::match_datagram(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  if (out.window != 0) forget_first_fragment(pair, sender, out);
  if (in.ip_id == 0) mark_bare_copies(pair, sender, in);
  if (!pair.may_move) return;
  Incidents& incidents = own_incidents(pair);
  incidents.first_matched_ns = std::min(incidents.first_matched_ns, in.order_ns);
  incidents.last_matched_ns = std::max(incidents.last_matched_ns, in.order_ns);
  tell_datagrams(pair, limits_.device_timeout_ns);
}

// What became of a segment besides that it left. Of several copies only the ID tells which it is.
[[gnu::always_inline]] inline void PairTable::note_changes(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  const bool is_late = in.order_ns + in.stamp_uncertainty_ns + out.stamp_uncertainty_ns < pair.half[sender].newest_left_ns;
  pair.half[sender].newest_left_ns = std::max(pair.half[sender].newest_left_ns, in.order_ns);
  if (!have_same_id(pair, in, out) || in.length != out.length || out.seq - in.seq != pair.offset[sender].value()) return;
  const bool left_wrong = limits_.offline && out.checksum == kWrongChecksum;
  const bool is_comparable = in.checksum != 0 && out.checksum != 0 && in.window == out.window && in.tcp_flags == out.tcp_flags &&
                             (!left_wrong || in.checksum_fits);  // of what was cut nobody knows
  if (is_comparable && pair.half[sender].checksum_shift.is_altered(in.checksum, out.checksum, limits_.offline)) [[unlikely]] {
    left_wrong ? hold_spoiled(pair, sender, in, out)
               : tell_changed(pair, sender, in, out, PacketLabel::altered_by_device, FateEventType::segment_altered);
  }
  if (is_late && stamps_tell_order(pair, sender, in, out)) [[unlikely]]
    tell_changed(pair, sender, in, out, PacketLabel::reordered_by_device, FateEventType::segment_reordered);
}

// A clock that was set or is not comparable, or a port that was held up, shows another order.
bool PairTable::stamps_tell_order(const Pair& pair, Side sender, const Pending& in, const Pending& out) const {
  const int64_t transit_ns = out.time_ns - in.time_ns;
  const int64_t uncertainty_ns = int64_t{in.stamp_uncertainty_ns} + out.stamp_uncertainty_ns;
  if (transit_ns < -uncertainty_ns || transit_ns > pair_wait::kNearlyAllNs || pair.clocks_apart) return false;
  const auto in_time = [&](Side side) {
    return sensor_.in_time(pair.point[side], ports_of(pair, sender), in.order_ns - limits_.device_timeout_ns,
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

[[gnu::always_inline]] inline void PairTable::count_transit(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  Half& half = pair.half[sender];
  const int64_t transit = out.time_ns - in.time_ns;
  const DeviceIndex device = crossed(pair);
  const Direction direction = travel(pair, sender);
  CrossingCounters& counters = counters_.crossing[device][direction];
  counters.forwarded.add();
  count_passage(crossed_[device][direction], device, direction, true, out.order_ns);
  half.max_transit_ns = std::max(half.max_transit_ns, transit);
  // A RST may be the device's own, and one of its sender's come later.
  if (transit < -(pair_wait::kLeastNs + in.stamp_uncertainty_ns + out.stamp_uncertainty_ns) && !in.has(tcp_flag::rst))
    pair.clocks_apart = true;
  const bool is_uncertain = int64_t{in.stamp_uncertainty_ns} + out.stamp_uncertainty_ns > pair_wait::kLeastNs;
  // Unsigned: below nothing is more than all.
  if (static_cast<uint64_t>(transit) >= pair_wait::kHeldNs || is_uncertain) [[unlikely]] {
    // A negative one says only that the clocks cannot tell, and so does one that a pause of the sensor may have made.
    if (transit < 0 || is_uncertain) {
      ++pair.uncertain_transits[sender];
      counters.uncertain_transits.add();
      if (!in.has(tcp_flag::rst))
        crossed_[device][direction].note_backwards(-transit - in.stamp_uncertainty_ns - out.stamp_uncertainty_ns);
      return;
    }
    note_held(pair, sender, in, out);
  }
  const int bucket = transit::bucket_of(static_cast<uint64_t>(transit));
  pair.transits[sender].add(transit, bucket);
  crossed_[device][direction].note_transit(transit);
  counters_.transit_sketch[device][direction].add(transit, bucket);
}

// What waits of the same bytes has a copy that left; and where bytes are all that tells copies apart, which one is open.
[[gnu::always_inline]] inline void PairTable::mark_copies(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  if (!have_same_id(pair, in, out)) {
    Exits& exits = own_incidents(pair).doubtful[sender];
    const size_t at = own_incidents(pair).next_doubtful[sender]++ % exits.seq.size();
    const int64_t transit_us = (out.time_ns - in.order_ns) / 1000;
    exits.in_order_ns[at] = in.order_ns;
    exits.transit_us[at] = static_cast<int32_t>(
        std::clamp<int64_t>(transit_us, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
    exits.seq[at] = in.seq;
    exits.length[at] = in.length;
  }
  Half& half = pair.half[sender];
  if (half.entered.head == kNone) half.overlaps = false;
  if (!half.overlaps) return;
  for (uint32_t node = half.entered.head; node != kNone; node = pool_[node].next) {
    Pending& other = pool_[node];
    const uint32_t seq = other.seq + pair.offset[sender].value();
    if (other.data && sequence_before(seq, out.seq + out.length) && sequence_before(out.seq, seq + other.length))
      other.cover_by(out.time_ns);
  }
}

// Whether `out` is a piece of another segment that has entered than `in`: of one with its IP ID, or of one that begins with it.
bool PairTable::is_piece_of_another(const Pair& pair, Side sender, const Pending& in, const Pending& out,
                                    uint32_t out_begin) const {
  if (have_same_id(pair, in, out)) return false;
  const bool is_midst = sequence_before(in.seq, out_begin);
  for (uint32_t node = pair.half[sender].entered.head; node != kNone; node = pool_[node].next) {
    const Pending& other = pool_[node];
    const bool holds_begin = sequence_at_or_before(other.seq, out_begin) && sequence_before(out_begin, other.seq + other.length);
    if (other.data && holds_begin && (have_same_id(pair, other, out) || (is_midst && other.seq == out_begin))) return true;
  }
  return false;
}

// The device, or offload at one of the points, has cut the bytes otherwise: what leaves covers ranges of what entered, each byte
// once: of two copies the second is still to come.
bool PairTable::cover(Pair& pair, Side sender, const Pending& out) {
  PacketQueue& queue = pair.half[sender].entered;
  bool any = false;
  const uint32_t out_begin = out.seq - pair.offset[sender].value(), out_end = out_begin + out.length;
  uint32_t taken_begin = out_begin, taken_end = out_begin;  // of it, in a row
  for (uint32_t previous = kNone, node = queue.head; node != kNone;) {
    Pending& in = pool_[node];
    const uint32_t next = in.next, in_end = in.seq + in.length;
    if (!in.data || !sequence_before(in.seq, out_end) || !sequence_before(out_begin, in_end)) {
      previous = node;
      node = next;
      continue;
    }
    const bool from_front = sequence_at_or_before(out_begin, in.seq), to_end = sequence_at_or_before(in_end, out_end);
    const uint32_t begin = from_front ? in.seq : out_begin, end = to_end ? in_end : out_end;
    const bool is_taken = sequence_at_or_before(taken_begin, begin) && sequence_at_or_before(end, taken_end);
    if (is_taken || is_piece_of_another(pair, sender, in, out, out_begin)) {
      in.cover_by(out.time_ns);
      previous = node;
      node = next;
      continue;
    }
    any = true;
    if (begin != taken_end) taken_begin = begin;
    taken_end = end;
    in.checksum = 0;  // it is that of all of the segment
    pair.half[sender].overlaps = true;
    pair.half[sender].checksum_shift.give_up();
    if (from_front == to_end) {
      matched(pair, sender, pool_.remove(queue, previous, node), out);
      node = next;
      continue;
    }
    in.is_cut = true;
    if (from_front) in.seq = out_end;
    in.length = from_front ? in_end - out_end : out_begin - in.seq;
    previous = node;
    node = next;
  }
  return any;
}

// Those of ticks that are over by then.
void PairTable::tell_passages(int64_t before_ns) {
  const auto tell = [&](auto& passing, bool seen) {
    for (size_t i = 0; i < passing.size(); ++i) {
      for (const Direction direction : kDirections) {
        if (passing[i][direction].tick_ns < before_ns - kPassageTickNs)
          tell_passage(passing[i][direction], static_cast<DeviceIndex>(i), direction, seen);
      }
    }
  };
  tell(crossed_, true);
  tell(missed_, false);
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
    drop_notes(pair, now_ns);
    for (const Side sender : kSides) {
      expire(pair, sender, now_ns);
      sum += static_cast<uint32_t>(decided_of(pair, sender));
    }
    // Where it would have to wait, the next round tells more.
    if (sum != pair.reported && events_.send_now(event_of(pair, FateEventType::progress))) pair.reported = sum;
  }
}

}  // namespace parallax
