#include "analysis/worker/leg_tracker.h"

#include <algorithm>
#include <optional>

#include "analysis/model/address_scope.h"
#include "analysis/tcp/fast_path.h"
#include "analysis/tcp/sequence_space.h"
#include "analysis/tcp/tcp_labels.h"
#include "analysis/tcp/tcp_payload_sum.h"

namespace parallax {
namespace {

constexpr size_t kHintRoomLeast = 1024;

Side side_in(const LegHot& hot, const OrientedKey& key) {
  return (key.source == KeyMatch::source_is_low) == ((hot.flags & leg_flag::client_is_low) != 0) ? Side::client : Side::server;
}

// Sooner than a sender's timer has it sent again (RFC 6298 asks for 1 s, Linux takes 200 ms), and nobody has asked for it.
bool is_prompt(const TcpFlow& flow, const Sighting& s, Side from) {
  constexpr uint32_t timer_us = 100'000;
  return microseconds_of(s.time_ns) - flow.half[from].last_us <= timer_us && flow.half[opposite(from)].duplicate_acks == 0;
}
// Nothing but the acknowledgement and the window of the packet before it.
bool repeats_acknowledgement(const LegHot& hot, const TcpFlow& flow, const Sighting& s, Side from) {
  const TcpFlow::Half& own = flow.half[from];
  return s.payload_length == 0 && !(s.tcp_flags & tcp_flag::turning) && s.ack == own.last_ack && s.window == own.window &&
         s.seq == hot.next_seq[from] && (hot.seen & leg_seen::max_ack[from]);
}

// A RST that acknowledges all data of the other end and follows all of its sender's own.
bool had_everything(const LegHot& hot, const Sighting& s, Side from) {
  const Side other = opposite(from);
  return (s.tcp_flags & tcp_flag::ack) && hot.bytes[other] > 0 && s.seq == hot.next_seq[from] && s.ack == hot.next_seq[other];
}

}  // namespace

LegTracker::LegTracker(const EngineOptions& options, SensorView& sensor, WorkerCounters& counters, PacketNotes& notes,
                       LegStore& store, LegReporter& reporter, PairForwarder& forwarder, LegLifecycle& lifecycle,
                       ProtocolParser& protocol_parser)
    : offline_(options.offline),
      fast_path_gap_ns_(std::min(options.idle_timeout_ns, round_trip::kLongestNs)),
      touch_timeout_ns_(options.offline ? kNeverIdle : options.idle_timeout_ns),
      sensor_(sensor),
      counters_(counters),
      notes_(notes),
      store_(store),
      reporter_(reporter),
      forwarder_(forwarder),
      lifecycle_(lifecycle),
      protocol_parser_(protocol_parser) {}

// Forced inline, as PairForwarder::prefetch().
[[gnu::always_inline]] inline void LegTracker::prefetch_beyond_leg(uint32_t leg) const {
  if (leg == kNone) return;
  if (const uint32_t flow = store_.legs.flow(leg); flow != kNone) store_.flows.prefetch(flow);
  forwarder_.prefetch(leg);
}

template <Side from>
[[gnu::always_inline]] inline bool LegTracker::take_fast_path_from(const Sighting& s, uint32_t leg, LegHot& hot, TcpFlow& flow) {
  if (!take_on_fast_path<from>(hot, flow, s)) return false;
  const auto cold_of = [this, leg]() -> const LegCold& { return store_.legs.cold(leg); };
  const RoundTripSamples samples = take_times_on_fast_path<from>(flow.times, hot, cold_of, s);
  if (samples.any()) count_round_trips(samples, s, from);
  hot.flags |= leg_flag::reported_stale;
  if (notes_.wanted()) note_leg_packet(s, leg, 0);
  if (!payload_prefix_.empty()) [[unlikely]]
    recognise(leg, s, from);
  follow(leg, hot, s, from, DuplicateState::fresh);
  return true;
}

// Nearly all packets of TCP. False: it is another one, and nothing was done.
[[gnu::always_inline]] inline bool LegTracker::take_fast_path(const Sighting& s, uint32_t leg, KeyMatch source) {
  const uint32_t flow = store_.legs.flow(leg);
  LegHot& hot = store_.legs.hot(leg);
  if (flow == kNone || s.order_ns - hot.last_ns > fast_path_gap_ns_) return false;
  const bool client_is_low = hot.flags & leg_flag::client_is_low;
  return client_is_low == (source == KeyMatch::source_is_low)
             ? take_fast_path_from<Side::client>(s, leg, hot, store_.flows[flow])
             : take_fast_path_from<Side::server>(s, leg, hot, store_.flows[flow]);
}

// Offline: what takes effect and what is over before a packet, in the order of time, however long ago the one before it was.
void LegTracker::advance_to(int64_t order_ns, PointIndex point) {
  for (int64_t at_ns = forwarder_.next_command_ns(); at_ns <= order_ns; at_ns = forwarder_.next_command_ns()) {
    lifecycle_.expire_before(at_ns, 0);
    forwarder_.apply_commands(at_ns, kTimeMin);
  }
  lifecycle_.expire_before(order_ns, point);
}

// In blocks: while one is processed, the cache lines come that the blocks behind it need, the bucket first, then the leg, then
// what lies beyond it. With larger blocks lines are lost again before their turn, with smaller ones they are late (bench, 100 k
// connections: 96 ns a packet with blocks of 4, 80 with 16, 93 with 32).
void LegTracker::take_burst(std::span<Sighting* const> burst) {
  constexpr size_t kBlock = 16, kStages = 4;
  LegTable& legs = store_.legs;
  std::array<uint64_t, Merge::kBurst> hashes;
  std::array<uint32_t, Merge::kBurst> guesses;
  for (size_t begin = 0; begin < burst.size() + (kStages - 1) * kBlock; begin += kBlock) {
    // Forced inline, as above.
    const auto stage = [&](size_t number, auto&& work) __attribute__((always_inline)) {
      if (begin < number * kBlock) return;
      const size_t first = begin - number * kBlock, end = std::min(first + kBlock, burst.size());
      for (size_t k = first; k < end; ++k) work(k);
    };
    stage(
        0, [&](size_t k) __attribute__((always_inline)) {
          hashes[k] = leg_hash_of(*burst[k]);
          legs.prefetch(hashes[k]);
        });
    stage(
        1, [&](size_t k) __attribute__((always_inline)) { guesses[k] = legs.guess(hashes[k]); });
    stage(
        2, [&](size_t k) __attribute__((always_inline)) { prefetch_beyond_leg(guesses[k]); });
    stage(
        3, [&](size_t k) __attribute__((always_inline)) {
          const Sighting& s = *burst[k];
          if (offline_) advance_to(s.order_ns, s.point);
          reached_ns_ = s.order_ns;
          payload_prefix_ = s.has(SightingFlag::has_payload_prefix) ? payload_prefix_of(s) : std::span<const uint8_t>{};
          const KeyMatch match = legs.match(guesses[k], s);
          if (match != KeyMatch::none && take_fast_path(s, guesses[k], match)) [[likely]]
            return;
          take(s, hashes[k], match != KeyMatch::none ? guesses[k] : kNone);
        });
  }
}

// Any packet. `known`: its leg, if that is known already.
void LegTracker::take(const Sighting& s, uint64_t hash, uint32_t known) {
  if (s.has(SightingFlag::arp)) return take_arp(s);
  if (s.protocol != ip_protocol::tcp && s.protocol != ip_protocol::udp) return count_not_followed(s);
  if (s.has(SightingFlag::later_fragment) && s.source_port == 0 && s.destination_port == 0) return;
  const OrientedKey key = leg_key_of(s);
  if (s.has(SightingFlag::later_fragment) && s.protocol == ip_protocol::tcp && s.payload_length > 0) {
    if (const uint32_t leg = store_.legs.find(hash, key.key); leg != kNone) take_later_fragment(s, key, leg);
    return;
  }
  if (s.has(SightingFlag::icmp_quote)) return take_icmp_error(s, key, store_.legs.find(hash, key.key));
  if (s.has(SightingFlag::later_fragment) && s.protocol == ip_protocol::tcp) {
    // Attributed to its leg, but not a packet of its sequence space.
    const bool completes = s.has(SightingFlag::tunnelled) && s.has(SightingFlag::later_fragment);
    const uint32_t leg = notes_.wanted() || completes ? store_.legs.find(hash, key.key) : kNone;
    if (leg != kNone) {
      note_leg_packet(s, leg, completes ? label_carried(leg) : 0);
    }
    return;
  }
  take_leg_packet(s, key, hash, known != kNone ? known : store_.legs.find(hash, key.key));
}

// Belongs to the leg of the packet that it quotes, and is none of its packets.
void LegTracker::take_icmp_error(const Sighting& s, const OrientedKey& key, uint32_t leg) {
  if (leg == kNone) {
    const bool has_room = offline_ || reporter_.ring_room() >= kHintRoomLeast;
    if (!has_room || !reporter_.tell_stray_icmp_error(s)) counters_.hints_not_told.add();
    return;
  }
  if (notes_.wanted()) note_leg_packet(s, leg, 0);
  const Side about = side_in(store_.legs.hot(leg), key);
  tell_hint(leg, LegEventType::icmp_error, s, opposite(about), {.icmp = icmp_error_of(s)});
}

// Requests alone: who asks much is told, not who answers.
void LegTracker::take_arp(const Sighting& s) {
  constexpr uint16_t kRequest = 1;
  if (s.source_port != kRequest) return;
  const bool has_room = offline_ || reporter_.ring_room() >= kHintRoomLeast;
  if (!has_room || !reporter_.tell_arp_request(s)) counters_.hints_not_told.add();
}

// Of a fragmented one only the first fragment tells that it is an echo: hardly anything else of ICMP is as long.
void LegTracker::count_not_followed(const Sighting& s) {
  if (!may_be_routed(s.source, s.destination)) return;
  const uint8_t type = static_cast<uint8_t>(s.source_port >> 8);
  const bool is_later = s.has(SightingFlag::later_fragment);
  const bool is_echo = (s.protocol == ip_protocol::icmp && (is_later || type == 0 || type == 8)) ||
                       (s.protocol == ip_protocol::icmpv6 && (is_later || type == 128 || type == 129));
  counters_.not_followed[s.point][is_echo ? NotFollowed::icmp_echo : NotFollowed::other_protocols].add();
}

void LegTracker::note_leg_packet(const Sighting& s, uint32_t leg, uint32_t labels) {
  notes_.add({.order_ns = s.order_ns,
              .time_ns = s.time_ns,
              .leg = store_.id_of(leg).value(),
              .frame = s.frame,
              .labels = labels,
              .peer_frame = 0,
              .port = s.port,
              .peer_port = 0,
              .point = s.point});
}

void LegTracker::take_later_fragment(const Sighting& s, const OrientedKey& key, uint32_t leg) {
  LegHot& hot = store_.legs.hot(leg);
  LegCold& cold = store_.legs.cold(leg);
  const Side from = side_in(hot, key);
  const DuplicateState same = store_.traces.take(hot, cold, s, from);
  TcpFlow& flow = flow_of(leg, s);
  take_fragment(hot, cold, flow, s, from, same);
  if (same == DuplicateState::fresh) note_times(flow.times, leg, s, from, {}, 0);
  hot.flags |= leg_flag::reported_stale;
  if (notes_.wanted()) note_leg_packet(s, leg, 0);
  follow(leg, hot, s, from, same);
}

void LegTracker::take_leg_packet(const Sighting& s, const OrientedKey& key, uint64_t hash, uint32_t leg) {
  bool opened = leg == kNone, reused = false;
  LegBefore before;
  if (opened) {
    leg = lifecycle_.open(s, key, hash);
  } else if (starts_new_leg(store_.legs.hot(leg), store_.legs.cold(leg), s, side_in(store_.legs.hot(leg), key),
                            touch_timeout_ns_)) [[unlikely]] {
    reused = s.protocol == ip_protocol::tcp && (s.tcp_flags & tcp_flag::syn) &&
             s.order_ns - store_.legs.hot(leg).last_ns < kPortMemoryNs;
    if (reused) before = {store_.legs.hot(leg).last_ns, store_.legs.hot(leg).flags};
    leg = open_after(leg, s, key, hash);
    opened = true;
  }
  if (leg == kNone) return;

  LegHot& hot = store_.legs.hot(leg);
  Side from = side_in(hot, key);
  uint32_t labels = 0;
  bool says_again = false;
  DuplicateState same;
  if (s.protocol == ip_protocol::udp) {
    same = store_.traces.take_datagram(hot, store_.legs.cold(leg), s, from);
    const bool was_answered = hot.packets[Side::client] > 0 && hot.packets[Side::server] > 0;
    const LegStep step = udp_step(hot, store_.legs.cold(leg), s, from, same);
    const bool flipped = step.what & leg_step::flipped;
    if (flipped) {
      from = Side::client;  // as of TCP below
      store_.traces.flip(hot, store_.legs.cold(leg));
      forwarder_.leave_pairs(leg, PairSighting::Kind::abandon, facts_of(s, from));
      forwarder_.drop_log(leg);
    }
    const auto told = [&s] { return s.has(SightingFlag::fragment) ? as_datagram(s) : s; };
    if (opened) tell(leg, LegEventType::opened, told(), from);
    if (!was_answered && hot.packets[Side::client] > 0 && hot.packets[Side::server] > 0) {
      store_.legs.move_to(leg, LegList::open);
      tell(leg, LegEventType::established, told(), from);
    }
  } else {
    same = store_.traces.take(hot, store_.legs.cold(leg), s, from);
    TcpFlow& flow = flow_of(leg, s);
    const int64_t silence_ns = s.order_ns - hot.last_ns;
    uint8_t notes = silence_ns > round_trip::kLongestNs ? times_note::paused : 0;
    if (flow.half[from].holes > 0 && fills_hole(flow, from, {s.seq, s.seq + s.payload_length})) notes |= times_note::fills_hole;
    const bool prompt = is_prompt(flow, s, from), same_ack = repeats_acknowledgement(hot, flow, s, from);
    const LegStep step = tcp_step(hot, store_.legs.cold(leg), flow, s, from, same);
    labels = step.labels;
    if (reused) labels |= bit(PacketLabel::reused_ports);
    if (step.what & leg_step::sent_again) counters_.retransmissions[s.point][from][retransmission_kind(labels)].add();
    if (step.needless) note_needless(*step.needless, s, from);
    says_again = prompt && (same_ack || (step.what & leg_step::sent_again));
    if (step.what & leg_step::flipped) {
      from = Side::client;  // what the pairs have been told went the other way
      store_.traces.flip(hot, store_.legs.cold(leg));
      forwarder_.leave_pairs(leg, PairSighting::Kind::abandon, facts_of(s, from));
    }
    if (same != DuplicateState::copy) note_times(flow.times, leg, s, from, step, notes);
    const bool handshake = step.what & (leg_step::attempt | leg_step::syn_ack);
    if (opened) {
      tell(leg, LegEventType::opened, s, from, !handshake, {.before = before});
      if (!handshake) store_.legs.move_to(leg, LegList::open);
    }
    constexpr uint32_t not_data = bit(PacketLabel::keep_alive) | bit(PacketLabel::zero_window_probe);
    if ((notes & times_note::paused) && s.payload_length > 0 && !(labels & not_data) && same == DuplicateState::fresh && !opened)
      tell_hint(leg, LegEventType::resumed, s, from, {.silence_ns = silence_ns});
    if (step.stood_still) tell_hint(leg, LegEventType::stood_still, s, from, {.standstill = *step.stood_still});
    if (step.what) {
      if ((step.what & leg_step::attempt) && !opened) tell(leg, LegEventType::attempt, s, from);
      if ((step.what & leg_step::syn_ack) && !opened) tell(leg, LegEventType::syn_ack, s, from);
      if (step.what & leg_step::established) {
        store_.legs.move_to(leg, LegList::open);
        tell(leg, LegEventType::established, s, from);
        count_handshake(store_.legs.cold(leg), s.point);
      }
      if (step.what & leg_step::refused) tell(leg, LegEventType::refused, s, from);
      if (step.what & leg_step::reset)
        tell(leg, LegEventType::reset, s, from, false, {.had_everything = had_everything(hot, s, from)});
      if (step.what & leg_step::closed) store_.legs.move_to(leg, LegList::closed);
    }
  }
  if (s.has(SightingFlag::outer_fragment) && s.protocol == ip_protocol::tcp) [[unlikely]]
    carried_.keep(store_.id_of(leg), from, s);
  hot.flags |= leg_flag::reported_stale;
  if (notes_.wanted()) note_leg_packet(s, leg, labels);
  if (!payload_prefix_.empty()) [[unlikely]]
    recognise(leg, s, from);
  if (s.protocol == ip_protocol::udp && s.has(SightingFlag::fragment)) [[unlikely]]
    return follow_fragment(leg, hot, s, from, same);
  follow(leg, hot, s, from, says_again && same == DuplicateState::fresh ? DuplicateState::again : same);
  if ((s.options & tcp_option::sack) && s.is_tcp() && same == DuplicateState::fresh) [[unlikely]]
    forwarder_.follow_sack(leg, s, from);
}

// A device may put a datagram together and cut it up anew, so that it is followed as a whole, once all of it has come.
void LegTracker::follow_fragment(uint32_t leg, const LegHot& hot, const Sighting& s, Side from, DuplicateState same) {
  if (s.has(SightingFlag::completes_datagram)) return follow(leg, hot, as_datagram(s), from, same);
  if (!s.has(SightingFlag::later_fragment)) forwarder_.follow_first_fragment(leg, s, from);
}

// The leg is over, and `s` opens the next one on its five-tuple; in midstream that goes on with the sequence numbers.
uint32_t LegTracker::open_after(uint32_t leg, const Sighting& s, const OrientedKey& key, uint64_t hash) {
  const LegHot& hot = store_.legs.hot(leg);
  std::optional<SequenceSpace> before;
  if (s.protocol == ip_protocol::tcp && !(s.tcp_flags & tcp_flag::syn) && s.order_ns - hot.last_ns < kPortMemoryNs) {
    before.emplace(hot, store_.legs.flow(leg) == kNone ? TcpFlow{} : store_.flows[store_.legs.flow(leg)]);
  }
  lifecycle_.close(leg, facts_of(s, Side::client),
                   idle_over(hot, s.order_ns, touch_timeout_ns_) ? LegEnding::idle : LegEnding::over);
  leg = lifecycle_.open(s, key, hash);
  if (before && leg != kNone)
    before->hand_to(store_.legs.hot(leg), take_flow(leg));  // idle for longer than a leg lives, and it goes on
  return leg;
}

// The rest of a outer packet has come: now Wireshark would see the packet in it.
uint32_t LegTracker::label_carried(uint32_t leg) {
  const auto packet = carried_.take(store_.id_of(leg));
  if (!packet || store_.legs.flow(leg) == kNone) return 0;
  TcpFlow& flow = store_.flows[store_.legs.flow(leg)];
  const uint32_t labels = label_packet(store_.legs.hot(leg), store_.legs.cold(leg), flow, packet->sighting, packet->from);
  settle_fast_path(store_.legs.hot(leg), flow);
  return labels;
}

// The packet that was sent in vain came earlier, from the other side: its label is added to it.
void LegTracker::note_needless(const TcpTrouble::Again& again, const Sighting& s, Side from) {
  counters_.needless_retransmissions[s.point][opposite(from)].add();
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
TcpFlow& LegTracker::flow_of(uint32_t leg, const Sighting& s) {
  uint32_t& flow = store_.legs.flow(leg);
  if (flow != kNone) return store_.flows[flow];
  if ((s.tcp_flags & (tcp_flag::syn | tcp_flag::ack)) == tcp_flag::syn && s.payload_length == 0) return scratch_flow_ = {};
  return take_flow(leg);
}

TcpFlow& LegTracker::take_flow(uint32_t leg) {
  uint32_t& flow = store_.legs.flow(leg);
  flow = store_.flows.take(
      leg, [this](uint32_t other) { return store_.legs.hot(other).last_ns; },
      [this](uint32_t other) {
        store_.legs.flow(other) = kNone;
        counters_.flows_evicted.add();
      });
  return store_.flows[flow];
}

void LegTracker::note_times(FlowTimes& times, uint32_t leg, const Sighting& s, Side from, const LegStep& step, uint8_t notes) {
  if (step.what & leg_step::established) notes |= times_note::established;
  const RoundTripSamples samples = take_times(times, store_.legs.hot(leg), store_.legs.cold(leg), s, from, step.labels, notes);
  if (samples.any()) count_round_trips(samples, s, from);
}

// What is shorter than the stamp may be wrong by is no sample: after a pause of the sensor everything has the time of its end.
void LegTracker::count_round_trips(const RoundTripSamples& samples, const Sighting& s, Side from) {
  auto& histograms = counters_.rtt[s.point][from];
  const int64_t uncertainty_ns = s.stamp_uncertainty_ns;
  for (const RoundTripMethod method : kRoundTripMethods) {
    if (samples.ticks[method] == 0) continue;
    const int64_t ns = to_ns(samples.ticks[method]);
    if (ns >= uncertainty_ns) {
      histograms[method].add(ns);
    } else {
      counters_.round_trips_uncertain.add();
    }
  }
}

void LegTracker::count_handshake(const LegCold& cold, PointIndex point) {
  for (const Side answered : kSides) {
    if (const auto ns = cold.handshake_trip_ns(answered)) {
      counters_.handshake_rtt[point][answered].add(*ns);
    } else if (cold.saw_handshake(answered)) {
      counters_.round_trips_uncertain.add();
    }
  }
}

// Exactly one is taken for each sighting that says so, whatever becomes of the sighting.
std::span<const uint8_t> LegTracker::payload_prefix_of(const Sighting& s) {
  return sensor_.channels()[s.port]->payload_prefixes[store_.worker]->pop(payload_prefix_buffer_);
}

void LegTracker::recognise(uint32_t leg, const Sighting& s, Side from) {
  const uint16_t opening = from == Side::client ? leg_flag::syn : leg_flag::syn_ack;
  std::optional<uint32_t> first_seq;
  const LegHot& hot = store_.legs.hot(leg);
  if (hot.flags & opening) first_seq = store_.legs.cold(leg).isn[from] + 1;
  const bool may_pair = forwarder_.has_neighbours() && hot.has_no_pair();
  protocol_parser_.take(leg, store_.id_of(leg), s, from, first_seq, may_pair, payload_prefix_);
}

// The data with which a request or a response begins: all that there is of it so far, and no older than this packet.
void LegTracker::tell_turn(uint32_t leg, const Sighting& s, Side from) {
  const uint32_t flow = store_.legs.flow(leg);
  if (flow == kNone || s.protocol != ip_protocol::tcp) return;
  const TurnPace& pace = store_.flows[flow].times.pace;
  if (pace.last_tick != to_ticks(s.time_ns)) return;
  const uint16_t going_on = from == Side::client ? turn_state::request : turn_state::response;
  if ((pace.state & turn_state::begins) && protocol_parser_.is_multiplexed(leg)) tell_hint(leg, LegEventType::written, s, from);
  if ((pace.state & going_on) && pace.message_bytes == s.payload_length) tell_hint(leg, LegEventType::turn, s, from);
}

// The first data of a connection without timestamps, with the sum of its payload in their place: what a device leaves alone that
// rewrites all the rest.
void LegTracker::tell_sum(uint32_t leg, const Sighting& s, Side from) {
  constexpr uint16_t handshake = leg_flag::syn | leg_flag::syn_ack;
  constexpr uint8_t packets_most = 32;
  const LegHot& hot = store_.legs.hot(leg);
  const uint16_t logged = store_.legs.cold(leg).log.size;
  const bool is_first = !(hot.flags & leg_flag::log_over) && logged <= packets_most;
  if ((hot.flags & handshake) != handshake || !is_first || s.seq + s.payload_length != hot.next_seq[from]) return;
  Sighting summed = s;
  summed.tsval = tcp_payload_sum(s);
  if (summed.tsval != 0) tell_hint(leg, LegEventType::sighted, summed, from);
}

// What may help to find a partner. Live, where there is little room, it is left out: nothing but a pairing rests on it, except
// that a stranger may be the witness of a packet that seems lost. Its first packets are told in any case; without the others the
// sensor has missed what passed then.
void LegTracker::tell_hint(uint32_t leg, LegEventType type, const Sighting& s, Side from, const LegNews& news) {
  if (!offline_ && type != LegEventType::stranger && reporter_.ring_room() < kHintRoomLeast) {
    counters_.hints_not_told.add();
    const bool is_witness = type == LegEventType::witness || type == LegEventType::goes_on;
    if (is_witness) sensor_.worker_loss(store_.worker, s.point).add(s.order_ns, s.order_ns, 1);
    return;
  }
  tell(leg, type, s, from, false, news);
}

// A leg of which something could not be told has ended for the correlator, and so for its pairs.
void LegTracker::tell(uint32_t leg, LegEventType type, const Sighting& s, Side from, bool midstream, const LegNews& news) {
  if (reporter_.tell(leg, type, s, from, midstream, news)) return;
  forwarder_.leave_pairs(leg, PairSighting::Kind::end, facts_of(s, from));
  forwarder_.drop_log(leg);
}

}  // namespace parallax
