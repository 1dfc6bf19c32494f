// What other workers send of the packets whose pairs are at home here, brought into one order again.
//
// One owner, one thread.
#pragma once

#include <vector>

#include "analysis/event/engine_links.h"
#include "analysis/model/engine_options.h"
#include "capture/core/staging.h"

namespace parallax {

class PairInbox {
 public:
  PairInbox(size_t worker, const EngineOptions& options, EngineLinks& links);

  // Takes over what is in the rings. False: nothing waits.
  bool fetch();
  // Release time of what comes next; kTimeMax: nothing, or it is the end of the input.
  int64_t next_ns() const;
  bool empty() const;
  // All that is released at next_ns(), in the packets' own order: the replayed logs of two legs interleave here. Holds until the
  // next call.
  const std::vector<PairSighting>& take_next();

 private:
  const size_t worker_;
  EngineLinks& links_;
  std::vector<Staging<PairSighting>> from_;  // by worker
  std::vector<PairSighting> same_release_;
};

}  // namespace parallax
