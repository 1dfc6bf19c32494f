// Sends the packets of paired legs to their pair's home, which may be this worker itself; until a leg has all its partners, keeps
// a log of its first packets, which the pair is told when it opens.
//
// One owner, one thread. Takes the correlator's commands, each when its time has come. Memory is taken at the start, but offline.
#pragma once

#include <array>
#include <vector>

#include "analysis/event/engine_links.h"
#include "analysis/event/worker_counters.h"
#include "analysis/fate/early_log.h"
#include "analysis/fate/pair_table.h"
#include "analysis/model/sensor_view.h"
#include "analysis/worker/leg_store.h"
#include "capture/core/outbox.h"
#include "capture/core/staging.h"

namespace parallax {

class PairForwarder {
 public:
  PairForwarder(const EngineOptions& options, EngineLinks& links, SensorView& sensor, WorkerCounters& counters, LegStore& store,
                PairTable& pairs);

  // Takes over what the correlator has commanded by now.
  void fetch_commands() { commands_.fill(*links_.commands[worker_]); }
  // When the next of them takes effect; kTimeMax: none is known.
  int64_t next_command_ns() const { return commands_.empty() ? kTimeMax : commands_.front().effective_ns; }
  // Carries out those that are in effect at `now_ns`, none of them earlier than `not_before_ns`.
  void apply_commands(int64_t now_ns, int64_t not_before_ns) {
    if (!commands_.empty() && commands_.front().effective_ns <= now_ns) [[unlikely]]
      carry_out_commands(now_ns, not_before_ns);
  }

  // What the correlator should hear of a packet of a leg that lacks a partner, and has no opening by which to find it: datagrams,
  // and what was met in midstream.
  enum class Hint : uint8_t {
    none,
    stranger,  // nothing but RSTs comes back: see StrangerIndex
    witness,   // the same, which is told for what it witnesses alone
    goes_on,   // the same, and there are too many of them
    sighted,   // the other point may have shown it, too
  };
  // REQUIRES: not Hint::none.
  static LegEventType event_type_of(Hint hint) {
    constexpr std::array types{LegEventType::stranger, LegEventType::witness, LegEventType::goes_on, LegEventType::sighted};
    return types[static_cast<size_t>(hint) - 1];
  }
  // A packet that has been taken into its leg.
  [[gnu::always_inline]] Hint follow(uint32_t leg, const LegHot& hot, const Sighting& s, Side from, DuplicateState same) {
    if (!hot.has_no_pair()) {  // a loop over kPathSides is not unrolled
      pass_on(hot, PathSide::outer, s, from, same);
      pass_on(hot, PathSide::inner, s, from, same);
    }
    return is_settled(hot) ? Hint::none : follow_unsettled(leg, hot, s, from, same);
  }
  // The same of its SACK blocks. REQUIRES: it has some.
  void follow_sack(uint32_t leg, const Sighting& s, Side from);
  // The first fragment of a datagram, of which more is to come.
  void follow_first_fragment(uint32_t leg, const Sighting& s, Side from);
  // `at`: its place in the order of packets, the same at the home whether there is a queue between or not.
  void leave_pairs(uint32_t leg, PairSighting::Kind kind, const PacketFacts& at);
  void drop_log(uint32_t leg);

  // Forced inline: GCC deletes calls that only prefetch, as free of side effects.
  [[gnu::always_inline]] void prefetch(uint32_t leg) const {
    const LegHot& hot = store_.legs.hot(leg);
    if (hot.has_no_pair()) return;
    prefetch(hot, PathSide::outer);
    prefetch(hot, PathSide::inner);
  }

  void flush();
  // All is in the rings.
  bool empty() const;
  // Of what waits for room in a ring, the first; kTimeMax: nothing does.
  int64_t first_waiting_ns() const;

  bool has_neighbours() const { return points_ > 1; }

 private:
  static constexpr uint8_t kLocal = 0xff;  // pair_home of a pair whose legs and home are all this worker: no queue between

  [[gnu::always_inline]] void prefetch(const LegHot& hot, PathSide side) const {
    if (hot.pair[side] != kNone && hot.pair_home[side] == kLocal) pairs_.prefetch(pair_ref::index(hot.pair[side]));
  }
  [[gnu::always_inline]] void pass_on(const LegHot& hot, PathSide side, const Sighting& s, Side from, DuplicateState same) {
    if (hot.pair[side] == kNone) return;
    if (hot.pair_home[side] == kLocal) {
      pairs_.take(hot.pair[side], s, from, same, side);
    } else {
      send_on(hot.pair_home[side], hot.pair[side], side, s, from, same);
    }
  }
  // Of its packets none is logged or hinted at any more: the log is over, and its opening was seen. In one compare, for it is
  // asked of every packet: the log's bit is above those of the opening.
  static bool is_settled(const LegHot& hot) {
    constexpr uint16_t opening = leg_flag::syn | leg_flag::syn_ack;
    static_assert(leg_flag::log_over > opening);
    return (hot.flags & (leg_flag::log_over | opening)) > leg_flag::log_over;
  }
  Hint follow_unsettled(uint32_t leg, const LegHot& hot, const Sighting& s, Side from, DuplicateState same) {
    constexpr uint16_t opening = leg_flag::syn | leg_flag::syn_ack;
    const Hint hint = (hot.flags & opening) ? Hint::none : hint_of(leg, s, from, same);
    if (!(hot.flags & leg_flag::log_over)) log(leg, s, from, same);
    return hint;
  }
  Hint hint_of(uint32_t leg, const Sighting& s, Side from, DuplicateState same) const;
  void send_on(uint8_t home, uint32_t pair, PathSide side, const Sighting& s, Side from, DuplicateState same);
  void send_note(uint32_t leg, PairSighting note);
  void log(uint32_t leg, const Sighting& s, Side from, DuplicateState same);
  bool lacks_partner(uint32_t leg) const;
  void carry_out_commands(int64_t now_ns, int64_t not_before_ns);
  void send(uint8_t home, const PairSighting& s);
  void open_pair(const Command& command, int64_t now_ns);
  void join(const Command& command, int64_t now_ns);
  void leave(const Command& command, int64_t now_ns);
  template <typename Tell>
  void tell_of_joining(LegId id, const Command& command, Side end, int64_t now_ns, Tell&& tell);
  void leave_pair(uint32_t leg, PathSide side, PairSighting::Kind kind, const PacketFacts& at);
  void set_pair(uint32_t leg, PathSide side, uint8_t home, uint32_t reference, int64_t now_ns);
  bool log_complete(uint32_t leg) const { return !(store_.legs.hot(leg).flags & leg_flag::log_over); }
  void end_log_if_paired(uint32_t leg);
  // Whether the leg may pair on that side.
  bool has_point(PointIndex point, PathSide side) const { return side == PathSide::outer ? point > 0 : point + 1u < points_; }

  const size_t worker_, points_;
  EngineLinks& links_;
  SensorView& sensor_;
  WorkerCounters& counters_;
  LegStore& store_;
  PairTable& pairs_;
  EarlyLog log_;
  const size_t markers_max_;  // that may wait in one of these; packets do not
  std::vector<Outbox<PairSighting>> homes_;
  Staging<Command> commands_;
  std::vector<PairSighting> joining_;  // two legs of this worker
};

}  // namespace parallax
