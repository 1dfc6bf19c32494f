// Pairs of legs across one device, and the fates of their packets.
//
// Lives at the pair's home worker and is used by it alone. Each direction has a window of packets seen entering the device
// that wait for their sighting on the far side. What comes out is matched by relative sequence, length, flags and IP ID; what
// has not come within the device timeout was lost there, if an AbsenceProof says so; what came without having entered was
// made there, on the same condition. Packets may be seen leaving before entering: stamps of two ports are uncertain by the
// polling gap, and clocks of two files by more. Nothing is decided within the uncertainty of a stamp.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "analysis/event/events.h"
#include "analysis/event/packet_notes.h"
#include "analysis/event/worker_counters.h"
#include "analysis/fate/checksum_shift.h"
#include "analysis/fate/packet_queue.h"
#include "analysis/fate/sequence_offset.h"
#include "analysis/model/absence_proof.h"
#include "analysis/model/device_index.h"
#include "analysis/model/engine_options.h"
#include "analysis/model/rare.h"
#include "analysis/model/sensor_view.h"
#include "analysis/model/sequence.h"
#include "analysis/model/transit_cells.h"
#include "capture/core/large_table.h"
#include "capture/core/outbox.h"

namespace parallax {

// Pairs that one worker can be home to.
inline size_t pair_capacity(const EngineOptions& options) {
  constexpr size_t most = (1u << pair_ref::kIndexBits) - 1;
  if (options.offline) return most;
  // Along the path each but the last leg of a connection begins a pair; at one point two legs are one.
  const size_t points = std::max<size_t>(options.path.size(), 2);
  return std::clamp<size_t>(options.legs / points * (points - 1), 64, most);
}

// What has not left a device so long after it entered may be taken for lost where more time cannot be waited; and how much
// longer than ever before it may have taken.
namespace pair_wait {
inline constexpr int64_t kLeastNs = 20'000'000;
inline constexpr int64_t kTransitMargin = 16;
inline constexpr int64_t kNearlyAllNs = 100'000'000;  // nearly all leave within that, or within the margin if that is longer
inline constexpr uint64_t kTransitsKnown = 4;
// A forwarder that works takes milliseconds at the most. Of each direction of a pair so many segments that took longer are told.
inline constexpr int64_t kHeldNs = 100'000'000;
inline constexpr uint8_t kHeldTold = 64;
// A sender repeats what is not acknowledged within its timer: a second or less where a handshake has shown the round trip (RFC
// 6298), 3 s before that.
inline constexpr int64_t kSentAgainNs = 4'000'000'000;
// A datagram without an ID that says the same so soon after another may be that one, shown twice.
inline constexpr int64_t kBareCopyNs = 1'000'000;
}  // namespace pair_wait

// Bits that stand in the checksum of what is kept of few packets: of such as carry SACK blocks (with sack_note), of copies, of
// datagrams that have begun to leave, of segments of which their sender has still to show whether they arrived, and of handshakes
// that the device may have answered.
namespace pair_note {
inline constexpr uint16_t kEnters = 2;                   // seen where it enters the device
inline constexpr uint16_t kOfServer = 4;                 // sent by it
inline constexpr uint16_t kCopy = 8;                     // shown by a point that had shown it before
inline constexpr uint16_t kProved = 16;                  // a copy that never entered
inline constexpr uint16_t kFirst = 32;                   // the first fragment of a datagram, seen where it leaves the device
inline constexpr uint16_t kSpoiled = 64;                 // a segment that left with a wrong checksum; its other sighting follows
inline constexpr uint16_t kUnmissed = 128;               // one that seems lost, and that its sender has not sent again
inline constexpr uint16_t kHandshake = 256;              // a SYN or SYN-ACK that seems to have passed; its other sighting follows
inline constexpr uint16_t kHeld = kSpoiled | kUnmissed;  // until the sender shows whether it arrived
}  // namespace pair_note

struct PairLimits {
  size_t pairs;
  size_t pending;  // packets waiting for their far side, over all pairs
  int64_t device_timeout_ns;
  bool offline;
  size_t points;  // of the path
};

class PairTable {
 public:
  static constexpr uint32_t kPendingMax = 512;  // of one direction of a pair
  // While the sequence offset is not known: each is compared with all that leave.
  static constexpr uint32_t kPendingMaxUnknown = 64;
  static constexpr uint32_t kControlHeld = 8;
  // What a device that forwards does not change.
  static constexpr uint8_t kShapeFlags = tcp_flag::syn | tcp_flag::fin | tcp_flag::rst;
  static constexpr size_t kHotLines = 3;       // of a pair: what every packet reads
  static constexpr uint32_t kNotesHeld = 128;  // of both points and directions
  static constexpr uint64_t kCopiesShare = 4;  // a capture that shows packets twice shows more of them twice than one in so many

