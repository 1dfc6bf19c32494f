// What a device takes for a packet, by how much it has to do: its transits by the packets that cross it in a second, both ways
// together.
//
// Fed with counts of ticks, which the homes of the pairs sum up; the order in which they come makes no difference. The
// correlator's, one thread. Bounded: of a second that is older than kSecondsMax others only its class is kept.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "analysis/event/events.h"
#include "analysis/model/model.h"

namespace parallax {

class TransitLoads {
 public:
  static constexpr size_t kSecondsMax = 1 << 16;

  // REQUIRES: packets have crossed.
  void add(const PassageCount& count);
  // By rising load; classes in which no second was are left out.
  std::vector<TransitAtLoad> by_load() const;

 private:
  // 1, 2, 5, 10, ... packets a second begin a class.
  static constexpr size_t kClasses = 24;
  struct Way {
    uint64_t timed = 0;
    int64_t transit_ns = 0;  // of all of them
    void add(const Way& more) { timed += more.timed, transit_ns += more.transit_ns; }
  };
  struct Second {
    uint64_t crossed = 0;
    PerDirection<Way> ways{};
  };
  struct Class {
    uint64_t seconds = 0;
    PerDirection<Way> ways{};
    void add(const Second& second);
  };
  static uint64_t begin_of(size_t load_class);
  static size_t class_of(uint64_t packets);

  std::map<int64_t, Second> seconds_;  // by number
  std::array<Class, kClasses> older_{};
};

}  // namespace parallax
