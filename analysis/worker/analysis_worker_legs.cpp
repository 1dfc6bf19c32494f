// The analysis worker's part that opens and ends legs: by a packet, at a bound, for lack of packets, at the end of the input.
#include <algorithm>

#include "analysis/worker/analysis_worker.h"

namespace parallax {
namespace {

constexpr size_t kSweepPerPoll = 16;  // slots looked at, when there is nothing else to do
// Under load a slot for so many packets: a sweep reads lines that no packet of the burst needs, and a report costs the
// correlator's look-ups (with 1 M legs 1 us and more in all; at 16 slots a poll that was 130 ns a packet). 65,536 slots are swept
// in 8 M packets.
constexpr size_t kPacketsPerSweptSlot = 128;
constexpr int64_t kSweepRoundNs = 5'000'000'000;  // live: counts of a leg or a pair are reported at most this often

}  // namespace

uint32_t AnalysisWorker::open_leg(const Sighting& s, const OrientedKey& key, uint64_t hash) {
  if (legs_.size(LegList::half_open) >= options_.half_open_legs) {
    counters_.half_open_evicted.add();
    close_leg(legs_.oldest(LegList::half_open), facts_of(s, Side::client), Ending::evicted);
  }
  uint32_t leg;
  while ((leg = legs_.insert(s.flow_hash, key.key, LegList::half_open)) == kNone) {
    counters_.legs_evicted.add();
    close_leg(legs_.victim(hash), facts_of(s, Side::client), Ending::evicted);
  }
  LegHot& hot = legs_.hot(leg);
  hot.last_ns = s.order_ns;
  hot.pair = {kNone, kNone};
  const bool source_is_client = sender_side(s) == Side::client;
  if (source_is_client == (key.source == KeyMatch::source_is_low)) hot.flags |= leg_flag::client_is_low;
  if (s.protocol == ip_protocol::tcp) hot.flags |= leg_flag::is_tcp;
  if (points_ < 2 || s.protocol != ip_protocol::tcp) hot.flags |= leg_flag::log_over;
  LegCold& cold = legs_.cold(leg);
  cold.first_ns = s.time_ns;
  cold.window_scale = {-1, -1};
  cold.log = {kNone, kNone};
  counters_.legs_active[s.protocol == ip_protocol::udp].add();
  if (options_.offline) ask_for_look(leg, s.order_ns);
  return leg;
}

// What has no packet of its own comes after those of its time and point, and then in the order of the keys.
PacketFacts AnalysisWorker::no_packet(uint32_t leg, int64_t now_ns) const {
  PacketFacts facts{};
  facts.order_ns = now_ns;
  facts.point = legs_.key(leg).point;
  facts.port = 0xffff;
  facts.frame = hash_of(legs_.key(leg));
  return facts;
}

// `at`: when it ends, and by which packet; only its place in the order matters.
void AnalysisWorker::close_leg(uint32_t leg, const PacketFacts& at, Ending ending) {
  PacketFacts last{};
  last.order_ns = at.order_ns;
  last.point = legs_.key(leg).point;
  last.port = at.port;
  last.frame = at.frame;
  recogniser_.close(leg, id_of(leg), last);
  tell_end(leg, last, ending);
  traces_.release(legs_.hot(leg), legs_.cold(leg));
  for (size_t slot = 0; slot < 2; ++slot) leave_pair(leg, slot, PairSighting::Kind::end, last);
  drop_log(leg);
  if (legs_.flow(leg) != kNone) flows_.release(legs_.flow(leg));
  counters_.legs_active[legs_.key(leg).protocol == ip_protocol::udp].add(static_cast<uint64_t>(-1));
  legs_.erase(leg);
}

// An open one is looked at again when it might be forgotten if it ended now.
void AnalysisWorker::ask_for_look(uint32_t leg, int64_t now_ns) {
  int64_t at_ns = forgotten_at(legs_.hot(leg));
  if (at_ns == kAfterAllNs) at_ns = forgotten_if_over(now_ns);
  const LegKey& key = legs_.key(leg);
  expiry_.ask({.at_ns = at_ns, .point = key.point, .key_hash = hash_of(key), .leg = id_of(leg)});
}

// Closes the legs that may be forgotten before a packet of that time and point.
void AnalysisWorker::expire_before(int64_t order_ns, PointIndex point) {
  while (const LegExpiry::Look* due = expiry_.due(order_ns, point)) {
    const LegExpiry::Look look = *due;
    expiry_.pop();
    const uint32_t leg = look.leg.index;
    if (!legs_.live(leg) || id_of(leg) != look.leg) continue;
    if (forgotten_at(legs_.hot(leg)) != look.at_ns) {
      ask_for_look(leg, look.at_ns);
      continue;
    }
    apply_commands(look.at_ns);
    close_leg(leg, no_packet(leg, look.at_ns), Ending::idle);
  }
}

// The same where no packet comes before `now_ns`, as far as the correlator has decided what was before.
void AnalysisWorker::expire_until(int64_t now_ns) { expire_before(std::min(now_ns, gate()), 0); }

int64_t AnalysisWorker::last_packet_ns() const {
  int64_t last_ns = kBeforeAllNs;
  for (const PortChannel* channel : sensor_.channels())
    last_ns = std::max(last_ns, channel->covered_to_ns.load(std::memory_order_acquire));
  return last_ns;
}

// Closes what is open at the end of the input, as far as the ring to the correlator has room; true: all of it.
bool AnalysisWorker::close_some() {
  const int64_t last_ns = last_packet_ns();
  const auto& ring = *links_.leg_events[index_];
  const auto& recognitions = *links_.recognitions[index_];
  for (; closing_at_ < legs_.capacity(); ++closing_at_) {
    const auto leg = static_cast<uint32_t>(closing_at_);
    if (!legs_.live(leg)) continue;
    // What is known of a leg's last messages goes before its end: so it must not have to wait where that does not.
    if (ring.size() == ring.capacity() || recognitions.size() + 2 > recognitions.capacity()) return false;
    const bool idle = idle_over(legs_.hot(leg), last_ns, options_.idle_timeout_ns);
    close_leg(leg, no_packet(leg, kAfterAllNs), idle ? Ending::idle : Ending::over);
  }
  return true;
}

// How many slots a poll that has worked off `packets` may sweep.
size_t AnalysisWorker::sweep_budget(size_t packets) {
  if (packets == 0) return kSweepPerPoll;
  packets_unswept_ += packets;
  const size_t slots = packets_unswept_ / kPacketsPerSweptSlot;
  packets_unswept_ %= kPacketsPerSweptSlot;
  return slots;
}

// Live: frees what is over, a few slots a call, and reports the counts of what goes on, once a round.
void AnalysisWorker::sweep(int64_t now_ns, size_t budget) {
  for (size_t i = 0; i < std::min(budget, legs_.capacity()); ++i) {
    if (sweep_at_ == 0 && sweep_round_ns_ != kBeforeAllNs && now_ns < sweep_round_ns_ + kSweepRoundNs) break;
    if (sweep_at_ == 0) sweep_round_ns_ = now_ns;
    const auto leg = static_cast<uint32_t>(sweep_at_);
    sweep_at_ = (sweep_at_ + 1) % legs_.capacity();
    if (!legs_.live(leg)) continue;
    LegHot& hot = legs_.hot(leg);
    if (idle_over(hot, now_ns, options_.idle_timeout_ns)) {
      close_leg(leg, no_packet(leg, now_ns), Ending::idle);
    } else if (leg_events_.has_room()) {
      if (!(hot.flags & leg_flag::told)) {
        // There is room again: its next packet opens it anew, for the correlator too.
        close_leg(leg, no_packet(leg, now_ns), Ending::evicted);
      } else if (hot.flags & leg_flag::reported_stale) {
        tell_progress(leg, now_ns);
      }
    }
  }
  if (points_ > 1) pairs_.sweep(budget, std::min(now_ns, merge_.done_ns()), kSweepRoundNs);
}

}  // namespace parallax