  PairTable(uint8_t worker, const PairLimits& limits, const SensorView& sensor, WorkerCounters& counters,
            Outbox<FateEvent>& events, PacketNotes& notes);

  void open(const Command& command);
  void prefetch(uint32_t pair) const {
    const char* line = reinterpret_cast<const char*>(&pairs_[pair]);
    for (size_t i = 0; i < kHotLines; ++i) __builtin_prefetch(line + 64 * i, 1);
  }

  // A packet, or the begin or end of one leg's stream. REQUIRES: release times of a pair never go back.
  void take(const PairSighting& s);
  // A packet of a leg of this worker, that has the device on that side. `reference`: pair_ref.
  void take(uint32_t reference, const Sighting& s, Side from, DuplicateState same, PathSide device);

  // The input has ended: decides what can be decided and closes the next `budget` pairs. True: all are closed.
  bool finish_some(size_t budget);

  // Live: reports and decides on up to `budget` pairs, in turn, each once in `round_ns`. Everything before `now_ns` has been
  // released.
  void sweep(size_t budget, int64_t now_ns, int64_t round_ns);

 private:
  // Copies that left with nothing but their bytes to tell which of several they were: the last ones of a direction.
  struct Exits {
    std::array<int64_t, 4> in_order_ns{};
    std::array<int32_t, 4> transit_us{};
    std::array<uint32_t, 4> seq{}, length{};  // length 0: none
  };
  // The highest acknowledgement of a direction's bytes, at both sides of the device.
  struct Acknowledged {
    uint32_t at_receiver = 0, at_sender = 0;  // as numbered there
    bool at_receiver_known = false, at_sender_known = false;
    bool zero_window = false;  // with the one at the sender's side
  };
  // Control packets that were lost, as long as it is open whether anybody went without them. Datagrams, as long as it is open
  // whether they left under another name.
  struct ControlLoss {
    PacketQueue held;
    uint32_t ack = 0;  // the highest of those held
  };
  // When the sender last sent again what its receiver had acknowledged before.
  struct Repeated {
    int64_t order_ns = kTimeMin;
    uint32_t seq = 0;
    uint32_t copies = 0;  // not the sender's: of its packets, seen leaving once more than they entered
  };
  // Packets of the newest tick, until they are told.
  struct Passing {
    int64_t tick_ns = kTimeMin;  // its begin
    uint32_t packets = 0;
    uint32_t backwards = 0, timed = 0;  // see PassageCount
    int64_t backwards_ns = 0, transit_ns = 0;
    void note_transit(int64_t duration_ns) { ++timed, transit_ns += duration_ns; }
    // By how much more than its stamps may be wrong a packet left before it entered; not if negative.
    void note_backwards(int64_t by_ns) {
      if (by_ns <= 0) return;
      ++backwards;
      backwards_ns = std::max(backwards_ns, by_ns);
    }
  };
  // When there was no room to follow packets: what they were on the far side finds no match.
  struct NotFollowed {
    int64_t from_ns = kTimeMax, to_ns = kTimeMin;
    void add(int64_t time_ns, int64_t apart_ns) {
      if (to_ns == kTimeMin || time_ns > to_ns + apart_ns) from_ns = time_ns;
      from_ns = std::min(from_ns, time_ns);
      to_ns = std::max(to_ns, time_ns);
    }
    bool near(int64_t time_ns, int64_t apart_ns) const {
      return to_ns != kTimeMin && time_ns >= from_ns - apart_ns && time_ns <= to_ns + apart_ns;
    }
  };
  // What few pairs have, by the side that sends: memory of its own, from the first of it until the pair ends.
  struct Incidents {
    PerSide<uint32_t> injected{}, unexplained{};  // see PacketFates
    PerSide<bool> loses_control{};                // the device does lose control packets: further ones are told at once
    PerSide<uint8_t> next_doubtful{};
    PerSide<uint8_t> held{};  // see pair_wait::kHeldTold; goes no further than that
    PerSide<ControlLoss> control;
    PerSide<Repeated> repeated;
    PerSide<int64_t> reset_crossed_ns{kTimeMax, kTimeMax};  // when a RST of that side was forwarded: others do no harm
    PerSide<int64_t> missed_ns{kTimeMin, kTimeMin};         // when the sensor was last found to have missed data at that side
    int64_t first_matched_ns = kTimeMax, last_matched_ns = kTimeMin;  // of datagrams that may move
    PerSide<NotFollowed> not_followed;
    PerSide<Exits> doubtful;
  };
  // Of the packets that one side sends.
  struct alignas(64) Half {
    uint64_t matched = 0;
    int64_t max_transit_ns = 0;
    int64_t newest_left_ns = kTimeMin;  // when the newest one that has left entered
    PacketQueue entered, early;         // seen entering; seen leaving first
    ChecksumShift checksum_shift;
    uint32_t end = 0;  // the highest that data has entered with; valid by has_end
    bool entering_seen : 1 = false;
    bool has_end : 1 = false;
    bool overlaps : 1 = false;  // of what waits in `entered`, some may be of the same bytes
    bool holds : 1 = false;     // among the notes there may be some of pair_note::kHeld
    uint16_t left_ip_id = 0;    // of the last that was seen on both sides, as it left
    uint8_t left_ttl = 0;       // the same
  };
  static_assert(sizeof(Half) == 64);
  struct alignas(64) Pair {
    // Read for every packet: a line, and one for each side that sends.
    int64_t fates_from_ns = kTimeMin;  // kTimeMax once a leg has ended
    int64_t due_ns = kTimeMax;         // nothing that waits is due before
    PerSide<SequenceOffset> offset;
    PerSide<Acknowledged> acknowledged;
    PerSide<PointIndex> point{};  // on that side of the device; of a hairpin the same twice
    uint16_t changes = 0;
    uint8_t generation = 0;
    uint8_t begun : 3 = 0, ended : 3 = 0;    // legs
    bool holds_handshake : 1 = false;        // among the notes there are some of pair_note::kHandshake
    bool contradicts_handshake : 1 = false;  // what its client has sent since
    bool open : 1 = false;
    bool datagrams : 1 = false;       // no sequence numbers; of what takes their place see Sighting::seq
    bool may_move : 1 = false;        // a device that has forgotten the conversation gives what follows another name
    bool ip_id_kept : 1 = false;      // seen to pass unchanged
    bool has_reset_left : 1 = false;  // forwarded, or made by the device
    bool clocks_apart : 1 = false;    // packets left long before they entered, by the stamps
    bool is_inward : 1 = false;       // what clients send is counted toward the inside
    PathSide device{};                // on which side of the client's leg it is
    PerSide<Half> half;
    PerSide<TransitCells> transits;  // read for those that leave
    // Read for few.
    uint64_t connection_id = 0;
    Rare<Incidents> incidents;
    PerSide<uint32_t> segments_lost{}, lost{}, superseded{}, undecided{};  // see PacketFates
    PerSide<uint32_t> uncertain_transits{};
    uint32_t reported = 0;  // sum of the counts at the last progress report
    uint16_t doubts = 0;    // bits by Doubt
    PerSide<bool> fin_left{};
  };
  static_assert(sizeof(Pair) == 384 && offsetof(Pair, transits) == 64 * kHotLines);

