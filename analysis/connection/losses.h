// What a connection has lost in a device, and for how long its ends have waited for that.
#pragma once

#include <algorithm>
#include <cstdint>

#include "analysis/event/events.h"
#include "analysis/model/sides.h"
#include "capture/core/port.h"

namespace parallax {

// Of the data of one side: until what was lost came after all. What was lost at the same time is waited for once.
class LossWait {
 public:
  // Of a lost segment, in the order of their sending: by how much the receiver's waiting has grown, in nanoseconds.
  // `repaired_ns`: how long after it a copy of it left the device; 0: that is not known.
  int64_t take(const PacketFacts& lost, int64_t repaired_ns) {
    if (repaired_ns == 0) {
      if (!is_open_) open_ = {lost.order_ns, lost.seq};
      is_open_ = true;
      return 0;
    }
    const bool was_lost_before = is_open_ && open_.seq == lost.seq;
    const int64_t since_ns = std::max(was_lost_before ? open_.since_ns : lost.order_ns, until_ns_);
    if (was_lost_before) is_open_ = false;
    const int64_t until_ns = lost.order_ns + repaired_ns;
    until_ns_ = std::max(until_ns_, until_ns);
    return std::max<int64_t>(until_ns - since_ns, 0);
  }

 private:
  struct Open {
    int64_t since_ns;
    uint32_t seq;
  };
  int64_t until_ns_ = kTimeMin;
  Open open_{};  // the first one that nothing has followed yet
  bool is_open_ = false;
};

struct Losses {
  int64_t first_ns = kTimeMax;  // the first of them
  Side first_from = Side::client;
  PerSide<LossWait> wait;
};

}  // namespace parallax
