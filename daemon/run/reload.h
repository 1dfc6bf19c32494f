// Reading the configuration again while the daemon runs: filters, detectors, thresholds, the spool's limits, the log of
// connections, the webhook, and certificates, roles and limits of the API are changed without losing a packet, a connection or a
// finding. Anything wrong in it, or anything else that differs from what runs, and nothing is changed.
//
// Called by the control thread.
#pragma once

#include <string>
#include <vector>

#include "config/checks.h"
#include "config/loader.h"
#include "daemon/run/pipeline.h"
#include "daemon/run/prepared_change.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

// What differs and needs a restart, in the order of the schema.
std::vector<ConfigProblem> changes_that_need_a_restart(const v1::Config& running, const v1::Config& next);

class Reload {
 public:
  // `prepare_access`: empty where there is no API. The pipeline outlives it.
  Reload(std::string path, v1::Config running, Pipeline& pipeline, PrepareAccess prepare_access);
  // Says in the log what has become of it. False: everything is as it was.
  bool now();

 private:
  bool refuse();
  // Says all of them. True: there are none.
  static bool tell(const LoadedConfig& loaded, const std::vector<ConfigProblem>& problems);

  const std::string path_;
  v1::Config running_;
  Pipeline& pipeline_;
  const PrepareAccess prepare_access_;
};

}  // namespace parallax