  // To read, and to add to.
  static const Incidents& incidents_of(const Pair& pair) {
    static const Incidents none;
    return pair.incidents ? *pair.incidents : none;
  }
  static Incidents& own_incidents(Pair& pair) {
    if (!pair.incidents) pair.incidents = Incidents{};
    return *pair.incidents;
  }

  // Packets of the side on which something is decided.
  static uint64_t decided_of(const Pair& pair, Side sender) {
    return pair.half[sender].matched + pair.lost[sender] + pair.superseded[sender] + pair.undecided[sender] +
           incidents_of(pair).injected[sender] + incidents_of(pair).unexplained[sender];
  }

  // What a side sends enters by the leg on its side, and leaves by the other one.
  static PathSide device_side(const Pair& pair, Side of) { return of == Side::client ? pair.device : opposite(pair.device); }
  static Direction travel(const Pair& pair, Side sender) {
    return pair.is_inward == (sender == Side::client) ? Direction::toward_inside : Direction::toward_outside;
  }
  static DeviceIndex crossed(const Pair& pair) { return device_between(pair.point[Side::client], pair.point[Side::server]); }
  // Where it must have passed: both legs of a hairpin are at one point, by whichever of its ports.
  static PortDirection ports_of(const Pair& pair, Side sender) {
    return is_hairpin(crossed(pair)) ? PortDirection::both : port_direction(travel(pair, sender));
  }

