#include "analysis/worker/analysis_worker.h"

#include <algorithm>

namespace parallax {
namespace {

constexpr size_t kBurstsPerPoll = 2;
constexpr size_t kInboxPerPoll = 4096;
constexpr size_t kPairsClosedPerPoll = 4096;
constexpr size_t kSweepPerPoll = 16;  // slots looked at, when there is nothing else to do
// Under load a slot for so many packets: a sweep reads lines that no packet of the burst needs, and a report costs the
// correlator's look-ups (with 1 M legs 1 us and more in all; at 16 slots a poll that was 130 ns a packet). 65,536 slots are swept
// in 8 M packets.
constexpr size_t kPacketsPerSweptSlot = 128;

PairLimits pair_limits(const EngineOptions& options) {
  return {.pairs = options.offline ? 1024 : pair_capacity(options),
          .pending = options.offline ? 4096 : std::max<size_t>(options.legs, 65536),
          .device_timeout_ns = options.device_timeout_ns,
          .offline = options.offline,
          .points = options.path.size()};
}

}  // namespace

AnalysisWorker::AnalysisWorker(size_t index, const EngineOptions& options, EngineLinks& links, SensorView& sensor)
    : index_(index),
      options_(options),
      links_(links),
      sensor_(sensor),
      notes_(options.record_packets),
      merge_(sensor, index, options.offline, options.merge_wait_ns),
      store_(index, options),
      fate_events_(*links.fate_events[index], waiting_max::fate_events(options)),
      pairs_(static_cast<uint8_t>(index), pair_limits(options), sensor, counters_, fate_events_, notes_),
      inbox_(index, options, links),
      protocol_parser_({.legs = store_.legs.capacity(),
                        .states = options.recognised_legs,
                        .buffers = options.message_buffers,
                        .offline = options.offline},
                       *links.recognitions[index], counters_),
      reporter_(options, links, sensor, counters_, store_),
      forwarder_(options, links, sensor, counters_, store_, pairs_),
      lifecycle_(options, links, counters_, store_, reporter_, forwarder_, protocol_parser_),
      tracker_(options, sensor, counters_, notes_, store_, reporter_, forwarder_, lifecycle_, protocol_parser_) {}

bool AnalysisWorker::poll() {
  reporter_.flush();
  fate_events_.flush();
  protocol_parser_.outbox().flush();
  forwarder_.flush();
  bool busy = false;
  if (phase_ == Phase::running) {
    busy = process_sightings();
    publish_progress();
    busy |= process_inbox();
    // The last pairings may take effect after the last packet: the early logs still have to be replayed.
    if (merge_.done_ns() == kTimeMax && links_.correlator_done_ns.load(std::memory_order_acquire) == kTimeMax) {
      forwarder_.fetch_commands();
      // It may have decided since process_sightings() asked.
      decided_ns_ = kTimeMax;
      carry_out_until(kTimeMax);
      if (options_.offline) expire_until(last_packet_ns() + 1);
      if (lifecycle_.close_some(last_packet_ns())) phase_ = Phase::closing_pairs;
      busy = true;
    }
  } else if (phase_ == Phase::closing_pairs) {
    if (forwarder_.empty() && reporter_.empty() && protocol_parser_.outbox().empty()) {
      links_.progress[index_].forwarded_ns.store(kTimeMax, std::memory_order_release);
      links_.progress[index_].legs_closed.store(true, std::memory_order_release);
    }
    const bool all_closed = all_legs_closed();
    busy = process_inbox();
    if (all_closed && !busy) {
      if (pairs_.finish_some(kPairsClosedPerPoll)) phase_ = Phase::finished;
      busy = true;
    }
  }
  if (phase_ == Phase::finished && fate_events_.empty() && reporter_.empty() && protocol_parser_.outbox().empty()) {
    links_.progress[index_].finished.store(true, std::memory_order_release);
  }
  return busy;
}

int64_t AnalysisWorker::gate() const {
  if (!options_.offline) return kTimeMax;
  const int64_t decided = links_.correlator_done_ns.load(std::memory_order_acquire);
  if (decided == kTimeMax || decided == kTimeMin) return decided;
  return (epoch_of(decided) + 2) * kEpochNs;
}

// Live: where the correlator lags (it may share this thread), sightings wait in their rings as long as these have room; only then
// are events dropped rather than packets.
bool AnalysisWorker::must_wait_for_correlator() const {
  if (options_.offline || reporter_.ring_room() >= 2 * Merge::kBurst) return false;
  return std::all_of(sensor_.channels().begin(), sensor_.channels().end(), [this](const PortChannel* channel) {
    const auto& input = *channel->rings[index_];
    return input.size() < input.capacity() / 2;
  });
}

bool AnalysisWorker::process_sightings() {
  size_t packets = 0;
  for (size_t i = 0; i < kBurstsPerPoll; ++i) {
    const int64_t gate_ns = decided_ns_ = gate();
    forwarder_.fetch_commands();  // after the gate: what was decided for the time before it is there
    if (!options_.offline) forwarder_.apply_commands(kTimeMax, not_before_ns());
    if (must_wait_for_correlator()) break;
    const auto burst = merge_.next(gate_ns);
    if (burst.empty()) break;
    packets += burst.size();
    tracker_.take_burst(burst);
  }
  counters_.packets.add(packets);
  counters_.late_packets.add(merge_.late() - counters_.late_packets.get());
  // The merge has released everything before done: time goes on also where nothing comes.
  if (const int64_t now_ns = merge_.done_ns(); now_ns != kTimeMin && now_ns != kTimeMax) {
    if (!options_.offline) {
      sweep(std::max(now_ns, tracker_.reached_ns()), sweep_budget(packets));
    } else {
      carry_out_until(now_ns);
      expire_until(now_ns);
    }
  } else if (options_.offline && now_ns == kTimeMax) {
    // No packet comes any more with which those would take effect that others rely on by now.
    if (decided_ns_ != kTimeMin) carry_out_until(decided_ns_ == kTimeMax ? kTimeMax : decided_ns_ - 1);
    expire_until(last_packet_ns() + 1);
  }
  return packets > 0;
}

void AnalysisWorker::publish_progress() {
  int64_t done_ns = merge_.done_ns();
  // What still waits for room in a ring has not been said yet. Live, whatever went into the ring before it may be processed, also
  // what bears the same time: else a ring full of one time would never empty.
  const auto hold = [&](int64_t time_ns) { done_ns = std::min(done_ns, options_.offline ? time_ns : time_ns + 1); };
  if (!forwarder_.empty()) hold(forwarder_.first_waiting_ns());
  if (const LegEvent* first = reporter_.first_waiting()) hold(first->packet.order_ns);
  // Nor has the end of what may be forgotten before that; what would be later than the last packet ends with the input.
  if (done_ns != kTimeMax || lifecycle_.next_expiry_ns() <= last_packet_ns())
    done_ns = std::min(done_ns, lifecycle_.next_expiry_ns());
  if (const RecognitionEvent* first = protocol_parser_.outbox().first_waiting()) hold(first->order_ns);
  auto& published = links_.progress[index_].done_ns;
  if (done_ns > published.load(std::memory_order_relaxed)) published.store(done_ns, std::memory_order_release);
  const int64_t forwarded_ns = std::min(done_ns, decided_ns_);
  auto& forwarded = links_.progress[index_].forwarded_ns;
  if (forwarded_ns > forwarded.load(std::memory_order_relaxed)) forwarded.store(forwarded_ns, std::memory_order_release);
}

bool AnalysisWorker::process_inbox() {
  // Offline at the end of the input, too: others may still have to send what comes before the end of legs here. Live there may be
  // no room for what would have to wait.
  const bool waits = phase_ == Phase::running || (options_.offline && !all_legs_closed());
  int64_t horizon_ns = kTimeMax;
  for (const WorkerProgress& progress : links_.progress)
    horizon_ns = std::min(horizon_ns, progress.forwarded_ns.load(std::memory_order_acquire));
  if (!inbox_.fetch()) return false;
  forwarder_.fetch_commands();  // after the inbox: a pair is opened before its first packet is sent
  bool busy = false;
  for (size_t worked = 0; worked < kInboxPerPoll && !inbox_.empty();) {
    const int64_t release_ns = inbox_.next_ns();
    if (release_ns >= horizon_ns && waits) break;
    forwarder_.apply_commands(options_.offline ? release_ns : kTimeMax, not_before_ns());
    const std::vector<PairSighting>& packets = inbox_.take_next();
    for (const PairSighting& s : packets) pairs_.take(s);
    worked += packets.size();
    busy = true;
  }
  return busy;
}

bool AnalysisWorker::all_legs_closed() const {
  return std::all_of(links_.progress.begin(), links_.progress.end(),
                     [](const WorkerProgress& p) { return p.legs_closed.load(std::memory_order_acquire); });
}

// Commands, each after the legs that are over before it takes effect; so none beyond what the correlator has decided, though it
// may be here already.
void AnalysisWorker::carry_out_until(int64_t now_ns) {
  now_ns = std::min(now_ns, decided_ns_);
  for (int64_t at_ns = forwarder_.next_command_ns(); at_ns <= now_ns && at_ns != kTimeMax; at_ns = forwarder_.next_command_ns()) {
    expire_until(std::min(at_ns, last_packet_ns() + 1));
    forwarder_.apply_commands(at_ns, not_before_ns());
  }
  forwarder_.apply_commands(now_ns, not_before_ns());
}

// Where no packet comes before `now_ns`, and as far as the correlator has decided what was before and it is known here.
void AnalysisWorker::expire_until(int64_t now_ns) { lifecycle_.expire_before(std::min(now_ns, decided_ns_), 0); }

int64_t AnalysisWorker::last_packet_ns() const {
  int64_t last_ns = kTimeMin;
  for (const PortChannel* channel : sensor_.channels())
    last_ns = std::max(last_ns, channel->covered_to_ns.load(std::memory_order_acquire));
  return last_ns;
}

// How many slots a poll that has processed `packets` may sweep.
size_t AnalysisWorker::sweep_budget(size_t packets) {
  if (packets == 0) return kSweepPerPoll;
  packets_unswept_ += packets;
  const size_t slots = packets_unswept_ / kPacketsPerSweptSlot;
  packets_unswept_ %= kPacketsPerSweptSlot;
  return slots;
}

void AnalysisWorker::sweep(int64_t now_ns, size_t budget) {
  lifecycle_.sweep(now_ns, budget);
  pairs_.sweep(budget, std::min(now_ns, merge_.done_ns()), LegLifecycle::kSweepRoundNs);
}

}  // namespace parallax
