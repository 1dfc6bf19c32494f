// What is kept of a connection: its legs at the points, their crossings of devices, and what has been told of it.
#pragma once

#include <absl/container/inlined_vector.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "analysis/connection/leg_turns.h"
#include "analysis/connection/losses.h"
#include "analysis/connection/turn_transits.h"
#include "analysis/event/events.h"
#include "analysis/model/finding_kinds.h"
#include "analysis/model/model.h"
#include "analysis/model/packed.h"
#include "analysis/model/rare.h"
#include "analysis/model/rare_list.h"
#include "analysis/recognise/recognised.h"
#include "capture/core/port.h"

namespace parallax {

// Of a leg that stood still, or was silent for long.
struct LegStops {
  PerSide<StandstillMark> in_vain{}, window_closed{};  // by the side that sends, or whose window it is: the longest
  std::optional<PacketFacts> resumed;                  // the last data that came after a long silence,
  int64_t silence_ns = 0;                              // and how long that was
  StandstillMark unanswered{};                         // the keep-alives that a RST of their sender has ended
};

// An ICMP error about a packet of a leg, as the leg's point has shown it. packet.seq is of what it quotes, packet.from the side
// that the quoted packet was to reach.
struct IcmpSighting {
  PacketFacts packet{};
  IcmpError error{};
};

// Of what is said, and when: that packets are the same on both sides is stronger, whenever it is seen.
constexpr bool is_likelihood(PairingMethod method) { return method == PairingMethod::payload || method == PairingMethod::timing; }

// By what it is known that a message passed from one leg to another, and how surely.
struct PairingBasis {
  PairingMethod method = PairingMethod::none;
  double confidence = 0;
  uint32_t rivals = 0;
};
// A leg of another connection, beyond a proxy or before it, with which a leg shares messages: by the likeliest of these.
struct Sharing {
  uint64_t leg_id = 0;  // LegId::value()
  PairingBasis basis{};
};

// What the correlator keeps of one leg.
struct LegState {
  static constexpr size_t kAttemptsKept = 16;
  static constexpr size_t kSightedMax = 8;
  static constexpr size_t kIcmpKept = 8;
  static constexpr size_t kSharedMax = 1024;  // a proxy's connection to its server may carry messages of any number of clients

  LegId id;
  PointIndex point = 0;
  uint8_t protocol = 0;
  uint32_t tunnel_key = 0;  // where it is part of a leg's identity: see KeyFrom
  Endpoint client, server;
  PacketFacts first{};                           // first packet
  absl::InlinedVector<PacketFacts, 1> attempts;  // SYNs, the first kAttemptsKept
  RareList<PacketFacts> sighted;                 // without an opening: packets by which to find its partner, the last kSightedMax
  uint32_t attempt_count = 0, refusal_count = 0;
  std::optional<PacketFacts> syn_ack, established;  // of the last attempt; the SYN-ACK is its first
  Rare<PacketFacts> refused, reset;                 // of the last attempt, too
  Rare<PacketFacts> refusal;                        // the last RST that refused any attempt
  uint32_t client_isn = 0;
  OfferedOptions client_options, server_options;
  uint16_t ack_window = 0;  // of the packet that completed the handshake, unscaled
  LegSummary summary{};
  bool midstream = false;
  bool has_summary = false, over = false, evicted = false;
  bool counted_outcome = false;  // see Tallies
  bool reset_after_fin = false, reset_had_everything = false;
  bool speaks_tls = false, speaks_http = false;  // a message of it was recognised, kept or not
  bool is_multiplexed = false;                   // HTTP/2, as its client offers it
  PerPathSide<bool> paired{};                    // with the next point on that side
  bool paired_within = false;                    // with another leg of its own point
  std::unique_ptr<Recognised> recognised;        // null: nothing, or forgotten
  std::unique_ptr<LegTurns> turns;               // null: none were told
  RareList<Sharing> shared_with;                 // the last kSharedMax, the newest last
  RareList<uint64_t> not_with;                   // legs (LegId::value()) that it was paired with until that was taken back
  RareList<IcmpSighting> icmp;                   // errors about its packets, the first kIcmpKept
  std::unique_ptr<LegStops> stops;               // null: it never stood still
  LegBefore before{};                            // on the same ends
  uint64_t successor = 0;                        // the leg (LegId::value()) that its client opened instead; 0: none

  bool has_syn() const { return attempt_count > 0; }
  void note(const StandstillMark& mark) {
    if (mark.kind == StandstillKind::unanswered) {
      own_stops().unanswered = mark;
      return;
    }
    StandstillMark& longest = (mark.kind == StandstillKind::in_vain ? own_stops().in_vain : own_stops().window_closed)[mark.side];
    if (mark.since_ns == longest.since_ns || mark.length_ns() > longest.length_ns()) longest = mark;
  }
  void note_resumed(const PacketFacts& packet, int64_t silence_ns) {
    own_stops().resumed = packet;
    own_stops().silence_ns = silence_ns;
  }
  StandstillMark in_vain(Side sender) const { return stops ? stops->in_vain[sender] : StandstillMark{}; }
  StandstillMark window_closed(Side whose) const { return stops ? stops->window_closed[whose] : StandstillMark{}; }
  // The last data that came after a long silence; null: none.
  const PacketFacts* resumed() const { return stops && stops->resumed ? &*stops->resumed : nullptr; }
  bool is_paired() const { return paired[PathSide::outer] || paired[PathSide::inner] || paired_within; }