  CrossingCounters& counters_of(const Pair& pair, Side sender) { return counters_.crossing[crossed(pair)][travel(pair, sender)]; }

  // What few packets bring: pair_table_notes.cpp.
  void take_sack(Pair& pair, const PairSighting& s);
  void compare_sacks(const Pair& pair, Side sender, const Pending& in, const Pending& out);
  void drop_notes(Pair& pair, int64_t now_ns);
  void take_first_fragment(Pair& pair, const PairSighting& s);
  bool first_has_left(Pair& pair, Side sender, const Pending& in);
  void forget_first_fragment(Pair& pair, Side sender, const Pending& out);
  void take_copy(Pair& pair, Side sender, bool enters, const Pending& copy);
  bool waits_already(const Pair& pair, Side sender, const Pending& copy) const;
  PacketQueue& notes_of(const Pair& pair) { return pair_notes_[number_of(pair)]; }
  bool take_other_copy(Pair& pair, Side sender, bool enters, const Pending& copy);
  bool left_as_copy(Pair& pair, Side sender, const Pending& in);
  void hold_copy(Pair& pair, Side sender, uint16_t kind, const Pending& copy);
  void decide_copies(Pair& pair, int64_t now_ns);
  void mark_rivals(const Pair& pair, Side sender, const Pending& copy);
  void mark_bare_copies(Pair& pair, Side sender, const Pending& in);
  bool is_bare_copy(const Pair& pair, Side sender, const Pending& in) const;
  void hold_spoiled(Pair& pair, Side sender, const Pending& in, const Pending& out);
  bool hold_unmissed(Pair& pair, Side sender, const Pending& in);
  void take_repetition(Pair& pair, Side sender, const Pending& again);
  void decide_held(Pair& pair, int64_t now_ns, bool is_over);
  uint32_t decide_held(Pair& pair, uint32_t previous, bool may_repeat);
  bool is_quiet_after(const Pair& pair, Side sender, const Pending& in) const;
  bool is_answered_ahead(const Pair& pair, Side sender, const Pending& in, const Pending& out) const;
  bool hold_handshake(Pair& pair, Side sender, const Pending& in, const Pending& out);
  void take_handshake_witness(Pair& pair, Side sender, const Pending& in, const Pending& out);
  void decide_handshake(Pair& pair, Origin answer);

