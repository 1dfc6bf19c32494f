#include "analysis/fate/pair_table.h"

#include <algorithm>
#include <cstdlib>

#include "analysis/model/sequence.h"

namespace parallax {
namespace {

constexpr uint8_t kShapeFlags = tcp_flag::syn | tcp_flag::fin | tcp_flag::rst;  // what a device that forwards does not change

// At the end of the input nothing will come any more: what the device has needed so far, with ample margin, must do.
constexpr int64_t kTransitMargin = 16;
constexpr int64_t kLeastWaitNs = 20'000'000;
constexpr uint64_t kTransitsKnown = 4;

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
      pool_(limits.pending),
      sketches_(limits.sketches) {
  for (size_t i = pool_.size(); i-- > 0;) {
    pool_[i].next = free_;
    free_ = static_cast<uint32_t>(i);
  }
  for (size_t i = sketches_.size(); i-- > 0;) free_sketches_.push_back(static_cast<uint32_t>(i));
}

PairTable::Pending PairTable::pending_of(const PairSighting& s) {
  return {.order_ns = s.order_ns,
          .time_ns = s.time_ns,
          .seq = s.seq,
          .ack = s.ack,
          .length = s.payload_length,
          .frame = s.frame,
          .stamp_uncertainty_ns = s.stamp_uncertainty_ns,
          .next = kNone,
          .port = s.port,
          .ip_id = s.ip_id,
          .tcp_flags = s.tcp_flags,
          .ttl = s.ttl,
          .covered = false,
          .data = s.payload_length > 0};
}

bool PairTable::append(Queue& queue, const Pending& p) {
  if (free_ == kNone) {
    if (!limits_.offline) return false;
    pool_.push_back({});  // offline nothing is dropped; the pool grows
    pool_.back().next = kNone;
    free_ = static_cast<uint32_t>(pool_.size() - 1);
  }
  const uint32_t node = free_;
  free_ = pool_[node].next;
  pool_[node] = p;
  pool_[node].next = kNone;
  (queue.tail == kNone ? queue.head : pool_[queue.tail].next) = node;
  queue.tail = node;
  ++queue.size;
  return true;
}

void PairTable::remove(Queue& queue, uint32_t previous, uint32_t node) {
  const uint32_t next = pool_[node].next;
  (previous == kNone ? queue.head : pool_[previous].next) = next;
  if (queue.tail == node) queue.tail = previous;
  --queue.size;
  pool_[node].next = free_;
  free_ = node;
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
    pair.fates_from_ns = std::max(pair.fates_from_ns, s.order_ns);
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
  if (pair.ended > 0) {
    ++pair.undecided;
    return;
  }
  for (size_t d = 0; d < 2; ++d) expire(pair, d, s.release_ns);
  if (s.order_ns < pair.fates_from_ns) return;
  const size_t d = index_of(s.from);
  if (s.copy && !copy_is_awaited(pair, d, s)) return;  // shown twice, passed once
  if (s.tcp_flags & tcp_flag::ack) {                   // on its sender's side: what it acknowledges has been received there
    const size_t of = 1 - d;
    if (s.point == pair.point[d] && (!pair.receiver_ack_known[of] || sequence_before(pair.receiver_ack[of], s.ack))) {
      pair.receiver_ack[of] = s.ack;
      pair.receiver_ack_known[of] = true;
    }
  }
  s.point == pair.point[d] ? entering(pair, d, s) : leaving(pair, d, s);
}

bool PairTable::matches(const Pair& pair, size_t d, const Pending& in, const Pending& out) const {
  if ((in.tcp_flags ^ out.tcp_flags) & kShapeFlags || in.length != out.length) return false;
  if (in.tcp_flags & tcp_flag::syn) return true;  // a device that rewrites sequences teaches its offset here
  if (out.seq - in.seq != pair.isn_offset[d]) return false;
  return in.length > 0 || !(in.tcp_flags & tcp_flag::ack) || in.ack - out.ack == pair.isn_offset[1 - d];
}

// A copy at one point may be a packet of its own at the other: there it was seen too late to be taken for one.
bool PairTable::copy_is_awaited(const Pair& pair, size_t d, const PairSighting& s) const {
  const bool enters = s.point == pair.point[d];
  const Pending copy = pending_of(s);
  for (uint32_t node = (enters ? pair.early : pair.entered)[d].head; node != kNone; node = pool_[node].next) {
    const Pending& other = pool_[node];
    if (other.ip_id == copy.ip_id && (enters ? matches(pair, d, copy, other) : matches(pair, d, other, copy))) return true;
  }
  return false;
}

void PairTable::entering(Pair& pair, size_t d, const PairSighting& s) {
  const Pending in = pending_of(s);
  // Seen leaving already? Stamps of two ports, or of two clocks.
  for (uint32_t previous = kNone, node = pair.early[d].head; node != kNone; previous = node, node = pool_[node].next) {
    const Pending& out = pool_[node];
    if (!matches(pair, d, in, out) || another_copy(pair, in, out)) continue;
    const Pending copy = out;
    remove(pair.early[d], previous, node);
    matched(pair, d, in, copy);
    return;
  }
  Queue& queue = pair.entered[d];
  if (queue.size >= kPendingMax || !append(queue, in)) {
    ++pair.undecided;
    counters_.pending_overflows.add();
  }
}

// An original that has waited out of all proportion is likely lost, and this its retransmission, stamped before it entered: then
// that one will come, and else the original is found when it is given up.
bool PairTable::overdue(const Pair& pair, size_t d, const Pending& in, const Pending& out) const {
  return pair.matched[d] >= kTransitsKnown && out.time_ns - in.time_ns > kLeastWaitNs + kTransitMargin * pair.max_transit_ns[d] +
                                                                             in.stamp_uncertainty_ns + out.stamp_uncertainty_ns;
}

// Of several copies the one with the same IP ID; without IDs the newest that had entered by then.
PairTable::Found PairTable::find_copy(const Pair& pair, size_t d, const Pending& out) const {
  Found best;
  for (uint32_t before = kNone, node = pair.entered[d].head; node != kNone; before = node, node = pool_[node].next) {
    const Pending& in = pool_[node];
    if (!matches(pair, d, in, out)) continue;
    const bool same_id = in.ip_id != 0 && in.ip_id == out.ip_id;
    if (!same_id && (another_copy(pair, in, out) || overdue(pair, d, in, out) ||
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

void PairTable::leaving(Pair& pair, size_t d, const PairSighting& s) {
  if (pair.sketch != kNone) sketches_[pair.sketch][d].prefetch(pair.sketch_bucket[d]);  // transits change little
  const Pending out = pending_of(s);
  Queue& queue = pair.entered[d];
  const Found found = find_copy(pair, d, out);
  if (found.node != kNone) {
    const Pending in = pool_[found.node];
    remove(queue, found.previous, found.node);
    matched(pair, d, in, out);
    return;
  }
  if (out.data && !found.others && cover(pair, d, out)) return;
  if (pair.early[d].size >= kPendingMax || !append(pair.early[d], out)) {
    ++pair.undecided;
    counters_.pending_overflows.add();
  }
}

void PairTable::matched(Pair& pair, size_t d, const Pending& in, const Pending& out) {
  if (in.tcp_flags & tcp_flag::syn) {
    pair.isn_offset[d] = out.seq - in.seq;
    pair.isn_known[d] = true;
  }
  if (in.tcp_flags & tcp_flag::rst) pair.reset_crossed_ns[d] = std::min(pair.reset_crossed_ns[d], out.order_ns);
  if (in.ttl != out.ttl) pair.changes |= bit(DeviceChange::ttl);
  if (in.ip_id != out.ip_id) {
    pair.changes |= bit(DeviceChange::ip_id);
  } else if (in.ip_id != 0) {
    pair.ip_id_kept = true;
  }
  ++pair.matched[d];
  const int64_t transit = out.time_ns - in.time_ns;
  pair.max_transit_ns[d] = std::max(pair.max_transit_ns[d], transit);
  if (transit >= 0) count_transit(pair, d, transit);  // a negative one says only that the clocks cannot tell
  if (out.data) mark_copies(pair, d, in, out);
  if (notes_.wanted()) {
    note(in, pair.point[d], PacketLabel::forwarded);
    note(out, pair.point[1 - d], PacketLabel::forwarded, &in);
  }
}

void PairTable::count_transit(Pair& pair, size_t d, int64_t transit) {
  if (pair.sketch != kNone) {
    sketches_[pair.sketch][d].add(transit);
    pair.sketch_bucket[d] = static_cast<uint8_t>(transit::bucket_of(static_cast<uint64_t>(transit)));
  }
  const size_t inward_index = inward(pair, d);
  counters_.transit_sketch[outer(pair)][inward_index].add(transit);
}

// What waits of the same bytes has a copy that left; and where bytes are all that tells copies apart, which one is open.
void PairTable::mark_copies(Pair& pair, size_t d, const Pending& in, const Pending& out) {
  if (in.ip_id == 0 || in.ip_id != out.ip_id) {
    pair.doubtful[d][pair.doubtful_at[d]++ % 4] = {
        .in_order_ns = in.order_ns, .out_time_ns = out.time_ns, .seq = in.seq, .length = in.length};
  }
  for (uint32_t node = pair.entered[d].head; node != kNone; node = pool_[node].next) {
    Pending& other = pool_[node];
    const uint32_t seq = other.seq + pair.isn_offset[d];
    if (other.data && sequence_before(seq, out.seq + out.length) && sequence_before(out.seq, seq + other.length))
      other.covered = true;
  }
}

// The device, or offload at one of the points, has cut the bytes otherwise: what leaves covers ranges of what entered.
bool PairTable::cover(Pair& pair, size_t d, const Pending& out) {
  Queue& queue = pair.entered[d];
  bool any = false;
  const uint32_t out_begin = out.seq - pair.isn_offset[d], out_end = out_begin + out.length;
  for (uint32_t previous = kNone, node = queue.head; node != kNone;) {
    Pending& in = pool_[node];
    const uint32_t next = pool_[node].next, in_end = in.seq + in.length;
    if (!in.data || !sequence_before(in.seq, out_end) || !sequence_before(out_begin, in_end)) {
      previous = node;
      node = next;
      continue;
    }
    any = true;
    const bool from_front = sequence_at_or_before(out_begin, in.seq), to_end = sequence_at_or_before(in_end, out_end);
    if (from_front && !to_end) {
      in.length = in_end - out_end;
      in.seq = out_end;
    } else if (!from_front && to_end) {
      in.length = out_begin - in.seq;
    } else {
      const Pending copy = in;
      remove(queue, previous, node);
      matched(pair, d, copy, out);
      node = next;
      continue;
    }
    previous = node;
    node = next;
  }
  return any;
}

void PairTable::expire(Pair& pair, size_t d, int64_t now_ns) {
  const auto due = [&](const Pending& p) { return p.order_ns + limits_.device_timeout_ns + p.stamp_uncertainty_ns < now_ns; };
  for (Queue& queue = pair.entered[d]; queue.head != kNone && due(pool_[queue.head]);) {
    const Pending in = pool_[queue.head];
    remove(queue, kNone, queue.head);
    decide_lost(pair, d, in, limits_.device_timeout_ns);
  }
  for (Queue& queue = pair.early[d]; queue.head != kNone && due(pool_[queue.head]);) {
    const Pending out = pool_[queue.head];
    remove(queue, kNone, queue.head);
    decide_made(pair, d, out, limits_.device_timeout_ns);
  }
}

PacketFacts PairTable::facts_of(const Pair&, size_t d, const Pending& p, PointIndex point) const {
  return {p.order_ns,  p.time_ns,
          p.frame,     p.stamp_uncertainty_ns,
          p.seq,       p.ack,
          0,           p.length,
          p.port,      p.ip_id,
          point,       p.ttl,
          p.tcp_flags, d == 0 ? Side::client : Side::server};
}

void PairTable::note(const Pending& p, PointIndex point, PacketLabel label, const Pending* peer) {
  notes_.add({.order_ns = p.order_ns,
              .time_ns = p.time_ns,
              .leg = 0,
              .frame = p.frame,
              .labels = bit(label),
              .peer_frame = peer ? peer->frame : 0,
              .port = p.port,
              .peer_port = peer ? peer->port : PortIndex{},
              .point = point});
}

void PairTable::decide_lost(Pair& pair, size_t d, const Pending& in, int64_t waited_ns) {
  const PointIndex enters = pair.point[d], leaves = pair.point[1 - d];
  // One of the same bytes left that entered under no such ID: then the device did change it, this once.
  for (uint32_t previous = kNone, node = pair.early[d].head; node != kNone; previous = node, node = pool_[node].next) {
    const Pending out = pool_[node];
    // A RST may be trimmed by the device: any that left in the time of a transit is it.
    const int64_t transit = out.time_ns - in.time_ns;
    const bool altered_reset = (in.tcp_flags & out.tcp_flags & tcp_flag::rst) &&
                               transit >= -static_cast<int64_t>(out.stamp_uncertainty_ns) &&
                               transit <= kLeastWaitNs + kTransitMargin * pair.max_transit_ns[d];
    if (!matches(pair, d, in, out) && !altered_reset) continue;
    remove(pair.early[d], previous, node);
    matched(pair, d, in, out);
    return;
  }
  const int64_t from = in.order_ns - in.stamp_uncertainty_ns, to = in.order_ns + waited_ns;
  // A copy of these bytes has left, and it may have been this one: then it is the earlier copy that is missing, and the sensor
  // must vouch for that time too.
  bool earlier_is_sure = true;
  for (const Exit& exit : pair.doubtful[d]) {
    if (!in.data || exit.length == 0 || exit.seq != in.seq ||
        exit.out_time_ns + in.stamp_uncertainty_ns + kLeastWaitNs < in.time_ns)
      continue;
    earlier_is_sure &= sensor_.covers(leaves, travel(pair, d), exit.in_order_ns, exit.in_order_ns + waited_ns);
  }
  // Acknowledged by the receiver, though no copy of it was seen leaving: then it did leave, and the sensor missed it.
  const bool acknowledged = in.data && !in.covered && pair.receiver_ack_known[d] &&
                            sequence_at_or_before(in.seq + in.length + pair.isn_offset[d], pair.receiver_ack[d]);
  // What else was missing there at about that time is the sensor's as likely as the device's.
  if (acknowledged) pair.missed_ns[1 - d] = std::max(pair.missed_ns[1 - d], in.order_ns);
  const bool doubted =
      pair.missed_ns[1 - d] != kBeforeAllNs && std::abs(in.order_ns - pair.missed_ns[1 - d]) < limits_.device_timeout_ns;
  // Seen leaving before its own stamp, when fates had not begun: stamps of two ports may differ by more than they say.
  const bool begun = pair.fates_from_ns == kBeforeAllNs || from - kLeastWaitNs >= pair.fates_from_ns;
  if (acknowledged || doubted || !begun || !earlier_is_sure || !sensor_.covers(leaves, travel(pair, d), from, to) ||
      !sensor_.covers(enters, travel(pair, d), from, to)) {
    ++pair.undecided;
    return;
  }
  if (notes_.wanted()) note(in, enters, PacketLabel::lost_in_device);
  const bool is_reset = in.tcp_flags & tcp_flag::rst;
  if (in.data && !is_reset) {
    ++pair.lost[d];
    counters_.segments_lost[outer(pair)][inward(pair, d)].add();
  }
  if (is_reset ? pair.reset_crossed_ns[d] != kAfterAllNs : !in.data)
    return;  // a lost ACK or FIN is labelled; handshakes are judged as a whole
  const FateEvent event{.type = is_reset ? FateEventType::reset_not_forwarded : FateEventType::segment_lost,
                        .home = worker_,
                        .pair = static_cast<uint32_t>(&pair - pairs_.data()),
                        .connection_id = pair.connection_id,
                        .decided_ns = to,
                        .packet = facts_of(pair, d, in, enters),
                        .absent_at = leaves,
                        .stats = {}};
  if (!events_.send(event)) counters_.events_dropped.add();
}

void PairTable::decide_made(Pair& pair, size_t d, const Pending& out, int64_t waited_ns) {
  const PointIndex enters = pair.point[d], leaves = pair.point[1 - d];
  const int64_t from = out.order_ns - waited_ns, to = out.order_ns + waited_ns;
  if (out.order_ns < pair.fates_from_ns + waited_ns && pair.fates_from_ns != kBeforeAllNs) return;  // may have entered before
  // Where the stretch before the packet was not covered because the capture began then, its own time must do.
  const int64_t covered_from = out.order_ns - out.stamp_uncertainty_ns - std::max(kLeastWaitNs, pair.max_transit_ns[d]);
  // Stamped late: what entered has been given up before this came.
  const bool in_time = sensor_.covers(leaves, travel(pair, d), out.order_ns - out.stamp_uncertainty_ns, out.order_ns);
  if (!in_time || !sensor_.covers(enters, travel(pair, d), std::max(from, covered_from), to)) {
    ++pair.undecided;
    return;
  }
  if (notes_.wanted()) note(out, leaves, PacketLabel::injected_by_device);
  if (!(out.tcp_flags & tcp_flag::rst) || pair.reset_crossed_ns[d] <= out.order_ns) return;
  const FateEvent event{.type = FateEventType::reset_by_device,
                        .home = worker_,
                        .pair = static_cast<uint32_t>(&pair - pairs_.data()),
                        .connection_id = pair.connection_id,
                        .decided_ns = to,
                        .packet = facts_of(pair, d, out, leaves),
                        .absent_at = enters,
                        .stats = {}};
  if (!events_.send(event)) counters_.events_dropped.add();
}

// Decides what can be. `now_ns`: what lies before it has been released; fates that would need more time stay undecided.
void PairTable::settle(Pair& pair, int64_t now_ns) {
  for (size_t d = 0; d < 2; ++d) {
    const int64_t wait = pair.matched[d] >= kTransitsKnown
                             ? std::clamp(kTransitMargin * pair.max_transit_ns[d], kLeastWaitNs, limits_.device_timeout_ns)
                             : limits_.device_timeout_ns;
    for (Queue& queue = pair.entered[d]; queue.head != kNone;) {
      const Pending in = pool_[queue.head];
      remove(queue, kNone, queue.head);
      in.order_ns + wait < now_ns ? decide_lost(pair, d, in, wait) : void(++pair.undecided);
    }
    for (Queue& queue = pair.early[d]; queue.head != kNone;) {
      const Pending out = pool_[queue.head];
      remove(queue, kNone, queue.head);
      out.order_ns + wait < now_ns ? decide_made(pair, d, out, wait) : void(++pair.undecided);
    }
  }
}

void PairTable::close(Pair& pair, int64_t now_ns) {
  settle(pair, now_ns);
  abandon(pair);
}

// One of the legs goes on with another: what waits here may have left there.
void PairTable::abandon(Pair& pair) {
  for (auto* queues : {&pair.entered, &pair.early}) {
    for (Queue& queue : *queues) {
      for (; queue.head != kNone; remove(queue, kNone, queue.head)) ++pair.undecided;
    }
  }
  report(pair, FateEventType::closed);
  if (pair.sketch != kNone) free_sketches_.push_back(pair.sketch);
  pair.open = false;
}

void PairTable::report(const Pair& pair, FateEventType type) {
  FateEvent event{.type = type,
                  .home = worker_,
                  .pair = static_cast<uint32_t>(&pair - pairs_.data()),
                  .connection_id = pair.connection_id,
                  .decided_ns = kAfterAllNs,
                  .packet = {},
                  .absent_at = 0,
                  .stats = {}};
  event.stats.lost = pair.lost;
  event.stats.matched = pair.matched;
  for (size_t d = 0; d < 2; ++d) {
    if (pair.sketch != kNone && sketches_[pair.sketch][d].count() > 0) {
      event.stats.transit[d] = sketches_[pair.sketch][d].distribution();
    }
    event.stats.isn_offset[d] = static_cast<int32_t>(pair.isn_offset[d]);
  }
  event.stats.undecided = pair.undecided;
  event.stats.changes = pair.changes;
  event.stats.isn_known = pair.isn_known[0] && pair.isn_known[1];
  if (!events_.send(event)) counters_.events_dropped.add();
}

void PairTable::finish() {
  for (Pair& pair : pairs_) {
    if (pair.open) close(pair, kAfterAllNs);
  }
}

void PairTable::sweep(size_t budget, int64_t now_ns, int64_t round_ns) {
  for (size_t i = 0; i < std::min(budget, used_); ++i) {
    if (sweep_at_ >= used_) sweep_at_ = 0;
    if (sweep_at_ == 0) {
      if (sweep_round_ns_ != kBeforeAllNs && now_ns < sweep_round_ns_ + round_ns) return;
      sweep_round_ns_ = now_ns;
    }
    Pair& pair = pairs_[sweep_at_++];
    if (!pair.open) continue;
    for (size_t d = 0; d < 2; ++d) expire(pair, d, now_ns);
    const uint64_t sum = pair.lost[0] + pair.lost[1] + pair.matched[0] + pair.matched[1] + pair.undecided;
    if (sum != pair.reported) {
      pair.reported = sum;
      report(pair, FateEventType::progress);
    }
  }
}

}  // namespace parallax
