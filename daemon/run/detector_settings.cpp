#include "daemon/run/detector_settings.h"

#include <cmath>
#include <utility>

#include "daemon/message/word_of.h"

namespace parallax {
namespace {

Thresholds thresholds_from(const v1::ThresholdsConfig& config) {
  Thresholds thresholds;
#define SECONDS(name, ns) thresholds.name##_ns = std::llround(config.name##_seconds() * 1e9);
#define NUMBER(name, number) thresholds.name = config.name();
#include "analysis/model/thresholds.def"
#undef NUMBER
#undef SECONDS
  return thresholds;
}

}  // namespace

std::shared_ptr<const DetectorSettings> detector_settings(const v1::Config& config) {
  DetectorSettings settings{.thresholds = thresholds_from(config.thresholds()), .off = {}, .severities = {}};
  for (const int kind : config.detectors().off()) settings.off.insert(word_of<FindingKind>(kind));
  for (const v1::KindSeverityConfig& one : config.detectors().severities())
    settings.severities[word_of<FindingKind>(one.kind())] = word_of<Severity>(one.severity());
  return std::make_shared<const DetectorSettings>(std::move(settings));
}

}  // namespace parallax