  // Matching: pair_table.cpp.
  template <typename Packet>  // Sighting, PairSighting
  [[gnu::always_inline]] void take_packet(uint32_t number, uint8_t generation, const Packet& s, Side sender, DuplicateState same,
                                          PathSide device);
  void take_odd(Pair& pair, Side sender, bool enters, Pending p, DuplicateState same);
  bool is_followed(Pair& pair, Side sender, bool enters, const Pending& p, DuplicateState same);
  bool copy_is_awaited(const Pair& pair, Side sender, bool enters, const Pending& copy) const;
  void note_acknowledgement(Pair& pair, Side sender, bool enters, uint32_t ack, uint16_t window, uint8_t tcp_flags);
  void entering(Pair& pair, Side sender, Pending in);
  void leaving(Pair& pair, Side sender, const Pending& out);
  // Of a datagram without a checksum; if it has one on the other side, nothing follows from the two.
  static bool is_hash(uint32_t datagram) { return datagram >> 31 != 0; }
  static bool matches(const Pair& pair, Side sender, const Pending& in, const Pending& out) {
    if ((in.tcp_flags ^ out.tcp_flags) & kShapeFlags || in.length != out.length) return false;
    if (pair.datagrams) return in.seq == out.seq || in.seq == 0 || out.seq == 0 || is_hash(in.seq) != is_hash(out.seq);
    if (in.has(tcp_flag::syn)) return true;  // a device that rewrites sequences teaches its offset here
    if (!pair.offset[sender].known())
      return in.has(tcp_flag::rst) && in.seq == out.seq;  // may be all that a direction ever shows
    if (out.seq - in.seq != pair.offset[sender].value()) return false;
    if (in.length > 0 || !in.has(tcp_flag::ack)) return true;
    const SequenceOffset& other = pair.offset[opposite(sender)];
    if (other.known()) return in.ack - out.ack == other.value();
    return in.ack == out.ack || (in.ip_id != 0 && in.ip_id == out.ip_id);
  }
  struct Found {
    uint32_t node = kNone, previous = kNone;
    bool others = false;  // copies that fit, but that it is not
  };
  // The copy in `entered` that `out` is.
  Found find_copy(const Pair& pair, Side sender, const Pending& out) const;
  bool is_next_of(const Pair& pair, Side sender, const Pending& out) const;
  bool overdue(const Pair& pair, const Pending& in, const Pending& out) const;
  bool is_piece_of_another(const Pair& pair, Side sender, const Pending& in, const Pending& out, uint32_t out_begin) const;
  bool cover(Pair& pair, Side sender, const Pending& out);
  void matched(Pair& pair, Side sender, const Pending& in, const Pending& out);
  void count_forwarded(Pair& pair, Side sender, const Pending& in, const Pending& out);
  void note_changes(Pair& pair, Side sender, const Pending& in, const Pending& out);
  bool stamps_tell_order(const Pair& pair, Side sender, const Pending& in, const Pending& out) const;
  void tell_changed(Pair& pair, Side sender, const Pending& in, const Pending& out, PacketLabel label, FateEventType type);
  void note_held(Pair& pair, Side sender, const Pending& in, const Pending& out);
  void match_datagram(Pair& pair, Side sender, const Pending& in, const Pending& out);
  void count_transit(Pair& pair, Side sender, const Pending& in, const Pending& out);
  void mark_copies(Pair& pair, Side sender, const Pending& in, const Pending& out);
  // A device that gives packets IDs of its own may give one the ID of another, and the rest of what it has cut bears a new one.
  static bool ids_tell(const Pair& pair, const Pending& in, const Pending& out) {
    return !(pair.changes & bit(DeviceChange::ip_id)) && !in.is_cut && in.ip_id != 0 && out.ip_id != 0;
  }
  static bool have_same_id(const Pair& pair, const Pending& in, const Pending& out) {
    return in.ip_id == out.ip_id && ids_tell(pair, in, out);
  }
  // The device has let IP IDs pass, so that one that differs is another copy.
  static bool another_copy(const Pair& pair, const Pending& in, const Pending& out) {
    return pair.ip_id_kept && in.ip_id != out.ip_id && ids_tell(pair, in, out);
  }
  void wait(Pair& pair, Side sender, PacketQueue& queue, const Pending& p);
  void learn(Pair& pair, Side sender, const Pending& p, bool enters);
  void vote(Pair& pair, Side sender, const Pending& in, const Pending& out, uint8_t weight);
  void vote_by_acknowledgement(Pair& pair, Side sender, const Pending& in, const Pending& out);
  void match_what_waits(Pair& pair);

