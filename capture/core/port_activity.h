// Which ports have fallen silent while their neighbours go on: a cable pulled, a mirror removed. Pure, from packet counts by
// time.
//
// A port that shows nothing looks exactly like a device that lets nothing pass. What tells them apart is the rest of the path:
// where the port's mirror is gone, packets in both directions are still seen elsewhere, about as many as before; where the
// device stops, the answers stop everywhere, and what is left are a few packets sent again. So a port is silent if
//   - it was busy: packets in most ticks of the last seconds;
//   - it has shown none for kGapLeast whole ticks, and for twice as long as it had ever paused in those seconds;
//   - its neighbours, the other ports of the path, went on meanwhile in each direction in which they carried before.
// Conservative: a port with rare or bursty traffic, or without neighbours, is never silent. A silence begins at the port's last
// packet and ends at its next one.
// Live the counts are taken by the clock, offline they come from packet times. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "capture/core/port.h"

namespace parallax {

class PortActivity {
 public:
  static constexpr int64_t kTickNs = 100'000'000;
  static constexpr size_t kWindow = 30;             // ticks before a gap that tell what is usual
  static constexpr size_t kBusyTicks = 20;          // of them: those with packets, at least
  static constexpr size_t kGapLeast = 3;            // ticks
  static constexpr size_t kGapMax = 20;             // ticks; what was not silent until then goes for rare traffic
  static constexpr int64_t kJumpTicks = 3;          // advanced by more at once, all begin anew
  static constexpr uint64_t kPacketsLeast = 100;    // of the port in the window
  static constexpr uint64_t kNeighboursLeast = 10;  // packets in the gap, in each direction
  static constexpr uint64_t kShare = 3;             // of their usual rate the neighbours carry at least one part in so many

  struct Port {
    PointIndex point;
    PortDirection direction;
  };
  struct Change {
    PortIndex port;
    PortOutage silence;  // goes on, or has just ended
  };

  // From `begin_ns` on: advance() goes from there.
  PortActivity(std::vector<Port> ports, int64_t begin_ns);

  // Packets of the tick that is not complete yet; `newest_ns`: the time of the last of them.
  void count(PortIndex port, uint64_t packets, int64_t newest_ns);
  // The source has ended: the port is no longer asked.
  void end(PortIndex port) { states_[port].ended = true; }

  // Where the tick that counts go into ends.
  int64_t tick_end_ns() const { return tick_end_ns_; }
  // Everything before `now_ns` has been counted. What changed is valid until the next call.
  const std::vector<Change>& advance(int64_t now_ns);

  bool silent(PortIndex port) const { return states_[port].silent; }

 private:
  static constexpr size_t kHistory = kWindow + kGapMax;
  struct State {
    Port port;
    std::array<uint64_t, kHistory> ticks{};  // a ring; the newest complete tick is the one before `next_`
    uint64_t current = 0;
    int64_t newest_ns = kTimeMin;
    size_t gap = 0;  // complete ticks without a packet since the last one with
    bool silent = false;
    bool ended = false;
  };
  uint64_t packets(const State& state, size_t from_back, size_t ticks) const;
  void complete_tick();
  bool was_busy(const State& state) const;
  bool neighbours_go_on(const State& state) const;

  std::vector<State> states_;
  std::vector<Change> changes_, told_;
  int64_t tick_end_ns_;
  size_t next_ = 0;
  uint64_t completed_ = 0;
};

}  // namespace parallax
