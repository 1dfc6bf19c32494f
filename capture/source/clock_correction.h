// By how much the stamps of a file are ahead of the clock that the analysis goes by: lines over time, one after another where the
// clock was set in between.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace parallax {

struct ClockLine {
  int64_t offset_ns = 0;
  double drift = 0;      // seconds ahead for each second; as 1e-6 a microsecond
  int64_t since_ns = 0;  // when the offset held, as the file stamps

  int64_t ahead_ns(int64_t stamp_ns) const {
    if (drift == 0) [[likely]]
      return offset_ns;
    return offset_ns + static_cast<int64_t>(drift * static_cast<double>(stamp_ns - since_ns));
  }
  bool operator==(const ClockLine&) const = default;
};

struct ClockCorrection {
  struct Part {
    int64_t from_ns;  // as the file stamps; of the first one not looked at
    ClockLine line;
  };
  std::vector<Part> parts{};  // in order of time; empty: the clocks are taken for the same
  // How far the offset may be wrong, whatever the packets' ways take: half of the sum of their least transits.
  int64_t uncertainty_ns = 0;

  bool none() const { return parts.empty(); }
  int64_t ahead_ns(int64_t stamp_ns) const {
    if (parts.empty()) [[likely]]
      return 0;
    return line_at(stamp_ns).ahead_ns(stamp_ns);
  }
  int64_t corrected(int64_t stamp_ns) const { return stamp_ns - ahead_ns(stamp_ns); }
  // REQUIRES: !none().
  const ClockLine& line_at(int64_t stamp_ns) const {
    const auto next = std::upper_bound(parts.begin() + 1, parts.end(), stamp_ns,
                                       [](int64_t ns, const Part& part) { return ns < part.from_ns; });
    return (next - 1)->line;
  }
};

}  // namespace parallax