  // Deciding: pair_table_fates.cpp.
  bool is_due(const PacketQueue& queue, int64_t now_ns) const {
    if (queue.head == kNone) return false;
    const Pending& oldest = pool_[queue.head];
    return oldest.order_ns + limits_.device_timeout_ns + oldest.stamp_uncertainty_ns < now_ns;
  }
  void expire(Pair& pair, Side sender, int64_t now_ns);
  void expire_due(Pair& pair, int64_t now_ns);
  bool is_altered_reset(const Pair& pair, Side sender, const Pending& in, const Pending& out) const;
  bool is_near_in_transit(const Pair& pair, Side sender, const Pending& in, const Pending& out) const;
  bool left_altered(Pair& pair, Side sender, const Pending& in);
  bool entered_altered(Pair& pair, Side sender, const Pending& out);
  bool passed_the_other_way(Pair& pair, Side sender, const Pending& reset);
  bool has_rival(const Pair& pair, Side sender, const Pending& in) const;
  // Packets were seen at both points, and none of them at both: the clocks, or what the device rewrites, hide what crosses.
  static bool nothing_matched(const Pair& pair) {
    return pair.half[Side::client].matched + pair.half[Side::server].matched == 0 && pair.begun == 2;
  }
  // What `sender` sent, by an acknowledgement at either side of the device. `end`: as numbered where it enters.
  bool is_acknowledged(const Pair& pair, Side sender, uint32_t end) const {
    const Acknowledged& of = pair.acknowledged[sender];
    if (of.at_sender_known && sequence_at_or_before(end, of.at_sender)) return true;
    return of.at_receiver_known && pair.offset[sender].known() &&
           sequence_at_or_before(end + pair.offset[sender].value(), of.at_receiver);
  }
  bool was_missed(const Pair& pair, Side sender, const Pending& in) const;
  AbsenceProof absence_of(Pair& pair, Side sender, const Pending& in, int64_t waited_ns);
  bool is_answered_by_device(const Pair& pair, Side sender, const Pending& syn) const;
  void decide_lost(Pair& pair, Side sender, const Pending& in, int64_t waited_ns);
  void count_lost_data(Pair& pair, Side sender) {
    ++pair.lost[sender];
    ++pair.segments_lost[sender];
    counters_of(pair, sender).lost.add();
    counters_.segments_lost[crossed(pair)][travel(pair, sender)].add();
  }
  void lose_segment(Pair& pair, Side sender, const Pending& in, int64_t decided_ns, bool is_unrepaired = false);
  void decide_injected(Pair& pair, Side sender, const Pending& out, int64_t waited_ns);
  // It may have entered before anything was followed.
  static bool may_have_entered_before(const Pair& pair, const Pending& out, int64_t waited_ns) {
    return pair.fates_from_ns != kTimeMin && out.order_ns - waited_ns < pair.fates_from_ns;
  }
  bool is_in_time(const Pair& pair, Side sender, const Pending& out) const;
  AbsenceProof never_entered(const Pair& pair, Side sender, const Pending& out, int64_t waited_ns) const;
  bool is_superseded(const Pair& pair, Side sender, const Pending& in) const;
  void lose_control(Pair& pair, Side sender, const Pending& in, int64_t decided_ns);
  void lose_datagram(Pair& pair, Side sender, const Pending& in, int64_t waited_ns);
  void tell_datagram(Pair& pair, Side sender, const Pending& in, int64_t waited_ns);
  void tell_datagrams(Pair& pair, int64_t waited_ns);
  void forgive_control(Pair& pair, Side sender);
  void tell_control(Pair& pair, Side sender, int64_t decided_ns);
  void note_repeated(Pair& pair, Side sender, const Pending& in);
  void leave_undecided(Pair& pair, Side sender, Doubt doubt);
  void leave_unexplained(Pair& pair, Side sender, Doubt doubt);
  void settle(Pair& pair, int64_t now_ns);
  void close(Pair& pair, int64_t now_ns);
  void abandon(Pair& pair);
  void take_back(Pair& pair);
  void end(Pair& pair);
  bool has_point_beyond(const Pair& pair, Side seen_at) const;
  void tell_one_sided(const Pair& pair, Side sender, const Pending& p, bool lost, int64_t decided_ns);
  void tell(const Pair& pair, Side sender, FateEventType type, const Pending& p, bool lost, int64_t decided_ns,
            const SackCrossing& sack = {}, Fragments fragments = {}, bool is_unrepaired = false);
  FateEvent event_of(const Pair& pair, FateEventType type) const;
  void count_passage(Passing& passing, DeviceIndex device, Direction direction, bool seen, int64_t order_ns) {
    // Unsigned: times before the tick are far beyond it.
    if (static_cast<uint64_t>(order_ns) - static_cast<uint64_t>(passing.tick_ns) >= kPassageTickNs) [[unlikely]] {
      tell_passage(passing, device, direction, seen);
      passing.tick_ns = tick_of(order_ns, kPassageTickNs) * kPassageTickNs;
    }
    ++passing.packets;
  }
  void count_missed(const Pair& pair, Side sender, PointIndex point, int64_t order_ns) {
    for (const Direction direction : kDirections) {
      if (direction != travel(pair, sender) && !is_hairpin(crossed(pair))) continue;
      count_passage(missed_[point][direction], point, direction, false, order_ns);
    }
  }
  void tell_passage(Passing& passing, DeviceIndex device, Direction direction, bool seen);
  void tell_passages(int64_t before_ns);
  void note(const Pair& pair, const Pending& p, PointIndex point, PacketLabel label, const Pending* peer = nullptr);
  uint32_t number_of(const Pair& pair) const { return static_cast<uint32_t>(&pair - pairs_.data()); }

  const uint8_t worker_;
  const PairLimits limits_;
  const SensorView& sensor_;
  WorkerCounters& counters_;
  Outbox<FateEvent>& events_;
  PacketNotes& notes_;
  LargeTable<Pair> pairs_;
  LargeTable<PacketQueue> pair_notes_;  // by pair, of few packets: see pair_note
  PacketPool pool_;
  std::array<PerDirection<Passing>, kDevicesMax> crossed_{};
  std::array<PerDirection<Passing>, kPointsMax> missed_{};
  size_t sweep_at_ = 0, close_at_ = 0, used_ = 0;  // pairs beyond used_ have never been open
  int64_t sweep_round_ns_ = kTimeMin;
};

}  // namespace parallax
