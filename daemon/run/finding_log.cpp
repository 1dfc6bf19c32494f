#include "daemon/run/finding_log.h"

#include <vector>

#include "analysis/engine.h"

namespace parallax {
namespace {

constexpr size_t kBatch = 256;
constexpr size_t kToldMax = 65536;

LogLevel level_of(Severity severity) {
  switch (severity) {
    case Severity::info:
      return LogLevel::info;
    case Severity::notice:
      return LogLevel::notice;
    default:
      return LogLevel::warning;
  }
}

// Those that it was beyond of or between, each once.
std::vector<PointIndex> points_of(const Where& where) {
  if (where.kind == Where::Kind::unknown) return {};
  if (where.kind == Where::Kind::beyond || where.first == where.second) return {where.first};
  return {where.first, where.second};
}

}  // namespace

void FindingLog::tell() {
  while (true) {
    const std::vector<FindingChange> changes = state_.engine->finding_changes(watch_, kBatch);
    for (const FindingChange& change : changes) {
      if (change.finding.state == FindingState::withdrawn || !told_.insert(change.finding.id).second) continue;
      tell(change.finding);
      if (told_.size() > kToldMax) told_.erase(told_.begin());
    }
    if (changes.size() < kBatch) break;
  }
  if (watch_.dropped == dropped_told_) return;
  write_(
      "findings dropped", LogLevel::warning,
      fmt::format(
          "{} findings had to make room for others (limits.findings) before the log was told of them or of what became of them",
          watch_.dropped - dropped_told_),
      {});
  dropped_told_ = watch_.dropped;
}

void FindingLog::tell(const FindingRecord& finding) {
  const std::string kind(name_of(finding.kind));
  std::vector<LogField> fields{{"MESSAGE_ID", std::string(kMessageId)},
                               {"PARALLAX_FINDING", std::to_string(finding.id)},
                               {"PARALLAX_KIND", kind},
                               {"PARALLAX_SEVERITY", std::string(name_of(finding.severity))},
                               {"PARALLAX_ORIGIN", std::string(name_of(finding.origin))}};
  for (const PointIndex point : points_of(finding.where)) fields.push_back({"PARALLAX_POINT", state_.path[point]});
  if (finding.service) fields.push_back({"PARALLAX_SERVICE", *finding.service});
  write_(kind, level_of(finding.severity),
         fmt::format("finding {}: {} {}: {}", finding.id, name_of(finding.severity), kind, finding.summary), fields);
}

}  // namespace parallax
