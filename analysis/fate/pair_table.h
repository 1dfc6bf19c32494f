// Pairs of legs across one device, and the fates of their packets.
//
// Lives at the pair's home worker and is used by it alone. Each direction has a window of packets seen entering the device
// that wait for their sighting on the far side. What comes out is matched by relative sequence, length, flags and IP ID; what
// has not come within the device timeout was lost there, if the sensor covers that time; what came without having
// entered was made there. A few packets may be seen leaving before entering: stamps of two ports are uncertain by the polling
// gap, and clocks of two files by more.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "analysis/event/events.h"
#include "analysis/event/packet_notes.h"
#include "analysis/event/worker_counters.h"
#include "analysis/model/engine_options.h"
#include "analysis/model/sensor_view.h"
#include "analysis/model/transit_sketch.h"
#include "capture/core/large_table.h"
#include "capture/core/outbox.h"

namespace parallax {

// Pairs that one worker can be home to.
inline size_t pair_capacity(const EngineOptions& options) {
  constexpr size_t most = (1u << pair_ref::kIndexBits) - 1;
  return options.offline ? most : std::min(std::max<size_t>(options.legs, 64), most);
}

struct PairLimits {
  size_t pairs;
  size_t pending;   // packets waiting for their far side, over all pairs
  size_t sketches;  // transit sketches, two a pair
  int64_t device_timeout_ns;
  bool offline;
};

class PairTable {
 public:
  static constexpr uint32_t kPendingMax = 512;  // of one direction of a pair
  static constexpr size_t kHotLines = 4;        // of a pair: what every packet reads

  PairTable(uint8_t worker, const PairLimits& limits, const SensorView& sensor, WorkerCounters& counters,
            Outbox<FateEvent>& events, PacketNotes& notes);

  void open(const Command& command);
  void prefetch(uint32_t pair) const {
    const char* line = reinterpret_cast<const char*>(&pairs_[pair]);
    for (size_t i = 0; i < kHotLines; ++i) __builtin_prefetch(line + 64 * i, 1);
  }

  // A packet, or the begin or end of one leg's stream. REQUIRES: release times of a pair never go back.
  void take(const PairSighting& s);

  // The input has ended: decides what can be decided and closes all pairs.
  void finish();

  // Live: reports and decides on up to `budget` pairs, in turn, each once in `round_ns`. Everything before `now_ns` has been
  // released.
  void sweep(size_t budget, int64_t now_ns, int64_t round_ns);

 private:
  struct Pending {
    int64_t order_ns, time_ns;
    uint32_t seq, ack, length;
    uint32_t frame;
    uint32_t stamp_uncertainty_ns;
    uint32_t next;
    PortIndex port;
    uint16_t ip_id;
    uint8_t tcp_flags, ttl;
    bool covered;  // another copy of these bytes was seen leaving since
    bool data;
  };
  // A copy that left with nothing but its bytes to tell which of several it was.
  struct Exit {
    int64_t in_order_ns = 0, out_time_ns = 0;
    uint32_t seq = 0, length = 0;
  };
  struct Queue {
    uint32_t head = kNone, tail = kNone, size = 0;
  };
  struct alignas(64) Pair {
    // Read for every packet.
    int64_t fates_from_ns = kBeforeAllNs;
    std::array<Queue, 2> entered, early;     // by direction: seen entering; seen leaving first
    std::array<uint32_t, 2> isn_offset{};    // of a direction: sequence number leaving less that entering
    std::array<uint32_t, 2> receiver_ack{};  // of a direction: highest acknowledgement by its receiver, on the receiver's side
    std::array<bool, 2> isn_known{}, receiver_ack_known{};
    std::array<PointIndex, 2> point{};  // client's side, server's side
    uint16_t changes = 0;
    uint32_t sketch = kNone;
    std::array<uint8_t, 2> sketch_bucket{};  // where the last transit of the direction was counted
    uint8_t generation = 0;
    bool open = false;
    bool ip_id_kept = false;       // seen to pass unchanged
    uint8_t begun = 0, ended = 0;  // legs
    std::array<uint64_t, 2> matched{};
    std::array<int64_t, 2> max_transit_ns{};
    // Read for few.
    uint64_t connection_id = 0;
    std::array<uint64_t, 2> lost{};
    uint64_t undecided = 0;
    uint64_t reported = 0;  // sum of the counts at the last progress report
    std::array<int64_t, 2> reset_crossed_ns{kAfterAllNs,
                                            kAfterAllNs};  // when a RST of that direction was forwarded: others do no harm
    std::array<int64_t, 2> missed_ns{kBeforeAllNs,
                                     kBeforeAllNs};  // when the sensor was last found to have missed data at that end
    std::array<std::array<Exit, 4>, 2> doubtful{};   // the last ones of each direction
    std::array<uint8_t, 2> doubtful_at{};
  };
  // Of the 640 bytes that a paired connection may take; transit sketches come from their pool.
  static_assert(sizeof(Pair) <= 512 && offsetof(Pair, connection_id) <= 64 * kHotLines);

