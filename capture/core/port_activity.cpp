#include "capture/core/port_activity.h"

#include <algorithm>
#include <utility>

namespace parallax {

PortActivity::PortActivity(std::vector<Port> ports, int64_t begin_ns) : tick_end_ns_(begin_ns + kTickNs) {
  for (const Port& port : ports) states_.emplace_back().port = port;
}

void PortActivity::count(PortIndex port, uint64_t packets, int64_t newest_ns) {
  State& state = states_[port];
  if (packets == 0) return;
  state.current += packets;
  if (std::exchange(state.silent, false)) {
    changes_.push_back({port, {OutageCause::silent, state.newest_ns, std::max(newest_ns, state.newest_ns)}});
  }
  state.newest_ns = std::max(state.newest_ns, newest_ns);
  state.gap = 0;
}

const std::vector<PortActivity::Change>& PortActivity::advance(int64_t now_ns) {
  if (now_ns >= tick_end_ns_ + kJumpTicks * kTickNs) {
    // The sensor itself was held up (what waited meanwhile comes in one tick, and not for all ports in the same one), or nobody
    // said anything.
    for (State& state : states_) {
      state.ticks = {};
      state.current = 0;
    }
    completed_ = 0;
    tick_end_ns_ = now_ns + kTickNs;
  }
  for (; tick_end_ns_ <= now_ns; tick_end_ns_ += kTickNs) complete_tick();
  told_.swap(changes_);
  changes_.clear();
  return told_;
}

// Of the `ticks` ticks that end `from_back` ticks ago.
uint64_t PortActivity::packets(const State& state, size_t from_back, size_t ticks) const {
  uint64_t sum = 0;
  for (size_t i = 0; i < ticks; ++i) sum += state.ticks[(next_ + 2 * kHistory - 1 - from_back - i) % kHistory];
  return sum;
}

void PortActivity::complete_tick() {
  for (State& state : states_) {
    state.gap = state.current > 0 ? 0 : state.gap + 1;
    state.ticks[next_] = std::exchange(state.current, 0);
  }
  next_ = (next_ + 1) % kHistory;
  ++completed_;
  for (size_t i = 0; i < states_.size(); ++i) {
    State& state = states_[i];
    if (state.silent || state.ended || state.gap < kGapLeast || state.gap > kGapMax) continue;
    if (completed_ < kWindow + state.gap || !was_busy(state) || !neighbours_go_on(state)) continue;
    state.silent = true;
    changes_.push_back({static_cast<PortIndex>(i), {OutageCause::silent, state.newest_ns, PortOutage::kGoesOn}});
  }
}

bool PortActivity::was_busy(const State& state) const {
  size_t busy = 0, pause = 0, longest_pause = 0;
  for (size_t i = 0; i < kWindow; ++i) {
    const bool any = packets(state, state.gap + i, 1) > 0;
    busy += any;
    pause = any ? 0 : pause + 1;
    longest_pause = std::max(longest_pause, pause);
  }
  return busy >= kBusyTicks && state.gap > 2 * longest_pause && packets(state, state.gap, kWindow) >= kPacketsLeast;
}

bool PortActivity::neighbours_go_on(const State& state) const {
  bool any = false;
  for (const PortDirection direction : {PortDirection::toward_inside, PortDirection::toward_outside}) {
    uint64_t before = 0, now = 0;
    for (const State& other : states_) {
      const bool carries = other.port.direction == direction || other.port.direction == PortDirection::both;
      if (&other == &state || !carries) continue;
      before += packets(other, state.gap, kWindow);
      now += packets(other, 0, state.gap);
    }
    if (before == 0) continue;
    any = true;
    if (now < kNeighboursLeast || now * kWindow * kShare < before * state.gap) return false;
  }
  return any;
}

}  // namespace parallax
