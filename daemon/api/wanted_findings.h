// What a request for findings, listed or watched, wants of them: kind, severity and filter, read once. Pure.
#pragma once

#include <cstdint>
#include <variant>

#include "analysis/model/model.h"
#include "capture/core/result.h"
#include "daemon/api/known_value.h"
#include "daemon/api/record_filter.h"
#include "daemon/history/history_file.h"
#include "daemon/message/to_proto.h"
#include "parallax/v1/sensor.pb.h"

namespace parallax {

// A finding as its pinned file tells it: a message already.
struct PinnedMessage {
  uint64_t id;
  v1::Finding finding;
};

// A finding of the engine, or of the history.
struct ListedFinding {
  uint64_t id;
  std::variant<FindingRecord, RecalledFinding> finding;
};

struct WantedFindings {
  v1::FindingKind kind;  // unspecified: all
  v1::Severity minimum;
  RecordFilter filter;

  // `filter`: that of the request, as it was read.
  template <typename Request>
  static Result<WantedFindings> of(const Request& request, const Result<RecordFilter>& filter) {
    for (const std::string& error :
         {why_unknown("kind", request.kind()), why_unknown("minimum_severity", request.minimum_severity()), filter.error()}) {
      if (!error.empty()) return Error{error};
    }
    return WantedFindings{request.kind(), request.minimum_severity(), *filter};
  }

  bool has(const FindingRecord& finding) const {
    return is_of(to_proto(finding.kind), to_proto(finding.severity)) && filter.covers(finding);
  }
  bool has(const RecalledFinding& recalled) const {
    const v1::Finding& finding = recalled.remembered.finding();
    return is_of(finding.kind(), finding.severity()) && filter.covers(recalled.remembered);
  }
  bool has(const ListedFinding& listed) const {
    return std::visit([this](const auto& finding) { return has(finding); }, listed.finding);
  }
  bool has(const PinnedMessage& pinned) const {
    return is_of(pinned.finding.kind(), pinned.finding.severity()) && filter.covers(pinned.finding);
  }

 private:
  bool is_of(v1::FindingKind its_kind, v1::Severity severity) const {
    return (kind == v1::FINDING_KIND_UNSPECIFIED || its_kind == kind) && severity >= minimum;
  }
};

}  // namespace parallax
