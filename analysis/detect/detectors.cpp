#include "analysis/detect/detectors.h"

#include <algorithm>
#include <array>

namespace parallax {

std::span<const Detector* const> detectors() {
  static constexpr std::array kTable{
#define X(kind) &detect::kind,
#include "analysis/detect/detectors.def"
#undef X
  };
  return kTable;
}

const Detector* detector_of(FindingKind kind) {
  const auto table = detectors();
  const auto it = std::find_if(table.begin(), table.end(), [kind](const Detector* d) { return d->kind == kind; });
  return it == table.end() ? nullptr : *it;
}

}  // namespace parallax
