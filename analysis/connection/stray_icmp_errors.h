// ICMP errors that quote a packet of no leg that their point knows. One of them may be the error that a device seems to have
// kept: it let the error pass, and did not translate what that quotes.
//
// The correlator's, one thread; bounded. What has been forgotten proves nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "analysis/event/events.h"
#include "capture/core/port.h"

namespace parallax {

class StrayIcmpErrors {
 public:
  static constexpr size_t kErrorsMax = 1 << 14;

  explicit StrayIcmpErrors(size_t capacity = kErrorsMax) : capacity_(capacity) {}

  // REQUIRES: in the order of time.
  void add(const LegEvent& event);
  // Whether the point has shown one that says the same between the two times, or may have.
  bool any(PointIndex point, const IcmpError& error, int64_t from_ns, int64_t to_ns) const;

 private:
  struct Stray {
    int64_t order_ns;
    PointIndex point;
    uint8_t type, code;
  };
  const size_t capacity_;
  std::deque<Stray> strays_;
  int64_t forgotten_until_ns_ = kTimeMin;
};

}  // namespace parallax
