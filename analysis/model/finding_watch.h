// What a watcher of findings keeps of its place among their changes, and what it is given of each.
#pragma once

#include <cstdint>

#include "analysis/model/model.h"

namespace parallax {

struct FindingWatch {
  Severity minimum = Severity::info;
  uint64_t begun = 0;    // the newest version when it began: what was forgotten before that is no loss to it
  uint64_t version = 0;  // every change up to this version has been given, or was none of its concern
  uint64_t dropped = 0;  // findings that were forgotten before it was given their latest state,
  uint64_t told = 0;     // of which it has been told
};

struct FindingChange {
  FindingRecord finding;
  uint64_t dropped_before = 0;  // so many of those the watcher is told of with this one
};

}  // namespace parallax
