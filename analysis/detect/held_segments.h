// Which segments a device has held back lately: what is told only where it does so again and again, and whether it does so at
// regular intervals.
//
// Kept of a direction of a connection until then: when each hold began and ended, and with which sequence number. What enters
// while another segment is still being held is part of the same hold. The correlator's, one thread; bounded, the direction that
// was longest without one goes first, counted.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/finding/observation.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/lru_table.h"
#include "analysis/model/thresholds.h"

namespace parallax {

class HeldSegments {
 public:
  static constexpr size_t kDirectionsMax = 1 << 11;

  struct Segment {
    int64_t entered_ns = 0, left_ns = 0;
    int64_t usual_ns = 0;  // what others take
    uint32_t seq = 0;
  };

  // REQUIRES: the segments of a direction come in order. Appends to `out` what is to be told now, as `device_delay` or as
  // `device_shaping`.
  void take(uint64_t direction, const Segment& segment, Observation held, const Thresholds& thresholds,
            std::vector<Observation>& out);

  uint64_t evicted() const { return directions_.evicted(); }

 private:
  struct Hold {
    Segment segment;
    Observation observation;
  };
  struct Series {
    int64_t left_ns = 0;  // the newest one
    bool is_told = false, is_regular = false;
    double period_seconds = 0;
    std::vector<Hold> kept{};  // until told
  };
  static void decide(Series& series);
  static Observation observation_of(Hold hold, const Series& series);

  struct DirectionHash {
    size_t operator()(uint64_t direction) const { return KeyedHash().add(direction).value(); }
  };
  LruTable<uint64_t, Series, DirectionHash> directions_{kDirectionsMax};
};

}  // namespace parallax
