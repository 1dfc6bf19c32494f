// What people may set about the detectors: one object that does not change once an engine has it. Others take its place as a
// whole.
#pragma once

#include <map>

#include "analysis/model/finding_kinds.h"
#include "analysis/model/thresholds.h"
#include "analysis/model/vocabulary.h"

namespace parallax {

struct DetectorSettings {
  Thresholds thresholds;
  FindingKinds off;                            // of which nothing is told
  std::map<FindingKind, Severity> severities;  // of all findings of the kind, whatever its row says
};

}  // namespace parallax
