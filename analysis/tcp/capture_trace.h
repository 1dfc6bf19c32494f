// What the capture itself does to a leg: packets that a point shows twice, and data that was acknowledged though the point never
// showed it.
//
// Owned and used by one analysis worker. A leg gets a trace out of the pool only once something about it is odd: a hole in its
// sequence space, an acknowledgement of what was not seen, bytes seen again, a SYN again. All others cost a few comparisons on
// their hot line. The pool is bounded live (no trace: refused() counts, and the leg goes unobserved); offline it grows. What
// traces have found is handed over with each report and starts again from nothing.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "analysis/leg/leg.h"
#include "analysis/model/sequence.h"
#include "capture/core/sighting.h"

namespace parallax {

enum class DuplicateState : uint8_t {
  fresh,    // a packet of its own
  again,    // the same, which says what was said before: only pairs are told so
  suspect,  // probably a copy, but nothing is kept of the one before to prove it: not counted, nor held against anyone
  copy,     // the packet before once more
};

// Since the last report.
struct CaptureReport {
  uint64_t missed_bytes = 0;              // acknowledged and never seen
  uint32_t missed_segments = 0;           // as many as these bytes fill
  PerSide<uint32_t> copies{}, packets{};  // packets, copies included: none until there was a copy, then all since the trace began
  uint32_t routed_copies = 0;             // whose TTL was another
};

class CaptureTraces {
 public:
  // A copy by IP ID or TTL comes within this time: a router's delay, far below any sender's timer (RFC 6298 asks for 1 s, Linux
  // takes 200 ms; senders that keep the ID when they send again are known).
  static constexpr int64_t kCopyNs = 20'000'000;
  // Without an ID only this: neither a timer nor a fast retransmission, which needs answers, repeats bytes so soon.
  static constexpr int64_t kCopyWithoutIdNs = 1'000'000;
  // Data may be stamped after its acknowledgement, where its port was polled later or its file has a clock of its own.
  static constexpr int64_t kGraceNs = 200'000'000;

  CaptureTraces(size_t capacity, bool may_grow) : traces_(capacity), may_grow_(may_grow) {
    for (size_t i = capacity; i-- > 0;) free_.push_back(static_cast<uint32_t>(i));
  }

  // REQUIRES: `s` has not been taken into the leg yet.
  DuplicateState take(LegHot& hot, LegCold& cold, const Sighting& s, Side from) {
    // In order, and acknowledging what was seen: nearly all packets.
    const bool plain = s.seq == hot.next_seq[from] && sequence_at_or_before(s.ack, hot.next_seq[opposite(from)]);
    if (plain && !(hot.flags & leg_flag::traced) && !s.has(SightingFlag::fragment)) [[likely]]
      return DuplicateState::fresh;
    return look(hot, cold, s, from);
  }
  // A datagram; its last one's fingerprint is where a TCP leg has its sequence numbers.
  DuplicateState take_datagram(LegHot& hot, LegCold& cold, const Sighting& s, Side from);

  // The two sides were mistaken for each other.
  void flip(const LegHot& hot, const LegCold& cold);

  // `over`: the leg is, so that nothing that it lacks will come any more.
  CaptureReport report(const LegHot& hot, const LegCold& cold, bool over);
  void release(LegHot& hot, const LegCold& cold);

  uint64_t refused() const { return refused_; }

 private:
  static constexpr size_t kRecent = 8;  // packets of a direction that a router may hold at a time
  static constexpr size_t kHoles = 6;
  struct Recent {
    int64_t order_ns;
    uint32_t hash;
    uint16_t ip_id;
    uint8_t ttl;
    bool used, answered;  // answered: the other side has spoken since
  };
  struct Hole {
    uint32_t begin, end;
    int64_t acked_ns;  // kTimeMin: not yet
    bool passed;       // the direction has shown a later packet: it still comes this way
    bool data_after;   // and data, or a FIN: so that the hole's last number is no FIN
    bool uncertain;    // may be no data: see uncertain_at()
  };
  struct Half {
    std::array<Recent, kRecent> recent;
    std::array<Hole, kHoles> holes;
    uint8_t recent_at, hole_count;
    bool ids_repeat;  // different packets had the same IP ID: it tells nothing
    bool fragmented;  // fragment_end holds: where the last fragment ended
    uint32_t fragment_end;
  };
  struct Trace {
    PerSide<Half> half;
    CaptureReport found;
    bool doubled;  // has shown copies
  };

  static bool repeats_offer(const LegHot& hot, const LegCold& cold, const Sighting& s, Side from);
  // Whether there may be anything to look at. SYN: only where the attempt's has been seen already.
  static bool odd(const LegHot& hot, const Sighting& s, Side from);
  DuplicateState look(LegHot& hot, LegCold& cold, const Sighting& s, Side from);
  Trace* trace_of(LegHot& hot, LegCold& cold);
  DuplicateState compare(Half& half, const Sighting& s, uint32_t hash) const;
  void remember(Trace& trace, const Sighting& s, Side from, uint32_t hash);
  void follow_sequence(Trace& trace, const LegHot& hot, LegCold& cold, const Sighting& s, Side from);
  void acknowledge(Trace& trace, const LegHot& hot, LegCold& cold, const Sighting& s, Side peer);
  void add_hole(Trace& trace, const LegHot& hot, const LegCold& cold, Side from, const Hole& hole, int64_t now_ns);
  static bool uncertain_at(const Half& half, const LegHot& hot, Side from, const Hole& hole);
  static uint32_t known_end(const Half& half, uint32_t next_seq);
  static void fill(Half& half, uint32_t begin, uint32_t end);
  static void remove(Half& half, size_t at);
  void count(Trace& trace, const LegCold& cold, Side from, const Hole& hole) const;
  void settle(Trace& trace, const LegCold& cold, int64_t now_ns, bool over);

  std::vector<Trace> traces_;
  std::vector<uint32_t> free_;
  const bool may_grow_;
  uint64_t refused_ = 0;
};

}  // namespace parallax