 private:
  LegStops& own_stops() {
    if (!stops) stops = std::make_unique<LegStops>();
    return *stops;
  }
};

struct Crossing {
  size_t client_leg = 0, server_leg = 0;  // indexes into Connection::legs
  PairingMethod method = PairingMethod::none;
  double confidence = 0;
  uint32_t rivals = 0;
  bool is_proxied = false;   // the device ends one TCP connection and opens another: what is one packet here is none there
  bool is_followed = false;  // by the pair `pair` of the worker `home`
  uint8_t home = 0, pair_generation = 0;
  uint32_t pair = 0;
  PathSide device = PathSide::inner;  // followed: on which side of the client's leg
  bool is_learned = false;            // Knowledge has been told
  bool is_closed = false;             // its home has told all
  Packed<CrossingStats> stats{};
  // Through a proxy, of what the side sends: how long each message took (proxy_transits.h), and by how many turns the client's
  // side is ahead of the server's.
  PerSide<TurnTransits> turn_transits{};
  std::optional<int32_t> turn_shift{};
  PerSide<uint64_t> cleared{};  // of stats.lost: data segments that were not proved to be lost, as more than its home has shown

  // It is made by likelihood, whether packets pass or are made anew.
  bool is_likely() const { return method == PairingMethod::timing || (is_proxied && is_likelihood(method)); }
};

// How it is known on which side of the path a client is.
enum class SideBasis : uint8_t {
  guessed,
  learned,  // its addresses have been seen to cross in other connections
  seen,     // a port that carries one direction, or two legs
};

// Of which scan a connection is a try that found its port closed: fan_out tells of it, in place of the refusal or the silence.
enum class ScanBy : uint8_t { nobody, one_source, many_sources };

struct Connection {
  uint64_t id = 0;
  Protocol protocol = Protocol::tcp;
  std::vector<LegState> legs;
  std::vector<Crossing> crossings;
  std::vector<uint64_t> finding_ids;
  bool client_outer = true;  // the client is on the side of the first point of the path
  SideBasis side_basis = SideBasis::guessed;
  bool evicted = false;             // a bound took a leg of it: nothing is claimed
  bool is_noted = false;            // offline: something is told of it, or with it, at the end of the input
  int64_t check_due_ns = kTimeMax;  // when a timer will look at it; kTimeMax: none will
  std::unique_ptr<Losses> losses;   // null: no data was told as lost in a device
  ScanBy scan = ScanBy::nobody;
  FindingKinds put_off;    // live: a look found out what had happened, and not yet who did it
  FindingKinds told;       // a detector of connections is done with it: it has told of it, or there is nothing to tell
  FindingKinds explained;  // by what is told of it: Detector::explains
  bool awaits_taking = false, was_taken = false;  // live: see EndedQueue
  size_t legs_over = 0;
  int64_t over_ns = kTimeMin;  // when the last of them was

  int64_t first_lost_ns() const { return losses ? losses->first_ns : kTimeMax; }

  // Whether the leg, one of its own, is paired with one at that point.
  bool has_crossing(const LegState& leg, PointIndex toward) const {
    return std::any_of(crossings.begin(), crossings.end(), [&](const Crossing& c) {
      const LegState* other = other_end(c, leg);
      return other != nullptr && other->point == toward;
    });
  }
  // What the crossing pairs the leg with; null: it is of other legs.
  const LegState* other_end(const Crossing& c, const LegState& leg) const {
    const LegState &a = legs[c.client_leg], &b = legs[c.server_leg];
    return &a == &leg ? &b : &b == &leg ? &a : nullptr;
  }
  // The crossing whose two legs are at one point; null: none.
  const Crossing* hairpin() const {
    const auto it = std::find_if(crossings.begin(), crossings.end(),
                                 [this](const Crossing& c) { return legs[c.client_leg].point == legs[c.server_leg].point; });
    return it == crossings.end() ? nullptr : &*it;
  }
  // Whether the leg is nearer to the server than the other one: by the points, and at one point by the hairpin there.
  bool is_behind(const LegState& leg, const LegState& other) const {
    if (leg.point != other.point) return (leg.point > other.point) == client_outer;
    return is_beyond_hairpin(leg) && !is_beyond_hairpin(other);
  }
  bool is_beyond_hairpin(const LegState& leg) const {
    return std::any_of(crossings.begin(), crossings.end(),
                       [&](const Crossing& c) { return &legs[c.server_leg] == &leg && legs[c.client_leg].point == leg.point; });
  }

  // The leg nearest to the client, and the one nearest to the server among those that saw a SYN (else among all).
  const LegState& client_leg() const { return *extreme(true); }
  const LegState& server_leg() const { return *extreme(false); }

  // In which what the side sends travels.
  Direction direction_of(Side sender) const {
    return (sender == Side::client) == client_outer ? Direction::toward_inside : Direction::toward_outside;
  }

 private:
  const LegState* extreme(bool nearest_client) const {
    const LegState* best = &legs.front();
    for (size_t i = 1; i < legs.size(); ++i) {
      if (nearest_client ? is_behind(*best, legs[i]) : is_behind(legs[i], *best)) best = &legs[i];
    }
    return best;
  }
};

}  // namespace parallax
