#include "analysis/worker/analysis_worker.h"

#include <algorithm>

#include "analysis/tcp/plain_packet.h"
#include "analysis/tcp/tcp_labels.h"

namespace parallax {
namespace {

constexpr size_t kBurstsPerPoll = 2;
constexpr size_t kLogSlotsLeast = 1 << 14;
constexpr size_t kLegsPerTrace = 16, kTracesLeast = 256;

PairLimits pair_limits(const EngineOptions& options) {
  return {.pairs = options.offline ? 1024 : pair_capacity(options),
          .pending = options.offline ? 4096 : std::max<size_t>(options.legs, 65536),
          .sketches = options.offline ? 0 : std::min<size_t>(options.legs, 8192),
          .device_timeout_ns = options.device_timeout_ns,
          .offline = options.offline};
}

Side side_in(const LegHot& hot, const OrientedKey& key) {
  return (key.source == KeyMatch::source_is_low) == ((hot.flags & leg_flag::client_is_low) != 0) ? Side::client : Side::server;
}

}  // namespace

AnalysisWorker::AnalysisWorker(size_t index, const EngineOptions& options, EngineLinks& links, SensorView& sensor)
    : index_(index),
      options_(options),
      points_(options.path.size()),
      plain_gap_ns_(std::min(options.idle_timeout_ns, round_trip::kLongestNs)),
      touch_timeout_ns_(options.offline ? kNeverIdle : options.idle_timeout_ns),
      links_(links),
      sensor_(sensor),
      notes_(options.record_packets),
      merge_(sensor.channels(), index, options.offline, options.merge_wait_ns),
      legs_(options.legs),
      flows_(std::max<size_t>(options.legs, 64), options.offline),
      traces_(options.offline ? 0 : std::max(options.legs / kLegsPerTrace, kTracesLeast), options.offline),
      log_(points_ < 2 ? 0 : std::max(options.legs / 2, kLogSlotsLeast), options.offline),
      leg_events_(*links.leg_events[index], waiting_max::leg_events(options)),
      fate_events_(*links.fate_events[index], waiting_max::fate_events(options)),
      pairs_(static_cast<uint8_t>(index), pair_limits(options), sensor, counters_, fate_events_, notes_),
      recogniser_({.legs = legs_.capacity(),
                   .states = options.recognised_legs,
                   .buffers = options.message_buffers,
                   .offline = options.offline},
                  *links.recognitions[index], counters_),
      markers_max_(waiting_max::markers(options)),
      commands_(1024, options.offline) {
  for (size_t w = 0; w < links.workers(); ++w) {
    forward_.emplace_back(links.forward_ring(index, w), waiting_max::live(options, markers_max_));
    inbox_.emplace_back(4096, options.offline);
  }
  same_release_.reserve(1024);
  joining_.reserve(1024);
}

bool AnalysisWorker::poll() {
  leg_events_.flush();
  fate_events_.flush();
  recogniser_.outbox().flush();
  for (auto& outbox : forward_) outbox.flush();
  bool busy = false;
  if (phase_ == Phase::running) {
    busy = work_off_sightings();
    publish_progress();
    busy |= work_off_inbox();
    // The last pairings may take effect after the last packet: the early logs still have to be replayed.
    if (merge_.done_ns() == kAfterAllNs && links_.correlator_done_ns.load(std::memory_order_acquire) == kAfterAllNs) {
      apply_commands(kAfterAllNs);
      if (close_some()) phase_ = Phase::closing_pairs;
      busy = true;
    }
  } else if (phase_ == Phase::closing_pairs) {
    if (std::all_of(forward_.begin(), forward_.end(), [](const auto& outbox) { return outbox.empty(); })) {
      links_.progress[index_].legs_closed.store(true, std::memory_order_release);
    }
    const bool all_closed = std::all_of(links_.progress.begin(), links_.progress.end(),
                                        [](const WorkerProgress& p) { return p.legs_closed.load(std::memory_order_acquire); });
    busy = work_off_inbox();
    if (all_closed && !busy) {
      pairs_.finish();
      phase_ = Phase::finished;
      busy = true;
    }
  }
  if (phase_ == Phase::finished && fate_events_.empty() && leg_events_.empty() && recogniser_.outbox().empty()) {
    links_.progress[index_].finished.store(true, std::memory_order_release);
  }
  return busy;
}

int64_t AnalysisWorker::gate() const {
  if (!options_.offline) return kAfterAllNs;
  const int64_t decided = links_.correlator_done_ns.load(std::memory_order_acquire);
  if (decided == kAfterAllNs || decided == kBeforeAllNs) return decided;
  return (epoch_of(decided) + 2) * kEpochNs;
}

// Live: where the correlator lags (it may share this thread), sightings wait in their rings as long as these have room; only then
// are events dropped rather than packets.
bool AnalysisWorker::must_wait_for_correlator() const {
  const auto& ring = *links_.leg_events[index_];
  if (options_.offline || ring.capacity() - ring.size() >= 2 * Merge::kBurst) return false;
  return std::all_of(sensor_.channels().begin(), sensor_.channels().end(), [this](const PortChannel* channel) {
    const auto& input = *channel->rings[index_];
    return input.size() < input.capacity() / 2;
  });
}

// Inline by order: GCC takes a function that only prefetches for one without effect, and drops the calls.
[[gnu::always_inline]] inline void AnalysisWorker::prefetch_beyond_leg(uint32_t leg) const {
  if (leg == kNone) return;
  if (const uint32_t flow = legs_.flow(leg); flow != kNone) flows_.prefetch(flow);
  if (points_ < 2) return;
  const LegHot& hot = legs_.hot(leg);
  for (size_t slot = 0; slot < 2; ++slot) {
    if (hot.pair[slot] != kNone && hot.pair_home[slot] == kLocal) pairs_.prefetch(pair_ref::index(hot.pair[slot]));
  }
}

template <Side from>
bool AnalysisWorker::take_plain_from(const Sighting& s, uint32_t leg, LegHot& hot, TcpFlow& flow) {
  if (!take_plain_packet<from>(hot, flow, s)) return false;
  const RoundTripSamples samples = take_plain_times<from>(flow.times, hot, legs_.cold(leg), s);
  if (samples.any()) count_round_trips(samples, s, from);
  hot.flags |= leg_flag::reported_stale;
  if (notes_.wanted()) note_leg_packet(s, leg, 0);
  if (!excerpt_.empty()) [[unlikely]]
    recognise(leg, s, from);
  if (points_ > 1) follow(leg, s, from, Sameness::fresh);
  return true;
}

// Nearly all packets of TCP. False: it is another one, and nothing was done.
[[gnu::always_inline]] inline bool AnalysisWorker::take_plain(const Sighting& s, uint32_t leg, KeyMatch source) {
  const uint32_t flow = legs_.flow(leg);
  LegHot& hot = legs_.hot(leg);
  if (flow == kNone || s.order_ns - hot.last_ns > plain_gap_ns_) return false;
  const bool client_is_low = hot.flags & leg_flag::client_is_low;
  return client_is_low == (source == KeyMatch::source_is_low) ? take_plain_from<Side::client>(s, leg, hot, flows_[flow])
                                                              : take_plain_from<Side::server>(s, leg, hot, flows_[flow]);
}

// In blocks: while one is worked off, the cache lines come that the blocks behind it need, the bucket first, then the leg, then
// what lies beyond it. With larger blocks lines are lost again before their turn, with smaller ones they are late (bench, 100 k
// connections: 96 ns a packet with blocks of 4, 80 with 16, 93 with 32).
void AnalysisWorker::work_off(std::span<Sighting* const> burst) {
  constexpr size_t kBlock = 16, kStages = 4;
  std::array<uint64_t, Merge::kBurst> hashes;
  std::array<uint32_t, Merge::kBurst> guesses;
  for (size_t begin = 0; begin < burst.size() + (kStages - 1) * kBlock; begin += kBlock) {
    // Inline by order, as above.
    const auto stage = [&](size_t number, auto&& work) __attribute__((always_inline)) {
      if (begin < number * kBlock) return;
      const size_t first = begin - number * kBlock;
      for (size_t k = first; k < std::min(first + kBlock, burst.size()); ++k) work(k);
    };
    stage(
        0, [&](size_t k) __attribute__((always_inline)) {
          hashes[k] = leg_hash_of(*burst[k]);
          legs_.prefetch(hashes[k]);
        });
    stage(
        1, [&](size_t k) __attribute__((always_inline)) { guesses[k] = legs_.guess(hashes[k]); });
    stage(
        2, [&](size_t k) __attribute__((always_inline)) { prefetch_beyond_leg(guesses[k]); });
    stage(
        3, [&](size_t k) __attribute__((always_inline)) {
          const Sighting& s = *burst[k];
          if (options_.offline) {
            if (expiry_.next_ns() <= s.order_ns) [[unlikely]]
              expire_before(s.order_ns, s.point);
            apply_commands(s.order_ns);
          }
          reached_ns_ = s.order_ns;
          excerpt_ = s.has(SightingFlag::has_excerpt) ? excerpt_of(s) : std::span<const uint8_t>{};
          const KeyMatch match = legs_.match(guesses[k], s);
          if (match != KeyMatch::none && take_plain(s, guesses[k], match)) [[likely]]
            return;
          take(s, hashes[k], match != KeyMatch::none ? guesses[k] : kNone);
        });
  }
}

bool AnalysisWorker::work_off_sightings() {
  size_t packets = 0;
  for (size_t i = 0; i < kBurstsPerPoll; ++i) {
    const int64_t gate_ns = gate();
    commands_.fill(*links_.commands[index_]);  // after the gate: what was decided for the time before it is there
    if (!options_.offline) apply_commands(kAfterAllNs);
    if (must_wait_for_correlator()) break;
    const auto burst = merge_.next(gate_ns);
    if (burst.empty()) break;
    packets += burst.size();
    work_off(burst);
  }
  counters_.packets.add(packets);
  counters_.late_packets.add(merge_.late() - counters_.late_packets.get());
  // The merge has released everything before done: time goes on also where nothing comes.
  if (const int64_t now_ns = merge_.done_ns(); now_ns != kBeforeAllNs && now_ns != kAfterAllNs) {
    if (!options_.offline) {
      sweep(std::max(now_ns, reached_ns_), sweep_budget(packets));
    } else {
      expire_until(now_ns);
      apply_commands(now_ns);
    }
  } else if (options_.offline && now_ns == kAfterAllNs) {
    expire_until(last_packet_ns() + 1);
  }
  return packets > 0;
}

void AnalysisWorker::publish_progress() {
  int64_t done_ns = merge_.done_ns();
  // What still waits for room in a ring has not been said yet. Live, whatever went into the ring before it may be processed, also
  // what bears the same time: else a ring full of one time would never empty.
  const auto hold = [&](int64_t time_ns) { done_ns = std::min(done_ns, options_.offline ? time_ns : time_ns + 1); };
  for (const auto& outbox : forward_) {
    if (const PairSighting* first = outbox.first_waiting()) hold(first->release_ns);
  }
  if (const LegEvent* first = leg_events_.first_waiting()) hold(first->packet.order_ns);
  // Nor has the end of what may be forgotten before that; what would be later than the last packet ends with the input.
  if (done_ns != kAfterAllNs || expiry_.next_ns() <= last_packet_ns()) done_ns = std::min(done_ns, expiry_.next_ns());
  if (const RecognitionEvent* first = recogniser_.outbox().first_waiting()) hold(first->order_ns);
  auto& published = links_.progress[index_].done_ns;
  if (done_ns > published.load(std::memory_order_relaxed)) published.store(done_ns, std::memory_order_release);
}

bool AnalysisWorker::work_off_inbox() {
  if (points_ < 2) return false;
  int64_t horizon_ns = kAfterAllNs;
  if (phase_ == Phase::running) {
    for (const WorkerProgress& progress : links_.progress)
      horizon_ns = std::min(horizon_ns, progress.done_ns.load(std::memory_order_acquire));
  }
  bool any = false;
  for (size_t w = 0; w < inbox_.size(); ++w) {
    inbox_[w].fill(links_.forward_ring(w, index_));
    any |= !inbox_[w].empty();
  }
  if (!any) return false;
  commands_.fill(*links_.commands[index_]);  // after the inbox: a pair is opened before its first packet is sent
  bool busy = false;
  for (size_t worked = 0; worked < 4096;) {
    int64_t release_ns = kAfterAllNs;
    for (const auto& inbox : inbox_) {
      if (!inbox.empty()) release_ns = std::min(release_ns, inbox.front().release_ns);
    }
    if (std::all_of(inbox_.begin(), inbox_.end(), [](const auto& inbox) { return inbox.empty(); })) break;
    if (release_ns >= horizon_ns && phase_ == Phase::running) break;
    // What is released at the same time comes in the packets' own order: the replayed logs of two legs interleave here.
    same_release_.clear();
    for (auto& inbox : inbox_) {
      for (; !inbox.empty() && inbox.front().release_ns == release_ns; inbox.pop()) same_release_.push_back(inbox.front());
    }
    if (same_release_.size() > 1) std::sort(same_release_.begin(), same_release_.end(), in_total_order);
    apply_commands(options_.offline ? release_ns : kAfterAllNs);
    for (const PairSighting& s : same_release_) pairs_.take(s);
    worked += same_release_.size();
    busy = true;
  }
  return busy;
}

void AnalysisWorker::apply_commands(int64_t now_ns) {
  for (; !commands_.empty() && commands_.front().effective_ns <= now_ns; commands_.pop()) {
    const Command& command = commands_.front();
    const int64_t effective_ns = std::max(command.effective_ns, options_.offline ? kBeforeAllNs : reached_ns_);
    command.type == CommandType::open_pair ? open_pair(command, effective_ns) : join(command, effective_ns);
  }
}

// ---- legs ----

// Any packet. `known`: its leg, if that is known already.
void AnalysisWorker::take(const Sighting& s, uint64_t hash, uint32_t known) {
  if (s.has(SightingFlag::arp) || s.protocol == 0) return;
  if (s.protocol != ip_protocol::tcp && s.protocol != ip_protocol::udp) return;
  if (s.has(SightingFlag::later_fragment) && s.source_port == 0 && s.destination_port == 0) return;
  const OrientedKey key = leg_key_of(s);
  if (s.has(SightingFlag::later_fragment) && s.protocol == ip_protocol::tcp && s.payload_length > 0) {
    if (const uint32_t leg = legs_.find(hash, key.key); leg != kNone) take_later_fragment(s, key, leg);
    return;
  }
  if (s.has(SightingFlag::icmp_quote) || (s.has(SightingFlag::later_fragment) && s.protocol == ip_protocol::tcp)) {
    // Attributed to its leg, but not a packet of its sequence space.
    const bool completes = s.has(SightingFlag::tunnelled) && s.has(SightingFlag::later_fragment);
    const uint32_t leg = notes_.wanted() || completes ? legs_.find(hash, key.key) : kNone;
    if (leg != kNone) {
      note_leg_packet(s, leg, completes ? label_carried(leg) : 0);
    }
    return;
  }
  take_leg_packet(s, key, hash, known != kNone ? known : legs_.find(hash, key.key));
}

void AnalysisWorker::note_leg_packet(const Sighting& s, uint32_t leg, uint32_t labels) {
  notes_.add({.order_ns = s.order_ns,
              .time_ns = s.time_ns,
              .leg = id_of(leg).value(),
              .frame = s.frame,
              .labels = labels,
              .peer_frame = 0,
              .port = s.port,
              .peer_port = 0,
              .point = s.point});
}

void AnalysisWorker::take_later_fragment(const Sighting& s, const OrientedKey& key, uint32_t leg) {
  LegHot& hot = legs_.hot(leg);
  LegCold& cold = legs_.cold(leg);
  const Side from = side_in(hot, key);
  const Sameness same = traces_.take(hot, cold, s, from);
  TcpFlow& flow = flow_of(leg, s);
  take_fragment(hot, cold, flow, s, from, same);
  if (same == Sameness::fresh) note_times(flow.times, leg, s, from, {}, 0);
  hot.flags |= leg_flag::reported_stale;
  if (notes_.wanted()) note_leg_packet(s, leg, 0);
  if (points_ > 1) follow(leg, s, from, same);
}

void AnalysisWorker::take_leg_packet(const Sighting& s, const OrientedKey& key, uint64_t hash, uint32_t leg) {
  bool opened = leg == kNone, reused = false;
  if (opened) {
    leg = open_leg(s, key, hash);
  } else if (starts_new_leg(legs_.hot(leg), legs_.cold(leg), s, side_in(legs_.hot(leg), key), touch_timeout_ns_)) [[unlikely]] {
    reused =
        s.protocol == ip_protocol::tcp && (s.tcp_flags & tcp_flag::syn) && s.order_ns - legs_.hot(leg).last_ns < kPortMemoryNs;
    leg = open_leg_after(leg, s, key, hash);
    opened = true;
  }
  if (leg == kNone) return;

  LegHot& hot = legs_.hot(leg);
  Side from = side_in(hot, key);
  uint32_t labels = 0;
  Sameness same;
  if (s.protocol == ip_protocol::udp) {
    same = traces_.take_datagram(hot, legs_.cold(leg), s, from);
    const bool was_answered = hot.packets[0] > 0 && hot.packets[1] > 0;
    const LegStep step = udp_step(hot, legs_.cold(leg), s, from, same);
    const bool flipped = step.what & leg_step::flipped;
    if (flipped) from = Side::client, traces_.flip(hot, legs_.cold(leg));
    if (opened) send_packet_event(leg, LegEventType::opened, s, from);
    if (!was_answered && hot.packets[0] > 0 && hot.packets[1] > 0) {
      legs_.move_to(leg, LegList::open);
      send_packet_event(leg, LegEventType::established, s, from);
    }
  } else {
    same = traces_.take(hot, legs_.cold(leg), s, from);
    TcpFlow& flow = flow_of(leg, s);
    uint8_t notes = s.order_ns - hot.last_ns > round_trip::kLongestNs ? times_note::paused : 0;
    if (flow.half[index_of(from)].holes > 0 && fills_hole(flow, from, {s.seq, s.seq + s.payload_length}))
      notes |= times_note::fills_hole;
    const LegStep step = tcp_step(hot, legs_.cold(leg), flow, s, from, same);
    labels = step.labels;
    if (reused) labels |= bit(PacketLabel::reused_ports);
    if (step.what & leg_step::sent_again) counters_.retransmissions[s.point][index_of(from)][retransmission_kind(labels)].add();
    if (step.needless) note_needless(*step.needless, s, from);
    if (step.what & leg_step::flipped) {
      from = Side::client;  // what the pairs have been told went the other way
      traces_.flip(hot, legs_.cold(leg));
      for (size_t slot = 0; slot < 2; ++slot) leave_pair(leg, slot, PairSighting::Kind::abandon, facts_of(s, from));
    }
    if (same != Sameness::copy) note_times(flow.times, leg, s, from, step, notes);
    const bool handshake = step.what & (leg_step::attempt | leg_step::syn_ack);
    if (opened) {
      send_packet_event(leg, LegEventType::opened, s, from, !handshake);
      if (!handshake) legs_.move_to(leg, LegList::open);
    }
    if (step.what) {
      if ((step.what & leg_step::attempt) && !opened) send_packet_event(leg, LegEventType::attempt, s, from);
      if ((step.what & leg_step::syn_ack) && !opened) send_packet_event(leg, LegEventType::syn_ack, s, from);
      if (step.what & leg_step::established) {
        legs_.move_to(leg, LegList::open);
        send_packet_event(leg, LegEventType::established, s, from);
        count_handshake(legs_.cold(leg), s.point);
      }
      if (step.what & leg_step::refused) send_packet_event(leg, LegEventType::refused, s, from);
      if (step.what & leg_step::reset) send_packet_event(leg, LegEventType::reset, s, from);
      if (step.what & leg_step::closed) legs_.move_to(leg, LegList::closed);
    }
  }
  if (s.has(SightingFlag::carrier_fragment) && s.protocol == ip_protocol::tcp) [[unlikely]]
    carried_.keep(id_of(leg), from, s);
  hot.flags |= leg_flag::reported_stale;
  if (notes_.wanted()) note_leg_packet(s, leg, labels);
  if (!excerpt_.empty()) [[unlikely]]
    recognise(leg, s, from);
  if (points_ > 1 && s.protocol == ip_protocol::tcp) follow(leg, s, from, same);
}

// The leg is over, and `s` opens the next one on its five-tuple; in midstream that goes on with the sequence numbers.
uint32_t AnalysisWorker::open_leg_after(uint32_t leg, const Sighting& s, const OrientedKey& key, uint64_t hash) {
  const LegHot& hot = legs_.hot(leg);
  std::optional<SequenceSpace> before;
  if (s.protocol == ip_protocol::tcp && !(s.tcp_flags & tcp_flag::syn) && s.order_ns - hot.last_ns < kPortMemoryNs) {
    before.emplace(hot, legs_.flow(leg) == kNone ? TcpFlow{} : flows_[legs_.flow(leg)]);
  }
  close_leg(leg, facts_of(s, Side::client), idle_over(hot, s.order_ns, touch_timeout_ns_) ? Ending::idle : Ending::over);
  leg = open_leg(s, key, hash);
  if (before && leg != kNone)
    before->hand_to(legs_.hot(leg), take_flow(leg));  // idle for longer than a leg lives, and it goes on
  return leg;
}

// The rest of a carrier has come: now Wireshark would see the packet in it.
uint32_t AnalysisWorker::label_carried(uint32_t leg) {
  const auto packet = carried_.take(id_of(leg));
  if (!packet || legs_.flow(leg) == kNone) return 0;
  TcpFlow& flow = flows_[legs_.flow(leg)];
  const uint32_t labels = label_packet(legs_.hot(leg), legs_.cold(leg), flow, packet->sighting, packet->from);
  settle_plain(legs_.hot(leg), flow);
  return labels;
}

// The packet that was sent in vain came earlier, from the other side: its label is added to it.
void AnalysisWorker::note_needless(const TcpFlow::Again& again, const Sighting& s, Side from) {
  counters_.needless_retransmissions[s.point][index_of(other(from))].add();
  notes_.add({.order_ns = s.order_ns,
              .time_ns = s.time_ns,
              .leg = 0,
              .frame = again.frame,
              .labels = bit(PacketLabel::needless_retransmission),
              .peer_frame = 0,
              .port = again.port,
              .peer_port = 0,
              .point = s.point});
}

// A SYN alone and without data needs no record, so that a flood of them takes none from the legs that are at work.
TcpFlow& AnalysisWorker::flow_of(uint32_t leg, const Sighting& s) {
  uint32_t& flow = legs_.flow(leg);
  if (flow != kNone) return flows_[flow];
  if ((s.tcp_flags & (tcp_flag::syn | tcp_flag::ack)) == tcp_flag::syn && s.payload_length == 0) return scratch_flow_ = {};
  return take_flow(leg);
}

TcpFlow& AnalysisWorker::take_flow(uint32_t leg) {
  uint32_t& flow = legs_.flow(leg);
  flow = flows_.take(
      leg, [this](uint32_t other) { return legs_.hot(other).last_ns; },
      [this](uint32_t other) {
        legs_.flow(other) = kNone;
        counters_.flows_evicted.add();
      });
  return flows_[flow];
}

void AnalysisWorker::note_times(FlowTimes& times, uint32_t leg, const Sighting& s, Side from, const LegStep& step,
                                uint8_t notes) {
  if (step.what & leg_step::established) notes |= times_note::established;
  const RoundTripSamples samples = take_times(times, legs_.hot(leg), legs_.cold(leg), s, from, step.labels, notes);
  if (samples.any()) count_round_trips(samples, s, from);
}

// What is shorter than the stamp may be wrong by is no sample: after a pause of the sensor everything has the time of its end.
void AnalysisWorker::count_round_trips(const RoundTripSamples& samples, const Sighting& s, Side from) {
  for (size_t method = 0; method < samples.ticks.size(); ++method) {
    if (samples.ticks[method] == 0) continue;
    const int64_t ns = to_ns(samples.ticks[method]);
    if (ns >= int64_t{s.stamp_uncertainty_ns}) {
      counters_.rtt[s.point][index_of(from)][method].add(ns);
    } else {
      counters_.round_trips_uncertain.add();
    }
  }
}

void AnalysisWorker::count_handshake(const LegCold& cold, PointIndex point) {
  for (const Side answered : {Side::client, Side::server}) {
    if (const auto ns = cold.handshake_trip_ns(answered)) {
      counters_.handshake_rtt[point][index_of(answered)].add(*ns);
    } else if (cold.saw_handshake(answered)) {
      counters_.round_trips_uncertain.add();
    }
  }
}

}  // namespace parallax
