// The sensor of the simulator: turns what passed the points into ports, with whatever was chosen to go wrong, and knows which
// packets the analysis gets to see and when it could have seen them.
//
// Each direction of a point is a port (a TAP), or both are (a SPAN). Packets carry the time of the poll that fetched them, or, in
// files, their own. Times are true ones, from 0 on, except in the ports.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "capture/decode/flow_filter.h"
#include "daemon/run/clock_alignment.h"
#include "tests/support/random.h"
#include "tests/support/simulator.h"

namespace parallax::test {

class SimulatedSensor {
 public:
  SimulatedSensor(const SimulatorOptions& options, uint64_t seed);

  // A packet passes; returns its number, from 0 on.
  uint64_t see(PointIndex point, bool toward_inside, bool followed, int64_t time_ns, Frame frame);
  // All have passed. Fills in ports, filter and counts.
  void finish(int64_t end_ns, Simulation& simulation);

  // After finish(). Whether the analysis gets this packet, with its headers whole.
  bool shown(uint64_t sighting) const { return shown_[sighting]; }
  // Whether everything that passed there then was shown, or would have been, at its right time.
  bool covers(PointIndex point, bool toward_inside, int64_t from_ns, int64_t to_ns) const;
  // Whether a filter may show a connection at one point and hide it at another, so that nothing can be said of unpaired legs.
  bool hides_names() const { return !filter_.empty(); }

 private:
  struct Sighted {
    int64_t time_ns;
    uint64_t number;
    PointIndex point;
    bool toward_inside, followed;
    Frame frame;
  };
  // What tells the analysis that packets are missing.
  enum class Word { none, loss, edge, outage };
  // A time in which (some of) what passed was not captured.
  struct Blind {
    PointIndex point;
    std::optional<bool> toward_inside;  // none: both
    std::optional<int> member;          // of a LAG
    int64_t from_ns, to_ns;
    Word word;
    bool concerns(PointIndex p, bool inward) const { return p == point && (!toward_inside || *toward_inside == inward); }
  };
  struct Port {
    PointIndex point;
    std::optional<bool> toward_inside;
    int member;
    bool shows(const Sighted& sighted) const;
  };

  void draw(int64_t duration_ns);
  void widen(Blind& blind) const;
  PointIndex any_point() { return static_cast<PointIndex>(random_.below(options_.points)); }
  std::vector<Port> ports() const;
  bool is_blind(const Port& port, const Sighted& sighted) const;
  void make_port(const Port& port, Simulation& simulation);
  void lose(const Port& port, std::vector<const Sighted*>& sighted, InputPort& input, Simulation& simulation);
  TimedFrame capture(const Port& port, const Sighted& sighted) const;
  bool passes_filter(const TimedFrame& frame) const;
  int64_t stamp(PointIndex point, int64_t time_ns) const;
  int64_t clock_error_ns(PointIndex point, int64_t time_ns) const;
  bool clock_is_right(PointIndex point, int64_t from_ns, int64_t to_ns) const;
  void align(Simulation& simulation);

  const SimulatorOptions options_;
  Random random_;
  std::vector<Sighted> sighted_;
  std::vector<bool> shown_;
  std::vector<Blind> blinds_;
  int64_t end_ns_ = 0, begin_ns_ = -1'000'000'000;
  std::vector<bool> is_span_;  // by point
  std::optional<PointIndex> lag_, cut_, tagged_;
  uint32_t cut_bytes_ = 0;
  bool cut_is_said_ = false;
  std::string filter_;
  std::optional<FlowFilter> compiled_;
  std::optional<PointIndex> stepping_;
  int64_t step_at_ns_ = 0, step_ns_ = 0;
  std::vector<int64_t> offset_ns_;  // by point
  std::vector<PointClock> clocks_;  // as aligned; empty: there is one clock
  ClockLimits limits_;
};

}  // namespace parallax::test
