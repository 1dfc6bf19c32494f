#include "analysis/finding/finding_store.h"

#include <algorithm>
#include <cstdio>

namespace parallax {
namespace {

std::string plural(uint64_t n, std::string_view noun) {
  return std::to_string(n) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, seconds < 0.1 ? "%.4f s" : "%.1f s", seconds);
  return text;
}

}  // namespace

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

uint64_t FindingStore::observe(const Observation& o) {
  const Key key{o.kind, o.where, o.origin, o.direction, o.service};
  auto open = open_.find(key);
  if (open != open_.end()) {
    const auto group = groups_.find(open->second);
    if (group == groups_.end() || o.first_ns > group->second.record.last_seen_ns + kIncidentGapNs) {
      open_.erase(open);
      open = open_.end();
    }
  }
  if (open == open_.end()) {
    if (groups_.size() >= capacity_) {
      const auto oldest = groups_.begin();
      by_version_.erase(oldest->second.record.version);
      groups_.erase(oldest);  // its entry in open_ is replaced when next met
      ++evicted_;
      if (open_.size() > 2 * capacity_) std::erase_if(open_, [&](const auto& entry) { return !groups_.contains(entry.second); });
    }
    Group group;
    group.record.id = next_id_++;
    group.record.kind = o.kind;
    group.record.severity = o.severity.value_or(default_severity(o.kind));
    group.record.where = o.where;
    group.record.origin = o.origin;
    group.record.direction = o.direction;
    if (o.service != Endpoint{}) group.record.service = to_string(o.service);
    group.record.first_seen_ns = o.first_ns;
    group.record.last_seen_ns = o.last_ns;
    group.record.confidence = o.confidence;
    open = open_.emplace(key, group.record.id).first;
    groups_.emplace(group.record.id, std::move(group));
    ++totals_[{o.kind, where_text(o.where), o.severity.value_or(default_severity(o.kind))}];
  }
  Group& group = groups_.at(open->second);
  FindingRecord& record = group.record;
  record.count += o.count;
  if (o.severity && *o.severity > record.severity) record.severity = *o.severity;
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
  record.summary = o.sentence.empty() ? sentence(group) : o.sentence;
  by_version_.erase(record.version);
  record.version = ++version_;
  by_version_[record.version] = record.id;
  return record.id;
}

// One sentence: how many, what, where seen and where not, who.
std::string FindingStore::sentence(const Group& group) const {
  const FindingRecord& r = group.record;
  const std::string to = " to " + r.service.value_or("?");
  const std::string connections = plural(group.connections, "connection") + to;
  const std::string first = r.where.kind == Where::Kind::unknown ? "?" : path_[r.where.first];
  const std::string second = r.where.kind == Where::Kind::between ? path_[r.where.second] : "?";
  const bool by_device = r.origin == Origin::device;
  const bool to_client = r.direction == FindingDirection::server_to_client;
  const std::string remark = group.remark.empty() ? "" : " " + group.remark;
  switch (r.kind) {
    case FindingKind::syn_unanswered:
      if (r.where.kind == Where::Kind::beyond)
        return connections + " got no answer to " + plural(group.attempts, "SYN") + ": seen to leave " + first +
               ", nothing came back there." + remark;
      if (r.where.kind == Where::Kind::unknown)
        return connections + " got no answer to " + plural(group.attempts, "SYN") + "." + remark;
      if (to_client)
        return connections + " got no answer: the server's SYN-ACK was seen at " + second + " and never at " + first +
               "; the device between dropped it." + remark;
      return connections + " got no answer: " + plural(group.attempts, "SYN") + " seen at " + first + ", never at " + second +
             "; the device between dropped them." + remark;
    case FindingKind::syn_refused:
      if (by_device)
        return connections + " refused with RST by the device between " + first + " and " + second + ": " +
               plural(group.attempts, "attempt") + "; the server beyond " + second + " did not send it." + remark;
      if (r.where.kind == Where::Kind::beyond)
        return connections + " refused with RST by the server beyond " + first + ": " + plural(group.attempts, "attempt") + "." +
               remark;
      return connections + " refused with RST: " + plural(group.attempts, "attempt") + "." + remark;
    case FindingKind::syn_retried: {
      const std::string text = connections + " needed more than one SYN (" + std::to_string(group.attempts) +
                               " in all), which cost " + seconds_text(r.time_lost_seconds.value_or(0));
      if (by_device && to_client)
        return text + "; the device between " + first + " and " + second + " dropped the SYN-ACK." + remark;
      if (by_device) return text + "; the device between " + first + " and " + second + " dropped the earlier ones." + remark;
      if (r.where.kind == Where::Kind::beyond)
        return text + "; the earlier ones left " + first + " and were " +
               (r.origin == Origin::server ? "refused by the server" : "not answered") + " beyond it." + remark;
      return text + "." + remark;
    }
    case FindingKind::segment_loss:
      return plural(r.count, "data segment") + (to_client ? " from the server" : " from the client") + " of " + connections +
             " seen at " + (to_client ? second : first) + ", never at " + (to_client ? first : second) +
             "; lost in the device between." + remark;
    case FindingKind::reset_not_forwarded:
      return plural(r.count, "RST") + (to_client ? " of the server" : " of the client") + " on " + connections + " seen at " +
             (to_client ? second : first) + ", never at " + (to_client ? first : second) +
             "; the device between did not forward it, so that the " + (to_client ? "client" : "server") + " does not know." +
             remark;
    case FindingKind::reset_by_device:
      return connections + " reset by the device between " + first + " and " + second + ": RST toward the " +
             (to_client ? "client" : "server") + " seen at " + (to_client ? first : second) + ", never at " +
             (to_client ? second : first) + "." + remark;
    default:
      return std::string(name_of(r.kind)) + ": " + connections + "." + remark;
  }
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
