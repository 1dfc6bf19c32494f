// When legs are over for lack of packets, offline: at a packet time of their own, in one order for any number of workers.
//
// Live a sweep finds idle legs some time after they are over, which depends on what else the worker has to do. Offline each leg
// is looked at once it may be over: the look is asked for when the leg opens, and again at the time that its last packet then
// gives. A leg that ends does so after the packets of that time at its point, and before anything later. One owner, one thread;
// grows.
#pragma once

#include <cstdint>
#include <queue>
#include <tuple>
#include <vector>

#include "analysis/event/events.h"
#include "capture/core/port.h"

namespace parallax {

class LegExpiry {
 public:
  struct Look {
    int64_t at_ns;
    PointIndex point;
    uint32_t key_hash;  // settles the order of legs that end at the same time
    LegId leg;
  };

  void ask(const Look& look) { looks_.push(look); }
  // The first look, if it is due before a packet of that time and point.
  const Look* due(int64_t order_ns, PointIndex point) const {
    if (looks_.empty()) return nullptr;
    const Look& first = looks_.top();
    return std::tuple(first.at_ns, first.point) < std::tuple(order_ns, point) ? &first : nullptr;
  }
  void pop() { looks_.pop(); }
  // Time of the first look; kTimeMax: none is asked for.
  int64_t next_ns() const { return looks_.empty() ? kTimeMax : looks_.top().at_ns; }

 private:
  struct Later {
    bool operator()(const Look& a, const Look& b) const {
      const auto key = [](const Look& look) { return std::tuple(look.at_ns, look.point, look.key_hash, look.leg); };
      return key(a) > key(b);
    }
  };
  std::priority_queue<Look, std::vector<Look>, Later> looks_;
};

}  // namespace parallax
