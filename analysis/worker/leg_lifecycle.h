// Opens and ends legs: by a packet, at a bound, for lack of packets, at the end of the input.
//
// One owner, one thread. Offline a leg that is over for lack of packets ends at a packet time of its own (LegExpiry); live a
// sweep finds it some time after.
#pragma once

#include <compare>
#include <vector>

#include "analysis/event/engine_links.h"
#include "analysis/event/worker_counters.h"
#include "analysis/recognise/protocol_parser.h"
#include "analysis/worker/leg_expiry.h"
#include "analysis/worker/leg_reporter.h"
#include "analysis/worker/leg_store.h"
#include "analysis/worker/pair_forwarder.h"

namespace parallax {

class LegLifecycle {
 public:
  static constexpr int64_t kSweepRoundNs = 5'000'000'000;  // live: counts of a leg or a pair are reported at most this often

  LegLifecycle(const EngineOptions& options, EngineLinks& links, WorkerCounters& counters, LegStore& store, LegReporter& reporter,
               PairForwarder& forwarder, ProtocolParser& protocol_parser);

  uint32_t open(const Sighting& s, const OrientedKey& key, uint64_t hash);
  // `at`: when it ends, and by which packet; only its place in the order matters.
  void close(uint32_t leg, const PacketFacts& at, LegEnding ending);

  // Offline: closes the legs that may be forgotten before a packet of that time and point.
  void expire_before(int64_t order_ns, PointIndex point) {
    if (expiry_.next_ns() <= order_ns) [[unlikely]]
      close_due(order_ns, point);
  }
  // When the next leg may be forgotten; kTimeMax: none, or live.
  int64_t next_expiry_ns() const { return expiry_.next_ns(); }

  // Live: frees what is over, a few legs a call, and reports the counts of what goes on, once a round.
  void sweep(int64_t now_ns, size_t budget);

  // Closes what is open at the end of the input, `last_ns`, as far as there is room to tell of it; true: all of it.
  bool close_some(int64_t last_ns);

 private:
  struct Open {
    PointIndex point;
    uint32_t key_hash, leg;
    auto operator<=>(const Open&) const = default;
  };
  void close_due(int64_t order_ns, PointIndex point);
  void ask_for_look(uint32_t leg, int64_t now_ns);
  void list_what_is_open();

  const EngineOptions options_;
  const int64_t port_memory_ns_;
  WorkerCounters& counters_;
  LegStore& store_;
  LegReporter& reporter_;
  PairForwarder& forwarder_;
  ProtocolParser& protocol_parser_;
  const SpscRing<RecognitionEvent>& recognitions_;
  LegExpiry expiry_;  // offline
  size_t sweep_at_ = 0, closing_at_ = 0;
  std::vector<Open> closing_;  // offline, at the end of the input
  int64_t sweep_round_ns_ = kTimeMin;
};

}  // namespace parallax
