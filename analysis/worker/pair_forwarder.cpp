#include "analysis/worker/pair_forwarder.h"

#include <algorithm>

#include "analysis/model/sequence.h"

namespace parallax {
namespace {

constexpr uint16_t kFirstHints = 8;
// Two segments that are sent in vain 16 times each, as Linux gives up (tcp_retries2). Of what goes one way and is met in
// midstream each packet up to here costs the correlator a microsecond.
constexpr uint32_t kWitnesses = 32;
constexpr uint32_t kGoesOnTold = 8;  // any of which may be a copy, which is not told
// Of the packets behind the first ones, one in so many, chosen by what it says: then both points tell of the same ones, whenever
// they began. By its numbers; where it has a timestamp by that and its IP ID, for numbers may be rewritten. Several must agree
// then, and most conversations are short: so more of a leg's first packets, at most 32 events.
constexpr uint32_t kSampleBits = 6, kEarlySampleBits = 2;
constexpr uint32_t kEarlyPackets = 128;
bool is_sampled(const Sighting& s, uint32_t packets) {
  const auto falls = [](uint32_t value, uint32_t bits) { return (value * 0x9E3779B1u) >> (32 - bits) == 0; };
  if (s.tsval == 0) return falls(s.seq ^ s.ack, kSampleBits);
  const uint32_t bits = packets <= kEarlyPackets ? kEarlySampleBits : kSampleBits + 1;
  return falls(s.tsval ^ uint32_t{s.ip_id} << 16, bits) || falls(s.seq ^ s.ack, kSampleBits + 1);
}
constexpr size_t kLogSlotsLeast = 1 << 14;
// At a single point a leg has a partner only where it goes through a hairpin, which shows within a transit (hairpin.cpp) and what
// the merge waits: no log is kept for longer.
constexpr int64_t kHairpinLogNs = 100'000'000;

PairSighting pair_sighting_of(const Sighting& s, Side from, DuplicateState same) {
  PairSighting sighting{.release_ns = s.order_ns,
                        .order_ns = s.order_ns,
                        .time_ns = s.time_ns,
                        .pair = 0,
                        .frame = s.frame,
                        .seq = s.seq,
                        .ack = s.ack,
                        .payload_length = s.payload_length,
                        .stamp_uncertainty_ns = s.stamp_uncertainty_ns,
                        .port = s.port,
                        .ip_id = s.ip_id,
                        .point = s.point,
                        .ttl = s.ttl,
                        .tcp_flags = s.tcp_flags,
                        .from = from,
                        .kind = PairSighting::Kind::packet,
                        .pair_generation = 0,
                        .same = DuplicateState::fresh,
                        .checksum_fits = checksum_fits(s),
                        .device = PathSide::inner,
                        .window = s.window,
                        .checksum = comparable_checksum(s)};
  sighting.same = same;
  return sighting;
}

// No SACK block is further back: windows end below the one (RFC 7323, 2.3), and senders' at the other.
constexpr uint32_t kWindowMost = 1u << 30, kWindowUsual = 1u << 26;

// Whether the peer has sent what the blocks say that it has, as numbered here.
bool any_outside(const LegHot& hot, const LegCold& cold, const Sighting& s, Side from) {
  const Side peer = opposite(from);
  const uint32_t next = hot.next_seq[peer];
  const bool has_begin = hot.flags & (peer == Side::client ? leg_flag::syn : leg_flag::syn_ack);
  uint64_t reach = has_begin ? next - cold.isn[peer] : hot.bytes[peer] + kWindowUsual;
  if (reach > kWindowMost || hot.bytes[peer] > kWindowMost) reach = kWindowMost;
  for (size_t i = 0; i + 1 < s.sack.size() && s.sack[i] != s.sack[i + 1]; i += 2) {
    if (!sequence_at_or_before(s.sack[i + 1], next) || next - s.sack[i] > reach) return true;
  }
  return false;
}

}  // namespace

PairForwarder::PairForwarder(const EngineOptions& options, EngineLinks& links, SensorView& sensor, WorkerCounters& counters,
                             LegStore& store, PairTable& pairs)
    : worker_(store.worker),
      points_(options.path.size()),
      links_(links),
      sensor_(sensor),
      counters_(counters),
      store_(store),
      pairs_(pairs),
      log_(options.offline ? kLogSlotsLeast : std::max(options.legs / 2, kLogSlotsLeast), options.offline),
      markers_max_(waiting_max::markers(options)),
      commands_(1024, options.offline) {
  for (size_t w = 0; w < links.workers(); ++w)
    homes_.emplace_back(links.forward_ring(worker_, w), waiting_max::live(options, markers_max_));
  joining_.reserve(2 * (EarlyLog::kPerLegMost + 1));  // logs and markers of both legs
}

void PairForwarder::flush() {
  for (auto& home : homes_) home.flush();
}

bool PairForwarder::empty() const {
  return std::all_of(homes_.begin(), homes_.end(), [](const auto& home) { return home.empty(); });
}

int64_t PairForwarder::first_waiting_ns() const {
  int64_t first_ns = kTimeMax;
  for (const auto& home : homes_) {
    if (const PairSighting* first = home.first_waiting()) first_ns = std::min(first_ns, first->release_ns);
  }
  return first_ns;
}

void PairForwarder::carry_out_commands(int64_t now_ns, int64_t not_before_ns) {
  for (; !commands_.empty() && commands_.front().effective_ns <= now_ns; commands_.pop()) {
    const Command& command = commands_.front();
    const int64_t effective_ns = std::max(command.effective_ns, not_before_ns);
    switch (command.type) {
      case CommandType::open_pair:
        open_pair(command, effective_ns);
        break;
      case CommandType::join:
        join(command, effective_ns);
        break;
      case CommandType::leave:
        leave(command, effective_ns);
        break;
    }
  }
}

void PairForwarder::follow_sack(uint32_t leg, const Sighting& s, Side from) {
  const LegHot& hot = store_.legs.hot(leg);
  const bool knows_peer = hot.seen & leg_seen::next_seq[opposite(from)];
  if (!knows_peer || s.sack[0] == s.sack[1]) return;
  PairSighting note = pair_sighting_of(s, from, DuplicateState::fresh);
  note.kind = PairSighting::Kind::sack;
  note.payload_length = s.sack[0];
  note.stamp_uncertainty_ns = s.sack[1];
  note.checksum = any_outside(hot, store_.legs.cold(leg), s, from) ? sack_note::kOutside : uint16_t{0};
  send_note(leg, note);
}

void PairForwarder::follow_first_fragment(uint32_t leg, const Sighting& s, Side from) {
  PairSighting note = pair_sighting_of(as_datagram(s), from, DuplicateState::fresh);
  note.kind = PairSighting::Kind::first_fragment;
  send_note(leg, note);
}

void PairForwarder::send_note(uint32_t leg, PairSighting note) {
  const LegHot& hot = store_.legs.hot(leg);
  LegCold& cold = store_.legs.cold(leg);
  for (const PathSide side : kPathSides) {
    if (hot.pair[side] == kNone) continue;
    note.pair = pair_ref::index(hot.pair[side]);
    note.pair_generation = pair_ref::generation(hot.pair[side]);
    note.device = side;
    send(hot.pair_home[side], note);
  }
  if (!(hot.flags & leg_flag::log_over) && !log_.append(cold.log, note)) {
    counters_.log_overflows.add();
    drop_log(leg);
  }
}

// REQUIRES: a leg without an opening.
PairForwarder::Hint PairForwarder::hint_of(uint32_t leg, const Sighting& s, Side from, DuplicateState same) const {
  if (same == DuplicateState::copy || !lacks_partner(leg)) return Hint::none;
  const LegHot& hot = store_.legs.hot(leg);
  const uint16_t logged = hot.flags & leg_flag::log_over ? 0 : store_.legs.cold(leg).log.size;
  const bool is_first = logged > 0 && logged < kFirstHints;  // but the very first, which is known
  const bool answered = hot.packets[opposite(from)] > 0 && !(hot.flags & leg_flag::reset);
  if (s.protocol == ip_protocol::udp) {
    // A fragmented one has been logged before, with its first fragment.
    const PerSide<uint32_t>& fragments = store_.legs.cold(leg).isn;
    const uint16_t hints = fragments[Side::client] + fragments[Side::server] > 0 ? 2 * kFirstHints : kFirstHints;
    const uint16_t own = s.has(SightingFlag::fragment) ? 1 : 0;
    return logged > own && logged < hints ? Hint::sighted : Hint::none;
  }
  const uint32_t packets = static_cast<uint32_t>(hot.packets[Side::client] + hot.packets[Side::server]);
  const bool is_for_pairing = is_first || (packets > 1 && is_sampled(s, packets));
  if (answered || packets < 2 || packets > kWitnesses + kGoesOnTold) return is_for_pairing ? Hint::sighted : Hint::none;
  if (packets > kWitnesses) return is_for_pairing ? Hint::sighted : Hint::goes_on;
  return is_for_pairing ? Hint::stranger : Hint::witness;
}

void PairForwarder::send_on(uint8_t home, uint32_t pair, PathSide side, const Sighting& s, Side from, DuplicateState same) {
  PairSighting sighting = pair_sighting_of(s, from, same);
  sighting.pair = pair_ref::index(pair);
  sighting.pair_generation = pair_ref::generation(pair);
  sighting.device = side;
  send(home, sighting);
}

void PairForwarder::log(uint32_t leg, const Sighting& s, Side from, DuplicateState same) {
  LegCold& cold = store_.legs.cold(leg);
  if (!has_neighbours() && s.time_ns - cold.first_ns > kHairpinLogNs) return drop_log(leg);
  if (log_.append(cold.log, pair_sighting_of(s, from, same))) return;
  counters_.log_overflows.add(has_neighbours());  // at a single point hardly a leg has a partner to wait for
  drop_log(leg);
}

// A hairpin's may be at its own point: that is asked where there is no other, and where one of these is lacking anyway.
bool PairForwarder::lacks_partner(uint32_t leg) const {
  const PointIndex point = store_.legs.key(leg).point;
  const LegHot& hot = store_.legs.hot(leg);
  if (!has_neighbours()) return hot.has_no_pair();
  const auto lacks = [&](PathSide side) { return has_point(point, side) && hot.pair[side] == kNone; };
  return lacks(PathSide::outer) || lacks(PathSide::inner);
}

void PairForwarder::drop_log(uint32_t leg) {
  LegCold& cold = store_.legs.cold(leg);
  log_.clear(cold.log);
  store_.legs.hot(leg).flags |= leg_flag::log_over;
}

void PairForwarder::end_log_if_paired(uint32_t leg) {
  if (!lacks_partner(leg)) drop_log(leg);
}

void PairForwarder::send(uint8_t home, const PairSighting& s) {
  if (home == kLocal) {
    pairs_.take(s);
    return;
  }
  using Kind = PairSighting::Kind;
  const bool is_packet = s.kind == Kind::packet || s.kind == Kind::first_fragment,
             may_be_lost = is_packet || s.kind == Kind::sack;
  if (homes_[home].send(s, may_be_lost ? markers_max_ : 0)) return;
  counters_.forwards_dropped.add();
  if (is_packet) sensor_.worker_loss(worker_, s.point).add(s.order_ns, s.order_ns, 1);
}

void PairForwarder::leave_pairs(uint32_t leg, PairSighting::Kind kind, const PacketFacts& at) {
  for (const PathSide side : kPathSides) leave_pair(leg, side, kind, at);
}

void PairForwarder::leave_pair(uint32_t leg, PathSide side, PairSighting::Kind kind, const PacketFacts& at) {
  LegHot& hot = store_.legs.hot(leg);
  if (hot.pair[side] == kNone) return;
  PairSighting marker{};
  marker.kind = kind;
  marker.release_ns = at.order_ns;
  marker.order_ns = at.order_ns;
  marker.point = at.point;
  marker.port = at.port;
  marker.frame = at.frame;
  marker.pair = pair_ref::index(hot.pair[side]);
  marker.pair_generation = pair_ref::generation(hot.pair[side]);
  send(hot.pair_home[side], marker);
  hot.pair[side] = kNone;
}

void PairForwarder::set_pair(uint32_t leg, PathSide side, uint8_t home, uint32_t reference, int64_t now_ns) {
  // Another leg on that side takes over: a NAT gave the retry a new port.
  PacketFacts before_packets{};
  before_packets.order_ns = now_ns;
  leave_pair(leg, side, PairSighting::Kind::abandon, before_packets);
  LegHot& hot = store_.legs.hot(leg);
  hot.pair[side] = reference;
  hot.pair_home[side] = home;
}

// What the home is told where a leg joins its pair: that it begins, and what was logged; or that the leg is gone already, before
// the pairing took effect. The same whether the home lives here or not.
template <typename Tell>
void PairForwarder::tell_of_joining(LegId id, const Command& command, Side end, int64_t now_ns, Tell&& tell) {
  const PathSide side = end == Side::client ? command.device : opposite(command.device);
  PairSighting marker{};
  marker.release_ns = now_ns;
  marker.order_ns = now_ns;
  marker.pair = command.pair;
  marker.pair_generation = command.pair_generation;
  const uint32_t leg = id.index;
  if (!store_.is_alive(id)) {
    marker.kind = PairSighting::Kind::end;
    tell(marker);
    return;
  }
  set_pair(leg, side, command.type == CommandType::open_pair ? kLocal : command.home,
           pair_ref::make(command.pair, command.pair_generation), now_ns);
  marker.kind = PairSighting::Kind::begin;
  marker.order_ns = kTimeMin;
  marker.time_ns = log_complete(leg) ? kTimeMin : now_ns;
  tell(marker);
  const LegCold& cold = store_.legs.cold(leg);
  log_.for_each(cold.log, [&](const PairSighting& logged) {
    PairSighting s = logged;
    s.release_ns = now_ns;
    s.pair = command.pair;
    s.pair_generation = command.pair_generation;
    s.device = side;
    tell(s);
  });
  end_log_if_paired(leg);
}

// Both legs live here: their logs are merged, and from now on each packet goes straight to the pair.
void PairForwarder::open_pair(const Command& command, int64_t now_ns) {
  pairs_.open(command);
  if (!command.local) return;
  const PerSide<LegId> ids{command.leg, command.server_leg};
  if (!std::all_of(ids.begin(), ids.end(), [this](LegId id) { return store_.is_alive(id) && log_complete(id.index); }))
    counters_.fates_begun_late.add();
  joining_.clear();
  for (const Side end : kSides) {
    tell_of_joining(ids[end], command, end, now_ns, [this](const PairSighting& s) { joining_.push_back(s); });
  }
  std::sort(joining_.begin(), joining_.end(), in_total_order);
  for (const PairSighting& s : joining_) pairs_.take(s);
}

// One of the legs lives here, the home elsewhere or the other leg does: everything goes through the queue, the log first.
void PairForwarder::join(const Command& command, int64_t now_ns) {
  const LegId id = command.leg;
  if (store_.is_alive(id) && !log_complete(id.index) && command.end == Side::client) counters_.fates_begun_late.add();
  tell_of_joining(id, command, command.end, now_ns, [&](const PairSighting& s) { send(command.home, s); });
}

// The leg is unpaired again; what it has shown since it opened is not logged a second time, so that the fates of its next pair
// begin with that. The home, where the client's leg lives, hears of it in its place among the packets.
void PairForwarder::leave(const Command& command, int64_t now_ns) {
  if (store_.is_alive(command.leg)) {
    LegHot& hot = store_.legs.hot(command.leg.index);
    uint32_t& own = hot.pair[command.end == Side::client ? command.device : opposite(command.device)];
    if (own == pair_ref::make(command.pair, command.pair_generation)) own = kNone;
  }
  if (worker_ != command.home) return;
  PairSighting marker{};
  marker.kind = PairSighting::Kind::taken_back;
  marker.release_ns = now_ns;
  marker.order_ns = now_ns;
  marker.pair = command.pair;
  marker.pair_generation = command.pair_generation;
  send(command.local ? kLocal : command.home, marker);
}

}  // namespace parallax
