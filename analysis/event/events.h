// What the stages of the engine tell one another. Plain values that travel through rings.
//
//   analysis worker --LegEvent--> correlator --Command--> analysis workers --PairSighting--> home worker --FateEvent-->
//   correlator
#pragma once

#include <array>
#include <cstdint>
#include <tuple>
#include <type_traits>

#include "analysis/leg/leg.h"
#include "analysis/model/device_index.h"
#include "analysis/model/icmp_error.h"
#include "analysis/model/model.h"
#include "analysis/model/sides.h"
#include "analysis/model/vocabulary.h"
#include "analysis/tcp/capture_trace.h"
#include "analysis/tcp/leg_summary.h"
#include "analysis/tcp/standstill.h"
#include "capture/core/sighting.h"

namespace parallax {

// A leg everywhere and for all time: worker, slot, generation of the slot.
struct LegId {
  uint32_t index = kNone;
  uint32_t generation_and_worker = 0;  // 24 bits, 8 bits

  static LegId make(size_t worker, uint32_t index, uint32_t generation) {
    return {index, generation << 8 | static_cast<uint32_t>(worker)};
  }
  size_t worker() const { return generation_and_worker & 0xff; }
  uint32_t generation() const { return generation_and_worker >> 8; }
  uint64_t value() const { return static_cast<uint64_t>(generation_and_worker) << 32 | index; }
  auto operator<=>(const LegId&) const = default;
};

// Decisions of the correlator take effect in packet time, so that they do so at the same packet for any number of workers:
// what it decides on an event of epoch e holds from the start of epoch e + 2.
inline constexpr int64_t kEpochNs = 1'000'000;
constexpr int64_t epoch_of(int64_t ns) { return ns >= 0 ? ns / kEpochNs : -((-ns + kEpochNs - 1) / kEpochNs); }

// What is worth remembering of one packet as evidence.
struct PacketFacts {
  int64_t order_ns, time_ns;
  uint32_t frame;
  uint32_t stamp_uncertainty_ns;
  uint32_t seq, ack, tsval, payload_length;
  PortIndex port;
  uint16_t ip_id;
  PointIndex point;
  uint8_t ttl, tcp_flags;
  Side from;
};
inline PacketFacts facts_of(const Sighting& s, Side from) {
  return {
      s.order_ns, s.time_ns,   s.frame, s.stamp_uncertainty_ns, s.seq, s.ack, s.tsval, s.payload_length, s.port, s.ip_id, s.point,
      s.ttl,      s.tcp_flags, from};
}

// Of a leg that opens: the one before it on the same ends.
struct LegBefore {
  int64_t last_ns = 0;  // its last packet; 0: none is known
  uint16_t flags = 0;   // leg_flag
};
// What some events of a leg say besides.
struct LegNews {
  LegBefore before{};           // opened
  int64_t silence_ns = 0;       // resumed
  StandstillMark standstill{};  // stood_still
  IcmpError icmp{};             // icmp_error
  bool had_everything = false;  // reset: its sender had acknowledged all that the other end had sent, and asked for no more
};

enum class LegEventType : uint8_t {
  opened,   // first packet
  attempt,  // a further SYN of the same attempt or of a new one
  syn_ack,  // first of the attempt
  established,
  refused,   // RST from the server instead of an answer
  reset,     // RST after the handshake, or by the client
  stranger,  // a further packet of a leg met in midstream that has no partner and no conversation: see stranger_index.h
  witness,   // the same, later: by which no partner is looked for
  goes_on,   // the same, later still: no packet of the leg is told as a stranger's from this one on
  sighted,  // a further packet of a leg without an opening that lacks a partner: what passes a device unchanged shows which it is
  turn,     // the first data of a request or a response, of a leg without a followed pair
  written,  // the same of what either side of a leg that is multiplexed writes at once, whosever turn it is
  arp_request,       // of no leg: its client is the sender, its server the address that is asked for
  stray_icmp_error,  // of no leg: an ICMP error that quotes a packet of a leg that is not known
  icmp_error,        // an ICMP error quotes a packet of the leg. It goes to whoever sent that, as what the other side sends
  stood_still,       // something has moved on that had stood still: standstill.h
  resumed,           // data after a long silence of the leg
  progress,          // live: counts of a leg that goes on
  closed,            // the leg is over: generation ended, idle, evicted, or the input ended
};

struct LegEvent {
  PacketFacts packet;
  LegId leg;
  Endpoint client, server;
  uint32_t tunnel_key;  // of the leg's identity; 0: none
  LegEventType type;
  uint8_t protocol;
  bool midstream;  // opened: neither SYN nor SYN-ACK
  bool evicted;    // closed: because of a bound; what followed was not seen as this leg
  bool after_fin;  // reset: one of the ends had closed already
  uint8_t options;
  uint8_t window_scale;
  uint16_t mss, window;
  TurnMark turn;          // turn
  LegNews news;           // opened, reset, stood_still, resumed
  LegSummary summary;     // progress, closed
  CaptureReport capture;  // the same: since the last one
};
static_assert(std::is_trivially_copyable_v<LegEvent>);

// A packet of a paired leg, on its way to the home of the pair. One cache line.
struct alignas(64) PairSighting {
  enum class Kind : uint8_t { packet, begin, end, abandon, taken_back, sack, first_fragment };
  int64_t release_ns;  // when it was released to the home: its order time, or for the log of early ones that of the pairing
  int64_t order_ns;    // begin: before all that was logged
  int64_t time_ns;     // begin: fates hold from then on
  uint32_t pair;
  uint32_t frame;
  uint32_t seq, ack, payload_length;
  uint32_t stamp_uncertainty_ns;
  PortIndex port;
  uint16_t ip_id;
  PointIndex point;
  uint8_t ttl, tcp_flags;
  Side from;
  Kind kind;
  uint8_t pair_generation;
  DuplicateState same : 7;  // as a packet that the point has shown already
  bool checksum_fits : 1;   // see SightingFlag
  PathSide device;          // on which side of its leg the device is that the pair crosses
  uint16_t window;          // unscaled; of a datagram whether it came in fragments
  uint16_t checksum;        // TCP; 0: none that could be compared
};
static_assert(sizeof(PairSighting) == 64);

// A fragmented datagram as if it had come in one piece: with the fragment that completes it, or, as far as it is known by then,
// with its first one. REQUIRES: a fragment of UDP.
inline Sighting as_datagram(const Sighting& fragment) {
  Sighting whole = fragment;
  if (fragment.ack != 0) whole.payload_length = fragment.ack;
  whole.ack = 0;
  whole.window = 1;
  return whole;
}

// Of a segment with data: what SACK blocks and MSS a device rewrites differs from segment to segment. 0: none.
inline uint16_t comparable_checksum(const Sighting& s) {
  constexpr uint16_t of_part = bit(SightingFlag::fragment) | bit(SightingFlag::outer_fragment);
  const bool is_plain = !(s.options & (tcp_option::sack | tcp_option::mss)) && !(s.flags & of_part);
  return s.payload_length > 0 && is_plain && s.protocol == ip_protocol::tcp ? s.mss : uint16_t{0};
}
inline uint16_t comparable_checksum(const PairSighting& s) { return s.checksum; }
inline bool checksum_fits(const Sighting& s) { return s.has(SightingFlag::checksum_fits); }
inline bool checksum_fits(const PairSighting& s) { return s.checksum_fits; }

// Kind::first_fragment tells that a datagram has begun to pass a point, with the facts that it will have there if the rest comes.
//
// Kind::sack follows the packet that carries SACK blocks, with the same facts. The first block's edges stand in payload_length
// and stamp_uncertainty_ns, and in checksum whether a block holds what the peer has never sent, as numbered at that point.
namespace sack_note {
inline constexpr uint16_t kOutside = 1;
}  // namespace sack_note

// Total, so that std::sort is deterministic (std::stable_sort takes memory, and not aligned as these are).
inline bool in_total_order(const PairSighting& a, const PairSighting& b) {
  const auto key = [](const PairSighting& s) { return std::tuple(s.order_ns, s.point, s.port, s.frame, s.kind, s.pair); };
  return key(a) < key(b);
}

enum class CommandType : uint8_t {
  open_pair,  // to the home
  join,       // to the worker of each leg; if both legs live at the home, open_pair has done it
  leave,      // the same: the pairing is taken back, and what was followed of the pair is void
};
struct Command {
  int64_t effective_ns;
  uint64_t connection_id;
  LegId leg;         // join, leave: this one. open_pair: the client-side leg
  LegId server_leg;  // open_pair
  uint32_t pair;
  CommandType type;
  uint8_t home;
  uint8_t pair_generation;
  PointIndex client_point, server_point;
  PathSide device;       // on which side of the client's leg the device is; of the server's on the other
  Side end;              // join, leave: which of the two legs
  bool local;            // both legs live at the home
  bool datagrams;        // open_pair: UDP, without sequence numbers
  bool renamed = false;  // open_pair: the two legs have not the same ends
  // open_pair: by how much the device shifts the sequence numbers of what each side sends, where an earlier generation has taught
  // it.
  PerSide<uint32_t> sequence_offset{};
  PerSide<bool> sequence_offset_known{};
};

// What became of all packets of one direction, control packets included.
// entered = forwarded + lost + superseded + undecided, and those that still wait.
struct PacketFates {
  uint64_t entered;
  uint64_t forwarded;
  uint64_t lost;        // proved
  uint64_t superseded;  // never left, but a later packet that did says the same: acknowledgements that were thinned out or merged
  uint64_t undecided;   // never seen leaving, and not proved lost
  uint64_t injected;    // left and, as proved, never entered
  uint64_t unexplained;  // left, and not proved to have been injected
};

// By the side that sends.
struct CrossingStats {
  PerSide<uint64_t> lost;                // data segments
  PerSide<uint64_t> matched;             // packets
  PerSide<Distribution> transit;         // count 0: none
  PerSide<uint8_t> held;                 // of matched: segments that were told as held, up to pair_wait::kHeldTold
  PerSide<uint64_t> uncertain_transits;  // of matched: the stamps cannot tell how long it took
  PerSide<int64_t> isn_offset;           // valid by offset_known
  PerSide<PacketFates> packets;
  uint64_t undecided;  // packets of both points and directions
  uint16_t doubts;     // bits by Doubt: why they are
  uint16_t changes;    // DeviceChange bits found on packets (ttl, ip_id)
  bool isn_known;      // of both directions
  PerSide<bool> offset_known;
};

// Packets that passed a point within a tick, and whether it showed them. Counted by the homes of pairs, for Passages.
inline constexpr int64_t kPassageTickNs = 10'000'000;
constexpr int64_t tick_of(int64_t ns, int64_t length_ns) {
  return ns >= 0 ? ns / length_ns : -((-ns + length_ns - 1) / length_ns);
}
struct PassageCount {
  int64_t time_ns;  // begin of the tick
  uint32_t packets;
  PointIndex point;
  Direction direction;
  bool seen;
  // Of the device that they crossed, told with its outer point alone: how many, how many of them left before they entered by more
  // than their stamps may be wrong, and by how much more at most; of how many it is known how long they took, and their sum.
  DeviceIndex device = 0;
  uint32_t crossed = 0, backwards = 0, timed = 0;
  int64_t backwards_ns = 0, transit_ns = 0;
};

enum class FateEventType : uint8_t {
  segment_lost,  // data
  datagram_lost,
  control_segment_lost,  // FIN, acknowledgement or window update that its receiver went without
  reset_not_forwarded,
  reset_by_device,
  segment_altered,      // seen on both sides, with another payload
  checksum_spoiled,     // seen on both sides, with a checksum that fits where it entered and does not where it left
  segment_reordered,    // left after one that had entered behind it
  duplicated,           // entered once and left twice; the packet is the copy, as it left
  segment_held,         // it left pair_wait::kHeldNs or more after it had entered, and no copy of it did; decided_ns is when
  sack_not_translated,  // its acknowledgement number was moved, and its SACK blocks were not moved with it
  one_sided,            // no accusation: a packet of which one sighting lacks; told where a point beyond may have the third
  left_untranslated,    // the correlator's: what a home took for lost was seen at the far point under another name
  progress,
  closed,
  passage,  // of no single packet
};
// The packet was seen on both sides.
constexpr bool is_of_both_sides(FateEventType type) {
  return type == FateEventType::segment_altered || type == FateEventType::checksum_spoiled ||
         type == FateEventType::segment_reordered || type == FateEventType::segment_held ||
         type == FateEventType::sack_not_translated;
}
// Of a lost datagram: whether it came in fragments, and whether its first one did leave.
enum class Fragments : uint8_t { none, none_left, first_left };
// The first block and the acknowledgement number of a packet that crossed, as it left; and the block as it entered.
struct SackCrossing {
  uint32_t left_entered, right_entered;
  uint32_t left, right, ack;
};
struct FateEvent {
  FateEventType type;
  uint8_t home;
  uint8_t pair_generation;
  bool legs_left;  // closed: not because its legs have ended, so that one may still take itself for paired
  bool entered;    // seen entering the device, and unless on both sides not leaving it; else the other way round
  uint32_t pair;
  uint64_t connection_id;
  int64_t decided_ns;  // packet time; to be told once every worker has passed it: a stranger may turn out to be the packet
  PacketFacts packet;  // the packet that was lost or made
  PointIndex absent_at;
  uint32_t seq_at_absent;      // of the packet, as numbered at the point where it was not seen
  CrossingStats stats;         // progress, closed
  PassageCount passage{};      // passage
  SackCrossing sack{};         // sack_not_translated
  Fragments fragments{};       // datagram_lost
  bool is_unrepaired = false;  // segment_lost: its sender has not sent it again in the time that it would have taken
  int64_t repaired_ns = 0;     // segment_lost: how long after it a copy of its bytes left; 0: none had when this was decided
};

}  // namespace parallax
