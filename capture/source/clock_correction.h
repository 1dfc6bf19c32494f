// By how much the stamps of a file are ahead of the clock that the analysis goes by: an offset, and a drift from some time on.
#pragma once

#include <cstdint>

namespace parallax {

struct ClockCorrection {
  int64_t offset_ns = 0;
  double drift = 0;      // seconds ahead for each second; as 1e-6 a microsecond
  int64_t since_ns = 0;  // when the offset held, as the file stamps

  bool none() const { return offset_ns == 0 && drift == 0; }
  int64_t ahead_ns(int64_t stamp_ns) const {
    if (drift == 0) [[likely]]
      return offset_ns;
    return offset_ns + static_cast<int64_t>(drift * static_cast<double>(stamp_ns - since_ns));
  }
  int64_t corrected(int64_t stamp_ns) const { return stamp_ns - ahead_ns(stamp_ns); }
};

}  // namespace parallax
