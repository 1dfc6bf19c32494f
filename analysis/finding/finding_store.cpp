#include "analysis/finding/finding_store.h"

#include <algorithm>

namespace parallax {

std::string FindingStore::where_text(const Where& where) const {
  switch (where.kind) {
    case Where::Kind::beyond:
      return "beyond " + path_[where.first];
    case Where::Kind::between:
      return "between " + path_[where.first] + " and " + path_[where.second];
    default:
      return "unknown";
  }
}

void FindingStore::make_room() {
  if (groups_.size() < capacity_) return;
  const auto oldest = groups_.begin();
  by_version_.erase(oldest->second.record.version);
  groups_.erase(oldest);  // its entry in open_ is replaced when next met
  ++evicted_;
  if (open_.size() > 2 * capacity_) std::erase_if(open_, [&](const auto& entry) { return !groups_.contains(entry.second); });
}

FindingGroup& FindingStore::group_for(const Observation& o) {
  const Key key{o.kind, o.where, o.origin, o.direction, o.service};
  if (const auto open = open_.find(key); open != open_.end()) {
    const auto group = groups_.find(open->second);
    if (group != groups_.end() && o.first_ns <= group->second.record.last_seen_ns + kIncidentGapNs) return group->second;
    open_.erase(open);
  }
  make_room();
  const uint64_t id = next_id_++;
  open_.emplace(key, id);
  FindingGroup& group = groups_[id];
  FindingRecord& record = group.record;
  record.id = id;
  record.kind = o.kind;
  record.severity = o.severity.value_or(default_severity(o.kind));
  record.where = o.where;
  record.origin = o.origin;
  record.direction = o.direction;
  if (o.service != Endpoint{}) record.service = to_string(o.service);
  record.first_seen_ns = o.first_ns;
  record.last_seen_ns = o.last_ns;
  ++totals_[{o.kind, where_text(o.where), record.severity}];
  return group;
}

uint64_t FindingStore::observe(const Observation& o) {
  FindingGroup& group = group_for(o);
  FindingRecord& record = group.record;
  record.count += o.count;
  if (o.severity) record.severity = std::max(record.severity, *o.severity);
  group.attempts += o.attempts;
  record.first_seen_ns = std::min(record.first_seen_ns, o.first_ns);
  record.last_seen_ns = std::max(record.last_seen_ns, o.last_ns);
  record.confidence = std::max(record.confidence, o.confidence);
  if (o.time_lost_seconds > 0) record.time_lost_seconds = record.time_lost_seconds.value_or(0) + o.time_lost_seconds;
  // Observations of one connection may come in any order among others'; the list is short or full.
  auto& ids = record.connection_ids;
  if (std::find(ids.rbegin(), ids.rend(), o.connection_id) == ids.rend()) {
    ++group.connections;
    if (ids.size() < kFindingConnectionsMax) ids.push_back(o.connection_id);
  }
  for (const Evidence& e : o.evidence) {
    if (record.evidence.size() < kFindingEvidenceMax) record.evidence.push_back(e);
  }
  if (group.remark.empty()) group.remark = o.remark;
  record.summary = sentence_(group);
  by_version_.erase(record.version);
  record.version = ++version_;
  by_version_[record.version] = record.id;
  return record.id;
}

std::vector<FindingRecord> FindingStore::after(uint64_t id, size_t limit) const {
  std::vector<FindingRecord> records;
  for (auto it = groups_.upper_bound(id); it != groups_.end() && records.size() < limit; ++it)
    records.push_back(it->second.record);
  return records;
}

std::vector<FindingRecord> FindingStore::changed_after(uint64_t version, size_t limit) const {
  std::vector<FindingRecord> records;
  for (auto it = by_version_.upper_bound(version); it != by_version_.end() && records.size() < limit; ++it) {
    records.push_back(groups_.at(it->second).record);
  }
  return records;
}

}  // namespace parallax
