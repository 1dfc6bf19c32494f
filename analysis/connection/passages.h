// What the points have shown, and provably missed, of the packets that passed them: by time, for each direction.
//
// A mirror that stops showing a direction for a while, without a word, looks like a device that lets nothing through. What tells
// them apart are the connections that go on: their packets are seen at the next point and are answered. So of each packet that
// crossed it is counted whether a point showed it, and where in a stretch of time a point missed some and showed none, or missed
// a good part, it is taken for blind there: what was not seen then has not been absent.
//
// Fed with counts of ticks, which the homes of the pairs sum up; the order in which they come makes no difference. The
// correlator's, one thread. Bounded by kTicksMax for each point and direction: live the oldest go, offline the ticks grow longer.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "analysis/event/events.h"

namespace parallax {

class Passages {
 public:
  static constexpr size_t kTicksMax = 1 << 16;

  explicit Passages(bool keeps_all) : keeps_all_(keeps_all) {}

  void add(const PassageCount& count);
  // Whether what passed the point at that time may have been missed there.
  bool is_blind(PointIndex point, Direction direction, int64_t time_ns) const;

 private:
  struct Counts {
    uint64_t shown = 0, missed = 0;
  };
  struct Ticks {
    int64_t length_ns = kPassageTickNs;
    std::map<int64_t, Counts> counts;  // by number
  };
  static void double_length(Ticks& ticks);

  const bool keeps_all_;
  std::array<PerDirection<Ticks>, kPointsMax> ticks_;
};

}  // namespace parallax
