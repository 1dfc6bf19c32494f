#include "analysis/worker/leg_lifecycle.h"

#include <algorithm>

#include "analysis/tcp/tcp_leg.h"

namespace parallax {

LegLifecycle::LegLifecycle(const EngineOptions& options, EngineLinks& links, WorkerCounters& counters, LegStore& store,
                           LegReporter& reporter, PairForwarder& forwarder, ProtocolParser& protocol_parser)
    : options_(options),
      port_memory_ns_(options.hand_over_after_ns > 0 ? kPortMemoryLeastNs : kPortMemoryNs),
      counters_(counters),
      store_(store),
      reporter_(reporter),
      forwarder_(forwarder),
      protocol_parser_(protocol_parser),
      recognitions_(*links.recognitions[store.worker]) {}

uint32_t LegLifecycle::open(const Sighting& s, const OrientedKey& key, uint64_t hash) {
  if (options_.bounds_legs() && store_.legs.size(LegList::half_open) >= options_.half_open_legs) {
    counters_.half_open_evicted.add();
    close(store_.legs.oldest(LegList::half_open), facts_of(s, Side::client), LegEnding::evicted);
  }
  uint32_t leg;
  while ((leg = store_.legs.insert(s.flow_hash, key.key, LegList::half_open)) == kNone) {
    counters_.legs_evicted.add();
    close(store_.legs.victim(hash), facts_of(s, Side::client), LegEnding::evicted);
  }
  LegHot& hot = store_.legs.hot(leg);
  hot.last_ns = s.order_ns;
  hot.pair = {kNone, kNone};
  const bool source_is_client = sender_side(s) == Side::client;
  if (source_is_client == (key.source == KeyMatch::source_is_low)) hot.flags |= leg_flag::client_is_low;
  if (s.protocol == ip_protocol::tcp) hot.flags |= leg_flag::is_tcp;
  LegCold& cold = store_.legs.cold(leg);
  cold.first_ns = s.time_ns;
  cold.window_scale = {-1, -1};
  cold.log = {.last = kNone, .size = 0};
  counters_.legs_active[protocol_of(s.protocol)].add();
  if (options_.offline) ask_for_look(leg, s.order_ns);
  return leg;
}

void LegLifecycle::close(uint32_t leg, const PacketFacts& at, LegEnding ending) {
  PacketFacts last{};
  last.order_ns = at.order_ns;
  last.point = store_.legs.key(leg).point;
  last.port = at.port;
  last.frame = at.frame;
  protocol_parser_.close(leg, store_.id_of(leg), last);
  reporter_.tell_end(leg, last, ending);
  store_.traces.release(store_.legs.hot(leg), store_.legs.cold(leg));
  forwarder_.leave_pairs(leg, PairSighting::Kind::end, last);
  forwarder_.drop_log(leg);
  if (store_.legs.flow(leg) != kNone) store_.flows.release(store_.legs.flow(leg));
  counters_.legs_active[protocol_of(store_.legs.key(leg).protocol)].add(static_cast<uint64_t>(-1));
  store_.legs.erase(leg);
}

// An open one is looked at again when it might be forgotten if it ended now.
void LegLifecycle::ask_for_look(uint32_t leg, int64_t now_ns) {
  int64_t at_ns = forgotten_at(store_.legs.hot(leg), port_memory_ns_);
  if (at_ns == kTimeMax) at_ns = forgotten_if_over(now_ns, port_memory_ns_);
  const LegKey& key = store_.legs.key(leg);
  expiry_.ask({.at_ns = at_ns, .point = key.point, .key_hash = hash_of(key), .leg = store_.id_of(leg)});
}

void LegLifecycle::close_due(int64_t order_ns, PointIndex point) {
  while (const LegExpiry::Look* due = expiry_.due(order_ns, point)) {
    const LegExpiry::Look look = *due;
    expiry_.pop();
    const uint32_t leg = look.leg.index;
    if (!store_.is_alive(look.leg)) continue;
    if (forgotten_at(store_.legs.hot(leg), port_memory_ns_) != look.at_ns) {
      ask_for_look(leg, look.at_ns);
      continue;
    }
    forwarder_.apply_commands(look.at_ns, kTimeMin);
    close(leg, store_.no_packet(leg, look.at_ns), LegEnding::idle);
  }
}

bool LegLifecycle::close_some(int64_t last_ns) {
  if (options_.offline && closing_.empty()) list_what_is_open();
  const size_t end = options_.offline ? closing_.size() : store_.legs.capacity();
  for (; closing_at_ < end; ++closing_at_) {
    const auto leg = options_.offline ? closing_[closing_at_].leg : static_cast<uint32_t>(closing_at_);
    if (!store_.legs.live(leg)) continue;
    // What is known of a leg's last messages goes before its end: so it must not have to wait where that does not.
    if (reporter_.ring_is_full() || recognitions_.size() + 2 > recognitions_.capacity()) return false;
    const bool idle = idle_over(store_.legs.hot(leg), last_ns, options_.idle_timeout_ns);
    close(leg, store_.no_packet(leg, kTimeMax), idle ? LegEnding::idle : LegEnding::over);
  }
  return true;
}

// In the order in which the correlator takes their ends. In which slot a leg is depends on the number of workers.
void LegLifecycle::list_what_is_open() {
  closing_.reserve(store_.legs.size());
  for (uint32_t leg = 0; leg < store_.legs.capacity(); ++leg) {
    if (store_.legs.live(leg)) closing_.push_back({store_.legs.key(leg).point, hash_of(store_.legs.key(leg)), leg});
  }
  std::sort(closing_.begin(), closing_.end());
}

void LegLifecycle::sweep(int64_t now_ns, size_t budget) {
  for (size_t i = 0; i < std::min(budget, store_.legs.capacity()); ++i) {
    if (sweep_at_ == 0 && sweep_round_ns_ != kTimeMin && now_ns < sweep_round_ns_ + kSweepRoundNs) break;
    if (sweep_at_ == 0) sweep_round_ns_ = now_ns;
    const auto leg = static_cast<uint32_t>(sweep_at_);
    sweep_at_ = (sweep_at_ + 1) % store_.legs.capacity();
    if (!store_.legs.live(leg)) continue;
    LegHot& hot = store_.legs.hot(leg);
    if (idle_over(hot, now_ns, options_.idle_timeout_ns)) {
      close(leg, store_.no_packet(leg, now_ns), LegEnding::idle);
    } else if (reporter_.has_room()) {
      if (!(hot.flags & leg_flag::told)) {
        // There is room again: its next packet opens it anew, for the correlator too.
        close(leg, store_.no_packet(leg, now_ns), LegEnding::evicted);
      } else if (hot.flags & leg_flag::reported_stale) {
        reporter_.tell_progress(leg, now_ns);
      }
    }
  }
}

}  // namespace parallax
