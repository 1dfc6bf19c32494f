// The analysis worker: merges the sightings of its shard, keeps their legs, and follows the fates of the pairs it is home to.
//
// A stage, run by one thread. Tells the correlator of what happens to legs (rare compared with packets); takes its pairings;
// from then on sends the paired legs' packets to the pair's home, which may be this worker itself.
#pragma once

#include <optional>
#include <vector>

#include "analysis/event/engine_links.h"
#include "analysis/event/packet_notes.h"
#include "analysis/event/worker_counters.h"
#include "analysis/fate/early_log.h"
#include "analysis/fate/pair_table.h"
#include "analysis/leg/leg_table.h"
#include "analysis/model/engine_options.h"
#include "analysis/model/sensor_view.h"
#include "analysis/recognise/recogniser.h"
#include "analysis/tcp/capture_trace.h"
#include "analysis/tcp/sequence_space.h"
#include "analysis/tcp/tcp_flow_pool.h"
#include "analysis/tcp/tcp_labels.h"
#include "analysis/tcp/tcp_leg.h"
#include "analysis/worker/carried_packets.h"
#include "analysis/worker/leg_expiry.h"
#include "analysis/worker/merge.h"
#include "capture/core/outbox.h"
#include "capture/core/pollable.h"
#include "capture/core/staging.h"

namespace parallax {

inline constexpr uint8_t kLocal = 0xff;  // pair_home of a pair whose legs and home are all this worker: no queue between

class AnalysisWorker final : public Pollable {
 public:
  AnalysisWorker(size_t index, const EngineOptions& options, EngineLinks& links, SensorView& sensor);

  bool poll() override;
  bool finished() const override { return phase_ == Phase::finished; }

  const WorkerCounters& counters() const { return counters_; }
  size_t index() const { return index_; }
  // REQUIRES: finished().
  std::vector<PacketNote> take_notes() { return notes_.take(); }

 private:
  enum class Phase : uint8_t { running, closing_pairs, finished };

  bool work_off_sightings();
  bool work_off_inbox();
  void apply_commands(int64_t now_ns);
  void publish_progress();
  int64_t gate() const;
  bool must_wait_for_correlator() const;

  void work_off(std::span<Sighting* const> burst);
  void take(const Sighting& s, uint64_t hash, uint32_t known);
  bool take_plain(const Sighting& s, uint32_t leg, KeyMatch source);
  template <Side from>
  bool take_plain_from(const Sighting& s, uint32_t leg, LegHot& hot, TcpFlow& flow);
  void note_leg_packet(const Sighting& s, uint32_t leg, uint32_t labels);
  void count_round_trips(const RoundTripSamples& samples, const Sighting& s, Side from);
  void count_handshake(const LegCold& cold, PointIndex point);
  void take_later_fragment(const Sighting& s, const OrientedKey& key, uint32_t leg);
  void take_leg_packet(const Sighting& s, const OrientedKey& key, uint64_t hash, uint32_t leg);
  void prefetch_beyond_leg(uint32_t leg) const;
  uint32_t label_carried(uint32_t leg);
  void note_needless(const TcpFlow::Again& again, const Sighting& s, Side from);
  TcpFlow& flow_of(uint32_t leg, const Sighting& s);
  void note_times(FlowTimes& times, uint32_t leg, const Sighting& s, Side from, const LegStep& step, uint8_t notes);
  TcpFlow& take_flow(uint32_t leg);
  uint32_t open_leg(const Sighting& s, const OrientedKey& key, uint64_t hash);
  uint32_t open_leg_after(uint32_t leg, const Sighting& s, const OrientedKey& key, uint64_t hash);
  enum class Ending : uint8_t { over, idle, evicted };
  void close_leg(uint32_t leg, const PacketFacts& at, Ending ending);
  PacketFacts no_packet(uint32_t leg, int64_t now_ns) const;
  void ask_for_look(uint32_t leg, int64_t now_ns);
  void expire_before(int64_t order_ns, PointIndex point);
  void expire_until(int64_t now_ns);
  int64_t last_packet_ns() const;
  bool close_some();
  size_t sweep_budget(size_t packets);
  void sweep(int64_t now_ns, size_t budget);