  // Direction of travel d: 0 from the client. A packet of direction d enters at point[d] and leaves at point[1 - d].
  PortDirection travel(const Pair& pair, size_t d) const {
    return (pair.point[0] < pair.point[1]) == (d == 0) ? PortDirection::toward_inside : PortDirection::toward_outside;
  }
  size_t outer(const Pair& pair) const { return std::min(pair.point[0], pair.point[1]); }
  size_t inward(const Pair& pair, size_t d) const { return travel(pair, d) == PortDirection::toward_inside ? 0 : 1; }

  bool copy_is_awaited(const Pair& pair, size_t d, const PairSighting& s) const;
  void entering(Pair& pair, size_t d, const PairSighting& s);
  void leaving(Pair& pair, size_t d, const PairSighting& s);
  bool matches(const Pair& pair, size_t d, const Pending& in, const Pending& out) const;
  struct Found {
    uint32_t node = kNone, previous = kNone;
    bool others = false;  // copies that fit, but that it is not
  };
  // The copy in `entered` that `out` is.
  Found find_copy(const Pair& pair, size_t d, const Pending& out) const;
  bool overdue(const Pair& pair, size_t d, const Pending& in, const Pending& out) const;
  bool cover(Pair& pair, size_t d, const Pending& out);
  void matched(Pair& pair, size_t d, const Pending& in, const Pending& out);
  void count_transit(Pair& pair, size_t d, int64_t transit_ns);
  void mark_copies(Pair& pair, size_t d, const Pending& in, const Pending& out);
  void expire(Pair& pair, size_t d, int64_t now_ns);
  // The device has let IP IDs pass, so that one that differs is another copy.
  static bool another_copy(const Pair& pair, const Pending& in, const Pending& out) {
    return pair.ip_id_kept && !(pair.changes & bit(DeviceChange::ip_id)) && in.ip_id != 0 && out.ip_id != 0 &&
           in.ip_id != out.ip_id;
  }
  void decide_lost(Pair& pair, size_t d, const Pending& in, int64_t waited_ns);
  void decide_made(Pair& pair, size_t d, const Pending& out, int64_t waited_ns);
  void settle(Pair& pair, int64_t now_ns);
  void close(Pair& pair, int64_t now_ns);
  void abandon(Pair& pair);
  FateEvent event_of(const Pair& pair, FateEventType type) const;
  void tell(const FateEvent& event);
  PacketFacts facts_of(const Pair& pair, size_t d, const Pending& p, PointIndex point) const;
  void note(const Pending& p, PointIndex point, PacketLabel label, const Pending* peer = nullptr);

  bool append(Queue& queue, const Pending& p);
  // Unlinks what comes after `previous` (kNone: the head).
  void remove(Queue& queue, uint32_t previous, uint32_t node);
  static Pending pending_of(const PairSighting& s);

  const uint8_t worker_;
  const PairLimits limits_;
  const SensorView& sensor_;
  WorkerCounters& counters_;
  Outbox<FateEvent>& events_;
  PacketNotes& notes_;
  LargeTable<Pair> pairs_;
  LargeTable<Pending> pool_;
  uint32_t free_ = kNone;
  std::vector<std::array<TransitSketch<uint32_t>, 2>> sketches_;
  std::vector<uint32_t> free_sketches_;
  size_t sweep_at_ = 0, used_ = 0;  // pairs beyond used_ have never been open
  int64_t sweep_round_ns_ = kBeforeAllNs;
};

}  // namespace parallax
