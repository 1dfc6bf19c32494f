// What few packets bring, and what is kept of them beside the packets that wait: SACK blocks, which a device that moves sequence
// numbers has to move as it moves the acknowledgement number; copies; handshakes that the device may have answered; segments that
// were held back; and first fragments.
#include <algorithm>
#include <cstdlib>

#include "analysis/fate/pair_table.h"
#include "analysis/model/sequence.h"
#include "analysis/tcp/capture_trace.h"

namespace parallax {
namespace {

uint32_t left_edge(const Pending& note) { return note.length; }
uint32_t right_edge(const Pending& note) { return note.stamp_uncertainty_ns; }
bool is(const Pending& note, uint16_t kind) { return (note.checksum & kind) != 0; }
Side sender_of(const Pending& note) { return is(note, pair_note::kOfServer) ? Side::server : Side::client; }
uint16_t bits_of(Side sender, bool enters) {
  return static_cast<uint16_t>((sender == Side::server ? pair_note::kOfServer : 0) | (enters ? pair_note::kEnters : 0));
}
bool is_held(const Pending& note) { return is(note, pair_note::kHeld) && is(note, pair_note::kEnters); }

// All that a device leaves alone of a segment, and its numbers as far as this one is known to move them.
bool are_one_packet(const SequenceOffset& own, const SequenceOffset& peer, const Pending& in, const Pending& out) {
  return own.known() && peer.known() && out.seq - in.seq == own.value() && in.ack - out.ack == peer.value() &&
         in.window == out.window && in.tcp_flags == out.tcp_flags &&
         right_edge(in) - left_edge(in) == right_edge(out) - left_edge(out);
}

}  // namespace

// Those that say nothing any more: a first fragment does until it has been decided what became of the whole.
void PairTable::drop_notes(Pair& pair, int64_t now_ns) {
  for (uint32_t previous = kNone, node = notes_of(pair).head; node != kNone;) {
    const Pending& note = pool_[node];
    const uint32_t next = note.next;
    const int64_t kept_ns =
        is(note, pair_note::kFirst) ? 2 * limits_.device_timeout_ns + note.stamp_uncertainty_ns : limits_.device_timeout_ns;
    if (!is(note, pair_note::kCopy | pair_note::kHeld | pair_note::kHandshake) && note.order_ns < now_ns - kept_ns) {
      pool_.remove(notes_of(pair), previous, node);
    } else {
      previous = node;
    }
    node = next;
  }
}

// ---- SACK blocks ----

// Waits for its other sighting. Where the device moves no numbers there is nothing to compare.
void PairTable::take_sack(Pair& pair, const PairSighting& s) {
  const Side sender = s.from;
  const SequenceOffset &own = pair.offset[sender], &peer = pair.offset[opposite(sender)];
  if (peer.known() && peer.value() == 0) return;
  const bool enters = s.device == device_side(pair, sender);
  Pending note(s);
  note.checksum |= bits_of(sender, enters);
  drop_notes(pair, s.order_ns);
  // With IDs the same one, without the first that can be.
  uint32_t best = kNone, before_best = kNone;
  for (uint32_t previous = kNone, node = notes_of(pair).head; node != kNone; previous = node, node = pool_[node].next) {
    const Pending& other = pool_[node];
    if (is(other, pair_note::kCopy | pair_note::kHeld | pair_note::kHandshake)) continue;
    if (is(other, pair_note::kEnters) == enters || sender_of(other) != sender) continue;
    const Pending &in = enters ? note : other, &out = enters ? other : note;
    if (!are_one_packet(own, peer, in, out)) continue;
    const bool same_id = have_same_id(pair, in, out);
    if (!same_id && (best != kNone || another_copy(pair, in, out))) continue;
    best = node;
    before_best = previous;
    if (same_id) break;
  }
  if (best != kNone) {
    const Pending other = pool_.remove(notes_of(pair), before_best, best);
    return enters ? compare_sacks(pair, sender, note, other) : compare_sacks(pair, sender, other, note);
  }
  if (notes_of(pair).size < kNotesHeld && pool_.append(notes_of(pair), note)) return;
  counters_.sacks_not_compared.add();
}

// It is the device's doing if the receiver's own block was of what had been sent, and as it left it is not.
void PairTable::compare_sacks(const Pair& pair, Side sender, const Pending& in, const Pending& out) {
  const uint32_t moved = left_edge(out) - left_edge(in);
  if (moved == out.ack - in.ack || !is(out, sack_note::kOutside) || is(in, sack_note::kOutside)) return;
  // Acknowledgements of one number differ in their blocks, and without IDs this may be another one of them.
  if (!have_same_id(pair, in, out) && moved != 0 && moved != pair.offset[sender].value()) return;
  Pending packet = in;
  packet.length = 0;
  packet.stamp_uncertainty_ns = 0;
  tell(pair, sender, FateEventType::sack_not_translated, packet, true, out.order_ns,
       {left_edge(in), right_edge(in), left_edge(out), right_edge(out), out.ack});
}

// ---- copies ----

// A point shows once more what it has shown. What comes twice on both sides is nothing that the device made.
void PairTable::take_copy(Pair& pair, Side sender, bool enters, const Pending& copy) {
  if (!enters) {
    ++own_incidents(pair).repeated[sender].copies;
    mark_rivals(pair, sender, copy);
  }
  if (!take_other_copy(pair, sender, enters, copy)) hold_copy(pair, sender, enters ? pair_note::kEnters : uint16_t{0}, copy);
}

// Where the device takes the IDs away, what its sender says twice in a row leaves as a packet and its copy.
void PairTable::mark_rivals(const Pair& pair, Side sender, const Pending& copy) {
  for (uint32_t node = pair.half[sender].entered.head; node != kNone; node = pool_[node].next) {
    Pending& in = pool_[node];
    in.may_have_left |= matches(pair, sender, in, copy) && !another_copy(pair, in, copy) && !overdue(pair, in, copy);
  }
}

// It has entered, and is shown once more: the first copies of a leg are not known as such before, for nothing is kept yet of what
// it has shown.
bool PairTable::waits_already(const Pair& pair, Side sender, const Pending& copy) const {
  if (copy.ip_id == 0) return false;
  for (uint32_t node = pair.half[sender].entered.head; node != kNone; node = pool_[node].next) {
    const Pending& in = pool_[node];
    const bool is_same =
        in.seq == copy.seq && in.length == copy.length && in.ip_id == copy.ip_id && in.tcp_flags == copy.tcp_flags;
    if (is_same && copy.order_ns - in.order_ns <= CaptureTraces::kCopyNs) return true;
  }
  return false;
}

// The same one at the other point.
bool PairTable::take_other_copy(Pair& pair, Side sender, bool enters, const Pending& copy) {
  for (uint32_t previous = kNone, node = notes_of(pair).head; node != kNone; previous = node, node = pool_[node].next) {
    const Pending& other = pool_[node];
    if (!is(other, pair_note::kCopy) || is(other, pair_note::kEnters) == enters || sender_of(other) != sender) continue;
    const Pending &in = enters ? copy : other, &out = enters ? other : copy;
    if (!matches(pair, sender, in, out) || another_copy(pair, in, out)) continue;
    pool_.remove(notes_of(pair), previous, node);
    return true;
  }
  return false;
}

// Stamped before it entered, it was taken where it left for a copy of what had left before.
bool PairTable::left_as_copy(Pair& pair, Side sender, const Pending& in) {
  for (uint32_t previous = kNone, node = notes_of(pair).head; node != kNone; previous = node, node = pool_[node].next) {
    const Pending& out = pool_[node];
    if (!is(out, pair_note::kCopy) || is(out, pair_note::kEnters) || sender_of(out) != sender) continue;
    if (!have_same_id(pair, in, out) || !matches(pair, sender, in, out)) continue;
    Pending left = pool_.remove(notes_of(pair), previous, node);
    left.checksum = 0;  // which held what kind of note it was
    matched(pair, sender, in, left);
    return true;
  }
  return false;
}

void PairTable::hold_copy(Pair& pair, Side sender, uint16_t kind, const Pending& copy) {
  if (kind == pair_note::kProved) ++own_incidents(pair).repeated[sender].copies;
  if (notes_of(pair).size >= kNotesHeld / 2) decide_copies(pair, copy.order_ns);
  Pending note = copy;
  note.checksum = static_cast<uint16_t>(bits_of(sender, false) | pair_note::kCopy | kind);
  if (notes_of(pair).size >= kNotesHeld || !pool_.append(notes_of(pair), note)) counters_.copies_not_followed.add();
}

// Those that can be by now. A capture that shows packets twice does so with most of those of a direction: a copy here and there
// is the device's. Only where IDs pass unchanged, for else what its sender sends again cannot be told from it.
void PairTable::decide_copies(Pair& pair, int64_t now_ns) {
  const int64_t waited_ns = limits_.device_timeout_ns;
  for (uint32_t previous = kNone, node = notes_of(pair).head; node != kNone;) {
    const Pending copy = pool_[node];
    const uint32_t next = copy.next;
    const bool is_due = now_ns == kTimeMax || copy.order_ns + waited_ns + copy.stamp_uncertainty_ns < now_ns;
    if (!is(copy, pair_note::kCopy) || !is_due) {
      previous = node;
      node = next;
      continue;
    }
    pool_.remove(notes_of(pair), previous, node);
    node = next;
    const Side sender = sender_of(copy);
    const bool has_id = pair.ip_id_kept && ids_tell(pair, copy, copy);
    if (is(copy, pair_note::kEnters) || !has_id ||
        incidents_of(pair).repeated[sender].copies * kCopiesShare >= pair.half[sender].matched)
      continue;
    const bool is_proved = is(copy, pair_note::kProved) || (!may_have_entered_before(pair, copy, waited_ns) &&
                                                            never_entered(pair, sender, copy, waited_ns).holds_for_all());
    if (!is_proved) continue;
    if (notes_.wanted()) note(pair, copy, pair.point[opposite(sender)], PacketLabel::duplicated_by_device);
    tell(pair, sender, FateEventType::duplicated, copy, false, copy.order_ns + waited_ns);
  }
}

// ---- segments of which their sender shows whether they arrived ----

// Its receiver throws away what has a wrong checksum, and its sender sends it again. What is acknowledged without that was right
// on the wire: a capture in a host shows what the host leaves to its network card.
void PairTable::hold_spoiled(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  if (notes_of(pair).size + 2 > kNotesHeld) return counters_.spoiled_not_followed.add();
  Pending entered = in, left = out;
  entered.checksum = static_cast<uint16_t>(bits_of(sender, true) | pair_note::kSpoiled);
  left.checksum = static_cast<uint16_t>(bits_of(sender, false) | pair_note::kSpoiled);
  pool_.append(notes_of(pair), entered);  // of files only, for which the pool grows
  pool_.append(notes_of(pair), left);
  pair.half[sender].holds = true;
}

// Never seen to leave, and not sent again either: the sender may have been told that it arrived where no port of the sensor was.
// False: there is no room to wait for more.
bool PairTable::hold_unmissed(Pair& pair, Side sender, const Pending& in) {
  if (notes_of(pair).size >= kNotesHeld) return false;
  Pending held = in;
  held.checksum = static_cast<uint16_t>(bits_of(sender, true) | pair_note::kUnmissed);
  if (!pool_.append(notes_of(pair), held)) return false;
  pair.half[sender].holds = true;
  pair.due_ns = std::min(pair.due_ns, in.order_ns + pair_wait::kSentAgainNs);
  return true;
}

// The sender repeats bytes: of what is not acknowledged the first, so that what comes after them may be missing as well.
void PairTable::take_repetition(Pair& pair, Side sender, const Pending& again) {
  for (uint32_t node = pair.half[sender].entered.head; node != kNone; node = pool_[node].next)
    pool_[node].repeats |= sequence_before(again.seq, pool_[node].end());
  if (!pair.half[sender].holds) return;
  for (uint32_t previous = kNone, node = notes_of(pair).head; node != kNone;) {
    const Pending& held = pool_[node];
    const bool is_of_it = is_held(held) && sender_of(held) == sender && sequence_before(again.seq, held.seq + held.length);
    if (is_of_it) {
      node = decide_held(pair, previous, true);
    } else {
      previous = node;
      node = held.next;
    }
  }
}

// Those that have been waited for long enough, or all.
void PairTable::decide_held(Pair& pair, int64_t now_ns, bool is_over) {
  if (!pair.half[Side::client].holds && !pair.half[Side::server].holds) return;
  pair.half[Side::client].holds = pair.half[Side::server].holds = false;
  for (uint32_t previous = kNone, node = notes_of(pair).head; node != kNone;) {
    const Pending& held = pool_[node];
    const int64_t until_ns = held.order_ns + pair_wait::kSentAgainNs;
    if (is_held(held) && (is_over || until_ns < now_ns)) {
      node = decide_held(pair, previous, until_ns >= now_ns);
      continue;
    }
    if (is_held(held)) {
      pair.half[sender_of(held)].holds = true;
      pair.due_ns = std::min(pair.due_ns, until_ns);
    }
    previous = node;
    node = held.next;
  }
}

// The note after `previous` (kNone: the first). `may_repeat`: its sender does, or would have had no time to. Returns what comes
// after it.
uint32_t PairTable::decide_held(Pair& pair, uint32_t previous, bool may_repeat) {
  PacketQueue& notes = notes_of(pair);
  const auto take_next = [&] { return pool_.remove(notes, previous, previous == kNone ? notes.head : pool_[previous].next); };
  const Pending in = take_next();
  const Side sender = sender_of(in);
  const bool has_arrived = is_acknowledged(pair, sender, in.end());
  if (is(in, pair_note::kSpoiled)) {
    const Pending out = take_next();
    const bool has_repeated = may_repeat && pair.acknowledged[sender].at_receiver_known;
    if (has_repeated && !has_arrived)
      tell_changed(pair, sender, in, out, PacketLabel::altered_by_device, FateEventType::checksum_spoiled);
  } else if (has_arrived) {
    leave_undecided(pair, sender, Doubt::acknowledged);
    count_missed(pair, sender, pair.point[opposite(sender)], in.order_ns);
  } else {
    lose_segment(pair, sender, in, in.order_ns + limits_.device_timeout_ns, !may_repeat && is_quiet_after(pair, sender, in));
  }
  return previous == kNone ? notes.head : pool_[previous].next;
}

// The sender was watched for as long as it takes to send again, and nothing has reset the connection.
bool PairTable::is_quiet_after(const Pair& pair, Side sender, const Pending& in) const {
  AbsenceProof watched(sensor_, pair.point[sender], ports_of(pair, sender));
  return !pair.has_reset_left && watched.expect(in.order_ns, in.order_ns + pair_wait::kSentAgainNs).holds();
}

// ---- handshakes that the device may have answered ----

// By the stamps an answer left before it entered, or a SYN only after its answer. Either the stamps do not tell, or a device that
// proves clients before it bothers the server (a SYN proxy) has answered, and said these two itself. It cannot know by then which
// number the server will begin with: an answer that begins with the same one, or bears the same ID, has passed.
bool PairTable::is_answered_ahead(const Pair& pair, Side sender, const Pending& in, const Pending& out) const {
  if (in.data) return false;
  const auto is_before = [](const Pending& a, const Pending& b) {
    return a.time_ns + a.stamp_uncertainty_ns + b.stamp_uncertainty_ns < b.time_ns;
  };
  if (in.has(tcp_flag::ack)) return in.seq != out.seq && !have_same_id(pair, in, out) && is_before(out, in);
  for (uint32_t node = pair.half[opposite(sender)].early.head; node != kNone; node = pool_[node].next) {
    const Pending& answer = pool_[node];
    if (answer.has(tcp_flag::syn) && answer.has(tcp_flag::ack) && answer.ack == in.end() && is_before(answer, out)) return true;
  }
  return false;
}

// Until a packet that surely passed shows what the stamps are worth. False: there is no room.
bool PairTable::hold_handshake(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  if (notes_of(pair).size + 2 > kNotesHeld || !pool_.has_room_for_two()) return false;
  Pending entered = in, left = out;
  entered.checksum = static_cast<uint16_t>(bits_of(sender, true) | pair_note::kHandshake);
  left.checksum = static_cast<uint16_t>(bits_of(sender, false) | pair_note::kHandshake);
  pool_.append(notes_of(pair), entered);
  pool_.append(notes_of(pair), left);
  pair.holds_handshake = true;
  return true;
}

// What passes there and back takes some time in all, however far the clocks of the two points are apart: with what its client has
// sent since, the answer would have taken less than none. And what comes from the server's side since does leave after it came,
// so that it is not the stamps of that direction. Less than none by no more than what stamps may be wrong beyond what they say
// proves nothing either way.
void PairTable::take_handshake_witness(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  const int64_t transit_ns = out.time_ns - in.time_ns,
                uncertainty_ns = int64_t{in.stamp_uncertainty_ns} + out.stamp_uncertainty_ns;
  for (uint32_t node = notes_of(pair).head; node != kNone; node = pool_[node].next) {
    const Pending& answer_in = pool_[node];
    if (!is(answer_in, pair_note::kHandshake) || !is(answer_in, pair_note::kEnters) || !answer_in.has(tcp_flag::ack)) continue;
    if (sender_of(answer_in) == sender) {
      if (pair.contradicts_handshake) decide_handshake(pair, transit_ns + uncertainty_ns >= 0 ? Origin::device : Origin::server);
      return;
    }
    const Pending& answer_out = pool_[answer_in.next];
    const int64_t back_ns = answer_out.time_ns - answer_in.time_ns;
    const int64_t back_uncertainty_ns = int64_t{answer_in.stamp_uncertainty_ns} + answer_out.stamp_uncertainty_ns;
    const int64_t taken_ns = transit_ns + uncertainty_ns + back_ns + back_uncertainty_ns;
    pair.contradicts_handshake = taken_ns < -pair_wait::kLeastNs;
    if (!pair.contradicts_handshake) decide_handshake(pair, taken_ns >= 0 ? Origin::server : Origin::unknown);
    return;
  }
}

// `answer`: who made it. Unknown: the stamps do not tell.
void PairTable::decide_handshake(Pair& pair, Origin answer) {
  pair.holds_handshake = pair.contradicts_handshake = false;
  for (uint32_t previous = kNone, node = notes_of(pair).head; node != kNone;) {
    const uint32_t next = pool_[node].next;
    if (!is(pool_[node], pair_note::kHandshake)) {
      previous = node;
      node = next;
      continue;
    }
    Pending in = pool_.remove(notes_of(pair), previous, node), out = pool_.remove(notes_of(pair), previous, next);
    node = previous == kNone ? notes_of(pair).head : pool_[previous].next;
    const Side sender = sender_of(in);
    in.checksum = out.checksum = 0;
    if (answer == Origin::server) {
      count_forwarded(pair, sender, in, out);
      continue;
    }
    leave_undecided(pair, sender, answer == Origin::device ? Doubt::rival : Doubt::clock_uncertain);
    if (answer == Origin::unknown) continue;
    counters_of(pair, sender).answered.add();
    ++own_incidents(pair).injected[sender];
    counters_of(pair, sender).injected.add();
    if (notes_.wanted()) note(pair, out, pair.point[opposite(sender)], PacketLabel::injected_by_device);
  }
}

// ---- datagrams without an ID ----

// What says the same as one that has just left may be that one, shown twice: which of the two it was nothing tells.
void PairTable::mark_bare_copies(Pair& pair, Side sender, const Pending& in) {
  Exits& exits = own_incidents(pair).doubtful[sender];
  const size_t at = own_incidents(pair).next_doubtful[sender]++ % exits.seq.size();
  exits.in_order_ns[at] = in.order_ns;
  exits.seq[at] = in.seq;
  exits.length[at] = in.length;
  for (uint32_t node = pair.half[sender].entered.head; node != kNone; node = pool_[node].next)
    pool_[node].covered |= is_bare_copy(pair, sender, pool_[node]);
}

bool PairTable::is_bare_copy(const Pair& pair, Side sender, const Pending& in) const {
  if (in.ip_id != 0) return false;
  const Exits& exits = incidents_of(pair).doubtful[sender];
  for (size_t i = 0; i < exits.seq.size(); ++i) {
    const bool is_same = exits.length[i] == in.length && exits.seq[i] == in.seq && in.length > 0;
    if (is_same && std::abs(in.order_ns - exits.in_order_ns[i]) <= pair_wait::kBareCopyNs) return true;
  }
  return false;
}

// ---- segments that were held back ----

// Only where its ID says that it is no copy, sent again while the first one was lost.
void PairTable::note_held(Pair& pair, Side sender, const Pending& in, const Pending& out) {
  const bool is_segment = in.data && !pair.datagrams;
  if (!is_segment || !have_same_id(pair, in, out) || in.length != out.length || pair.clocks_apart) return;
  uint8_t& held = own_incidents(pair).held[sender];
  if (held >= pair_wait::kHeldTold) return;
  ++held;
  tell(pair, sender, FateEventType::segment_held, in, true, in.order_ns + (out.time_ns - in.time_ns));
}

// ---- first fragments ----

// Kept until the whole datagram has left, or is given up. Where there is no room it may have been that of any.
void PairTable::take_first_fragment(Pair& pair, const PairSighting& s) {
  if (s.device == device_side(pair, s.from)) return;
  drop_notes(pair, s.order_ns);
  Pending note(s);
  note.checksum = static_cast<uint16_t>(bits_of(s.from, false) | pair_note::kFirst);
  if (notes_of(pair).size < kNotesHeld && pool_.append(notes_of(pair), note)) return;
  own_incidents(pair).not_followed[s.from].add(s.order_ns, 2 * limits_.device_timeout_ns);
  counters_.pending_overflows.add();
}

bool PairTable::first_has_left(Pair& pair, Side sender, const Pending& in) {
  for (uint32_t node = notes_of(pair).head; node != kNone; node = pool_[node].next) {
    const Pending& note = pool_[node];
    if (is(note, pair_note::kFirst) && sender_of(note) == sender && matches(pair, sender, in, note)) return true;
  }
  return false;
}

void PairTable::forget_first_fragment(Pair& pair, Side sender, const Pending& out) {
  for (uint32_t previous = kNone, node = notes_of(pair).head; node != kNone; previous = node, node = pool_[node].next) {
    const Pending& note = pool_[node];
    if (!is(note, pair_note::kFirst) || sender_of(note) != sender || note.seq != out.seq || note.length != out.length ||
        note.ip_id != out.ip_id)
      continue;
    pool_.remove(notes_of(pair), previous, node);
    return;
  }
}

}  // namespace parallax