  const TcpFlow* known_flow(uint32_t leg) { return legs_.flow(leg) == kNone ? nullptr : &flows_[legs_.flow(leg)]; }
  LegId id_of(uint32_t leg) const { return LegId::make(index_, leg, legs_.generation(leg)); }
  LegEvent event_of(uint32_t leg, LegEventType type, const PacketFacts& packet) const;
  LegEvent summary_event(uint32_t leg, LegEventType type, const PacketFacts& at, bool idle);
  void tell_progress(uint32_t leg, int64_t now_ns);
  void tell_end(uint32_t leg, const PacketFacts& last, Ending ending);
  void add_report(LegEvent& event, bool over);
  void send_packet_event(uint32_t leg, LegEventType type, const Sighting& s, Side from, bool midstream = false);

  std::span<const uint8_t> excerpt_of(const Sighting& s);
  void recognise(uint32_t leg, const Sighting& s, Side from);

  void follow(uint32_t leg, const Sighting& s, Side from, Sameness same);
  void forward(uint8_t home, const PairSighting& s);
  void open_pair(const Command& command, int64_t now_ns);
  void join(const Command& command, int64_t now_ns);
  template <typename Tell>
  void tell_of_joining(LegId id, const Command& command, size_t slot, int64_t now_ns, Tell&& tell);
  bool is_alive(LegId id) const { return legs_.live(id.index) && id_of(id.index) == id; }
  void leave_pair(uint32_t leg, size_t slot, PairSighting::Kind kind, const PacketFacts& at);
  void set_pair(uint32_t leg, size_t slot, uint8_t home, uint32_t reference, int64_t now_ns);
  bool log_complete(uint32_t leg) const { return !(legs_.hot(leg).flags & leg_flag::log_over); }
  void drop_log(uint32_t leg);
  void end_log_if_paired(uint32_t leg);
  // Bit 0: the leg may pair with the next outer point; bit 1: with the next inner one.
  uint32_t wanted_slots(PointIndex point) const { return (point > 0 ? 1u : 0u) | (point + 1u < points_ ? 2u : 0u); }

  const size_t index_;
  const EngineOptions options_;
  const size_t points_;
  // After a longer silence a packet may not be plain: it may open a leg, or find round trips given up.
  const int64_t plain_gap_ns_;
  const int64_t touch_timeout_ns_;  // after so long an open leg is over when a packet touches it
  EngineLinks& links_;
  SensorView& sensor_;
  WorkerCounters counters_;
  PacketNotes notes_;
  Merge merge_;
  LegTable legs_;
  TcpFlowPool flows_;
  CarriedPackets carried_;
  TcpFlow scratch_flow_{};
  CaptureTraces traces_;
  EarlyLog log_;
  LegExpiry expiry_;  // offline
  Outbox<LegEvent> leg_events_;
  size_t legs_told_ = 0;  // live legs that the correlator knows of
  Outbox<FateEvent> fate_events_;
  PairTable pairs_;
  Recogniser recogniser_;
  const size_t markers_max_;  // that may wait in one of these; packets do not
  std::vector<Outbox<PairSighting>> forward_;
  std::vector<Staging<PairSighting>> inbox_;
  Staging<Command> commands_;
  std::vector<PairSighting> same_release_;  // of the inbox
  std::vector<PairSighting> joining_;       // two legs of this worker
  std::array<uint8_t, kExcerptBytesMax> excerpt_buffer_;
  std::span<const uint8_t> excerpt_;   // of the packet that is being taken
  int64_t reached_ns_ = kBeforeAllNs;  // order time of the last sighting
  size_t sweep_at_ = 0, closing_at_ = 0, packets_unswept_ = 0;
  int64_t sweep_round_ns_ = kBeforeAllNs;
  Phase phase_ = Phase::running;
};

}  // namespace parallax
