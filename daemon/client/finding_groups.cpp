#include "daemon/client/finding_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include "analysis/detect/detector.h"
#include "daemon/client/report_words.h"
#include "daemon/message/text_table.h"
#include "daemon/message/to_proto.h"

namespace parallax {
namespace {

auto key_of(const v1::Finding& finding) {
  return std::make_tuple(-static_cast<int>(finding.severity()), static_cast<int>(finding.kind()), where_text(finding.where()),
                         static_cast<int>(finding.origin()));
}

auto weight_of(const FindingsAlike& group) {
  return std::make_tuple(group.first().severity(),
                         std::any_of(group.findings.begin(), group.findings.end(), [](auto* f) { return is_certain(*f); }),
                         group.time_lost_seconds(), group.count());
}

}  // namespace

bool is_certain(const v1::Finding& finding) { return finding.confidence() >= 0.5; }

double own_time_lost_seconds(const v1::Finding& finding) {
  const bool is_told_by_cause = finding.kind() == v1::FINDING_KIND_STALLED_CONNECTION && finding.severity() == v1::SEVERITY_INFO;
  return is_told_by_cause ? 0 : finding.time_lost_seconds();
}

uint64_t FindingsAlike::count() const {
  uint64_t count = 0;
  for (const v1::Finding* finding : findings) count += finding->count();
  return count;
}

double FindingsAlike::time_lost_seconds() const {
  double seconds = 0;
  for (const v1::Finding* finding : findings) seconds += finding->time_lost_seconds();
  return seconds;
}

uint64_t FindingsAlike::example() const {
  for (const v1::Finding* finding : findings) {
    if (!finding->connection_ids().empty()) return finding->connection_ids(0);
  }
  return 0;
}

std::string_view FindingsAlike::next_step() const {
  if (first().severity() < v1::SEVERITY_NOTICE) return {};
  const auto is_of_kind = [this](const Detector* detector) { return to_proto(detector->kind) == first().kind(); };
  const auto detector = std::find_if(detectors().begin(), detectors().end(), is_of_kind);
  if (detector == detectors().end()) return {};
  const v1::Where& where = first().where();
  const Where::Kind place = where.between_size() > 0  ? Where::Kind::between
                            : !where.beyond().empty() ? Where::Kind::beyond
                                                      : Where::Kind::unknown;
  return (*detector)->page.next_at(place);
}

std::string heading_words(const FindingsAlike& group) {
  const v1::Finding& first = group.first();
  const double lost = group.time_lost_seconds();
  return fmt::format("{}; by: {}; {}{}{}", where_text(first.where()), word(first.origin()),
                     plural(group.count(), "time", "times"),
                     group.findings.size() > 1 ? fmt::format(" in {} findings", group.findings.size()) : "",
                     lost > 0 ? fmt::format("; {} lost", duration_text(lost)) : "");
}

std::vector<FindingsAlike> group_findings(const std::vector<v1::Finding>& findings) {
  std::map<decltype(key_of(findings.front())), FindingsAlike> alike;
  for (const v1::Finding& finding : findings) alike[key_of(finding)].findings.push_back(&finding);
  std::vector<FindingsAlike> groups;
  for (auto& [key, group] : alike) groups.push_back(std::move(group));
  for (FindingsAlike& group : groups) {
    std::stable_sort(group.findings.begin(), group.findings.end(),
                     [](const v1::Finding* a, const v1::Finding* b) { return a->count() > b->count(); });
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const FindingsAlike& a, const FindingsAlike& b) { return weight_of(a) > weight_of(b); });
  return groups;
}

}  // namespace parallax
