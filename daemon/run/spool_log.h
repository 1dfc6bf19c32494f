// What the spool has to say to the log: what keeps it from writing and when that is over, what it has removed, what was
// dropped, what was mended or made.
//
// Control thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "capture/spool/spool.h"
#include "daemon/run/log.h"

namespace parallax {

class SpoolLog {
 public:
  using Write = std::function<void(LogLevel, std::string_view)>;

  // What open() has mended is told already. `spool` outlives the log.
  SpoolLog(Spool& spool, Write write);

  void tell_faults();  // about once a second
  void tell_losses();  // now and then: what comes all the time while there is a lot to write

 private:
  void tell_removal(SpoolRemovalReason reason);

  Spool& spool_;
  const Write write_;
  std::string error_told_;
  size_t repairs_told_;
  uint64_t dropped_told_ = 0, dropped_before_error_ = 0;
  SpoolRemovals removals_{};  // since they were last told
};

}  // namespace parallax
