// From which side of the path connections are opened, and how many of them fail: where all from one side do, and those from the
// other side come about, the rules of that direction are the place to look.
//
// The correlator's, one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/finding/finding_group.h"
#include "analysis/finding/observation.h"
#include "analysis/model/sides.h"

namespace parallax {

class OpenedFrom {
 public:
  void accepted(PathSide client) { ++accepted_[client]; }
  // What is told of a connection, whose client is on that side.
  void take(const Observation& o, PathSide client);

  // A sentence more for a finding of such failures, with a blank before it; empty: there is nothing to say.
  std::string remark_for(const FindingGroup& group, const std::vector<std::string>& path) const;

 private:
  PerPathSide<uint64_t> accepted_{}, failed_{}, failed_after_{};  // failed_after_: of the accepted ones
};

}  // namespace parallax
