// The analysis worker: merges the sightings of its shard, has their legs kept, and follows the fates of the pairs it is home to.
//
// A stage, run by one thread. Takes bursts and publishes how far it has come; the work is its parts': LegTracker takes packets
// into legs, LegLifecycle opens and ends these, LegReporter tells the correlator of them, PairForwarder takes the correlator's
// pairings and sends paired legs' packets to the pair's home, PairInbox collects those that are at home here, PairTable decides
// on them.
#pragma once

#include <vector>

#include "analysis/event/engine_links.h"
#include "analysis/event/packet_notes.h"
#include "analysis/event/worker_counters.h"
#include "analysis/fate/pair_table.h"
#include "analysis/model/engine_options.h"
#include "analysis/model/sensor_view.h"
#include "analysis/recognise/protocol_parser.h"
#include "analysis/worker/leg_lifecycle.h"
#include "analysis/worker/leg_reporter.h"
#include "analysis/worker/leg_store.h"
#include "analysis/worker/leg_tracker.h"
#include "analysis/worker/merge.h"
#include "analysis/worker/pair_forwarder.h"
#include "analysis/worker/pair_inbox.h"
#include "capture/core/outbox.h"
#include "capture/core/pollable.h"

namespace parallax {

class AnalysisWorker final : public Pollable {
 public:
  AnalysisWorker(size_t index, const EngineOptions& options, EngineLinks& links, SensorView& sensor);

  bool poll() override;
  Rest rest() override { return options_.rest(); }
  // Not before the rings have taken all that it has to say: nobody polls it any more after that.
  bool finished() const override { return links_.progress[index_].finished.load(std::memory_order_relaxed); }

  const WorkerCounters& counters() const { return counters_; }
  size_t index() const { return index_; }
  // REQUIRES: finished().
  std::vector<PacketNote> take_notes() { return notes_.take(); }

 private:
  enum class Phase : uint8_t { running, closing_pairs, finished };

  bool process_sightings();
  bool process_inbox();
  void publish_progress();
  int64_t gate() const;
  bool must_wait_for_correlator() const;
  int64_t last_packet_ns() const;
  void carry_out_until(int64_t now_ns);
  void expire_until(int64_t now_ns);
  bool all_legs_closed() const;
  void sweep(int64_t now_ns, size_t budget);
  size_t sweep_budget(size_t packets);
  // No pairing takes effect before it. Live what has been processed cannot be undone.
  int64_t not_before_ns() const { return options_.offline ? kTimeMin : tracker_.reached_ns(); }

  const size_t index_;
  const EngineOptions options_;
  EngineLinks& links_;
  SensorView& sensor_;
  WorkerCounters counters_;
  PacketNotes notes_;
  Merge merge_;
  LegStore store_;
  Outbox<FateEvent> fate_events_;
  PairTable pairs_;
  PairInbox inbox_;
  ProtocolParser protocol_parser_;
  LegReporter reporter_;
  PairForwarder forwarder_;
  LegLifecycle lifecycle_;
  LegTracker tracker_;
  int64_t decided_ns_ =
      kTimeMin;  // pairings that take effect before it are known here, and have been applied as far as packets go
  size_t packets_unswept_ = 0;
  Phase phase_ = Phase::running;
};

}  // namespace parallax
