#include "analysis/model/absence_proof.h"

#include <algorithm>
#include <utility>

namespace parallax {

std::string_view name_of(Doubt doubt) {
  switch (doubt) {
    case Doubt::none:
      return "none";
    case Doubt::not_covered:
      return "not_covered";
    case Doubt::may_be_hidden:
      return "may_be_hidden";
    case Doubt::acknowledged:
      return "acknowledged";
    case Doubt::rival:
      return "rival";
    case Doubt::renamed:
      return "renamed";
    case Doubt::seen_beyond:
      return "seen_beyond";
    case Doubt::path_unknown:
      return "path_unknown";
    case Doubt::offset_unknown:
      return "offset_unknown";
    case Doubt::clock_uncertain:
      return "clock_uncertain";
  }
  return "";
}

std::string_view text_of(Doubt doubt) {
  switch (doubt) {
    case Doubt::none:
      return "proved";
    case Doubt::not_covered:
      return "the sensor does not show that direction there at that time, or was losing packets";
    case Doubt::may_be_hidden:
      return "a filter may hide it there";
    case Doubt::acknowledged:
      return "its receiver acknowledged it";
    case Doubt::rival:
      return "another packet there may be its continuation";
    case Doubt::renamed:
      return "it was seen there under another name";
    case Doubt::seen_beyond:
      return "a point further on has seen it";
    case Doubt::path_unknown:
      return "its path is not known";
    case Doubt::offset_unknown:
      return "the device rewrites sequence numbers by an offset that is not known";
    case Doubt::clock_uncertain:
      return "the clocks do not tell what came first";
  }
  return "";
}

// Nine tenths of it, in steps.
bool AbsenceProof::covers_nearly(int64_t from_ns, int64_t to_ns) const {
  constexpr int64_t kSteps = 50, kUncoveredMost = kSteps / 10;
  int64_t uncovered = 0;
  for (int64_t i = 0; i < kSteps && from_ns < to_ns; ++i) {
    const int64_t until_ns = from_ns + std::max<int64_t>((to_ns - from_ns) / (kSteps - i), 1);
    uncovered += !sensor_.covers(point_, ports_, from_ns, until_ns);
    if (uncovered > kUncoveredMost) return false;
    from_ns = until_ns;
  }
  return true;
}

std::vector<Absence> AbsenceProof::absences() const {
  std::vector<Absence> absences;
  for (size_t i = 0; i < std::min<size_t>(covered_, instants_.size()); ++i) absences.push_back({point_, ports_, instants_[i]});
  return absences;
}

Evidence AbsenceProof::evidence(int64_t time_ns, std::string detail) const {
  return decided_by_home(point_, time_ns, std::move(detail));
}

Evidence AbsenceProof::decided_by_home(PointIndex point, int64_t time_ns, std::string detail) {
  return {.kind = std::string(kAbsent),
          .point = point,
          .port = std::nullopt,
          .frame = 0,
          .time_ns = time_ns,
          .detail = std::move(detail)};
}

Evidence AbsenceProof::doubt_evidence(int64_t time_ns) const {
  return {.kind = "timing",
          .point = point_,
          .port = std::nullopt,
          .frame = 0,
          .time_ns = time_ns,
          .detail = "absence not proved: " + std::string(text_of(doubt()))};
}

}  // namespace parallax
