// Looks at all live ports together, about every tick, for those that have fallen silent; what it finds is in their `silences`.
//
// Called by one thread, which alone writes those logs. The rules are in PortActivity. Time is the ports' own: a tick is over
// when every port's watermark has passed it, so that a port that is merely late (its thread was held up) is not silent.
#pragma once

#include <optional>
#include <vector>

#include "capture/core/port_activity.h"

namespace parallax {

class PortWatch {
 public:
  explicit PortWatch(std::vector<PortChannel*> channels);

  void look();

 private:
  const std::vector<PortChannel*> channels_;
  std::vector<uint64_t> packets_seen_;
  std::optional<PortActivity> activity_;  // from the first watermarks on
};

}  // namespace parallax
