#include "analysis/finding/finding_store.h"

#include <algorithm>
#include <utility>

namespace parallax {

namespace {

void note_related(FindingRecord& record, uint64_t id) {
  auto& ids = record.related_connection_ids;
  if (id == 0 || ids.size() >= kFindingConnectionsMax || std::find(ids.begin(), ids.end(), id) != ids.end()) return;
  ids.push_back(id);
}

void note_leg(FindingRecord& record, const FindingLeg& leg) {
  auto& legs = record.legs;
  if (legs.size() < kFindingLegsMax && std::find(legs.begin(), legs.end(), leg) == legs.end()) legs.push_back(leg);
}

// What comes again and again may do so seldom, and what belongs to a place never ends for long.
int64_t incident_gap_ns(const FindingGroup& group) {
  constexpr double kPeriods = 3;
  const int64_t gap_ns = group.is_of_place ? kPlaceGapNs : kIncidentGapNs;
  return std::max(gap_ns, static_cast<int64_t>(group.record.period_seconds.value_or(0) * kPeriods * 1e9));
}

}  // namespace

std::string FindingStore::where_text(const Where& where) const {
  switch (where.kind) {
    case Where::Kind::beyond:
      return "beyond " + path_[where.first];
    case Where::Kind::between:
      if (where.first == where.second) return "at " + path_[where.first];
      return "between " + path_[where.first] + " and " + path_[where.second];
    default:
      return "unknown";
  }
}

void FindingStore::erase(uint64_t id) {
  const auto it = groups_.find(id);
  const FindingRecord& record = it->second.record;
  changes_.remove(record);
  ends_.erase({it->second.over_ns, id});
  ranks_of(record.kind).erase(rank_of(record));
  groups_.erase(it);  // entries in open_ and spreads_ are replaced when next met
  if (open_.size() > 2 * capacity_) std::erase_if(open_, [&](const auto& entry) { return !groups_.contains(entry.second); });
  if (spreads_.size() > 2 * capacity_) {
    std::erase_if(spreads_, [&](const auto& entry) {
      const Spread& spread = entry.second;
      return !groups_.contains(spread.incident) &&
             std::none_of(spread.findings.begin(), spread.findings.end(), [&](uint64_t f) { return groups_.contains(f); });
    });
  }
}

void FindingStore::make_room(FindingKind kind) {
  const std::set<Rank>* from = &ranks_of(kind);
  if (from->size() < std::max<size_t>(1, capacity_ / kKindShare)) {
    if (groups_.size() < capacity_) return;
    for (const std::set<Rank>& ranks : ranks_) {
      if (!ranks.empty() && (from->empty() || *ranks.begin() < *from->begin())) from = &ranks;
    }
  }
  const uint64_t id = from->begin()->id;
  changes_.forget(groups_.at(id).record);
  erase(id);
  ++evicted_;
}

FindingGroup* FindingStore::open_group(uint64_t id, int64_t first_ns) {
  const auto group = groups_.find(id);
  const bool is_open = group != groups_.end() && group->second.record.state != FindingState::withdrawn &&
                       !is_over(group->second) && first_ns <= group->second.record.last_seen_ns + incident_gap_ns(group->second);
  return is_open ? &group->second : nullptr;
}

FindingGroup& FindingStore::new_group(const Observation& o) {
  make_room(o.kind);
  const uint64_t id = next_id_++;
  FindingGroup& group = groups_[id];
  FindingRecord& record = group.record;
  record.id = id;
  record.kind = o.kind;
  record.severity = *o.severity;
  record.where = o.where;
  record.origin = o.origin;
  record.direction = o.direction;
  record.first_seen_ns = o.first_ns;
  record.last_seen_ns = o.last_ns;
  group.sizes = o.sizes;
  if (o.source != Endpoint{} && !o.is_of_place) group.only_source = o.source.address;
  group.is_spread = o.is_of_source;
  group.is_of_place = o.is_of_place;
  FindingTotal& total = totals_[{o.kind, where_text(o.where), record.severity}];
  total = {total.raised + 1, id, o.last_ns};
  ++standing_[static_cast<size_t>(o.kind)];
  ranks_of(o.kind).insert(rank_of(record));
  return group;
}

// The incident of a client that has been told of with many services; null: not so many yet.
FindingGroup* FindingStore::spread_group(const Observation& o) {
  if (o.source == Endpoint{} || o.is_of_source) return nullptr;
  const auto it = spreads_.find({o.kind, o.where, o.origin, o.direction, o.source.address});
  if (it == spreads_.end()) return nullptr;
  Spread& spread = it->second;
  if (FindingGroup* incident = open_group(spread.incident, o.first_ns)) return incident;
  std::erase_if(spread.findings, [&](uint64_t id) {
    const FindingGroup* group = open_group(id, o.first_ns);
    return group == nullptr || group->only_source != o.source.address;
  });
  if (spread.findings.size() < kSpreadServices) return nullptr;
  FindingGroup& incident = new_group(o);
  incident.is_spread = true;
  spread.incident = incident.record.id;
  for (const uint64_t id : std::exchange(spread.findings, {})) {
    if (id != incident.record.id && groups_.contains(id)) absorb(incident, id);
  }
  return &incident;
}

void FindingStore::absorb(FindingGroup& into, uint64_t id) {
  FindingGroup& from = groups_.at(id);
  FindingRecord& record = into.record;
  ranks_of(record.kind).erase(rank_of(record));
  record.count += from.record.count;
  record.first_seen_ns = std::min(record.first_seen_ns, from.record.first_seen_ns);
  record.last_seen_ns = std::max(record.last_seen_ns, from.record.last_seen_ns);
  record.confidence = std::max(record.confidence, from.record.confidence);
  if (from.record.time_lost_seconds)
    record.time_lost_seconds = record.time_lost_seconds.value_or(0) + *from.record.time_lost_seconds;
  for (const Evidence& e : from.record.evidence) {
    if (record.evidence.size() < kFindingEvidenceMax) record.evidence.push_back(e);
  }
  for (const uint64_t connection : from.record.connection_ids) {
    if (record.connection_ids.size() < kFindingConnectionsMax) record.connection_ids.push_back(connection);
  }
  for (const FindingLeg& leg : from.record.legs) note_leg(record, leg);
  into.connections += from.connections;
  into.attempts += from.attempts;
  into.proved += from.proved;
  for (const Endpoint& service : from.services) into.count(service);
  for (const auto& [id_of, contribution] : from.contributions) {
    if (contribution.client && !into.contributions.contains(id_of)) ++into.clients[*contribution.client];
  }
  into.contributions.merge(from.contributions);
  into.take_sizes(from.sizes);
  into.take_duration(from.shortest_ns);
  into.take_duration(from.longest_ns);
  for (const uint64_t related : from.record.related_connection_ids) note_related(record, related);
  if (into.remark.empty()) into.remark = from.remark;
  ranks_of(record.kind).insert(rank_of(record));
  merged_.push_back({id, record.id, from.record.connection_ids});
  --standing_[static_cast<size_t>(record.kind)];
  FindingRecord last = from.record;
  erase(id);
  last.state = FindingState::withdrawn;
  last.summary = "This finding is now told as part of finding " + std::to_string(record.id) + ".";
  last.connection_ids.clear();  // with what else is kept of it there, so that many last words take little room
  last.related_connection_ids.clear();
  last.legs.clear();
  last.evidence.clear();
  changes_.add_last_words(std::move(last));
}

FindingGroup& FindingStore::group_for(const Observation& o) {
  const Endpoint whose = o.is_of_place ? Endpoint{} : o.is_of_source ? Endpoint{o.source.address, 0} : o.service;
  const Key key{o.kind, o.where, o.origin, o.direction, whose, o.port};
  if (const auto open = open_.find(key); open != open_.end()) {
    if (FindingGroup* group = open_group(open->second, o.first_ns)) return *group;
    if (const auto old = groups_.find(open->second); old != groups_.end()) close(old->second);
    open_.erase(open);
  }
  if (FindingGroup* incident = spread_group(o)) return *incident;
  FindingGroup& group = new_group(o);
  open_.emplace(key, group.record.id);
  if (o.is_of_source) return group;
  if (o.service != Endpoint{}) group.record.service = to_string(o.service);
  if (o.source != Endpoint{})
    spreads_[{o.kind, o.where, o.origin, o.direction, o.source.address}].findings.push_back(group.record.id);
  return group;
}

void FindingStore::close(FindingGroup& group) {
  ends_.erase({group.over_ns, group.record.id});
  group.over_ns = kTimeMin;  // also where what comes next has ended it before its time
  if (group.record.state == FindingState::withdrawn || group.record.state == FindingState::closed) return;
  group.record.state = FindingState::closed;
  changed(group);
}

void FindingStore::pass_time(int64_t now_ns) {
  passed_ns_ = std::max(passed_ns_, now_ns);
  while (!ends_.empty() && ends_.begin()->first < passed_ns_) close(groups_.at(ends_.begin()->second));
}

void FindingStore::close_all() {
  for (auto& [id, group] : groups_) close(group);
}

void FindingStore::changed(FindingGroup& group) {
  group.record.summary = sentence_(group);
  changes_.changed(group.record);
}

// What is told late was joined late: the gap is counted from then.
void FindingStore::put_off_end(FindingGroup& group) {
  ends_.erase({group.over_ns, group.record.id});
  group.over_ns = std::max(group.record.last_seen_ns, passed_ns_) + incident_gap_ns(group);
  ends_.emplace(group.over_ns, group.record.id);
}

uint64_t FindingStore::observe(const Observation& o) {
  FindingGroup& group = group_for(o);
  FindingRecord& record = group.record;
  ranks_of(record.kind).erase(rank_of(record));
  if (record.count > 0) record.state = FindingState::updated;
  record.count += o.count;
  // Of those that are as severe the first remark is kept.
  if (*o.severity > record.severity || (*o.severity == record.severity && group.remark.empty())) group.remark = o.remark;
  record.severity = std::max(record.severity, *o.severity);
  group.attempts += o.attempts;
  group.proved += o.proved;
  record.first_seen_ns = std::min(record.first_seen_ns, o.first_ns);
  record.last_seen_ns = std::max(record.last_seen_ns, o.last_ns);
  record.confidence = std::max(record.confidence, o.confidence);
  if (o.time_lost_seconds > 0) record.time_lost_seconds = record.time_lost_seconds.value_or(0) + o.time_lost_seconds;
  if (o.rate_per_second > record.rate_per_second.value_or(0)) record.rate_per_second = o.rate_per_second;
  if (o.period_seconds > 0) record.period_seconds = o.period_seconds;  // the newest
  if (o.connection_id != 0 && !group.contributions.contains(o.connection_id)) {
    ++group.connections;
    if (record.connection_ids.size() < kFindingConnectionsMax) record.connection_ids.push_back(o.connection_id);
  }
  if (group.contributions.size() < kFindingConnectionsMax || group.contributions.contains(o.connection_id)) {
    const auto [place, is_new] = group.contributions.try_emplace(o.connection_id);
    FindingGroup::Contribution& own = place->second;
    if (is_new) own.client = o.client;
    if (is_new && own.client) ++group.clients[*own.client];
    own.count += o.count;
    own.attempts += o.attempts;
    own.proved += o.proved;
    own.time_lost_seconds += o.time_lost_seconds;
  }
  for (const FindingLeg& leg : o.legs) note_leg(record, leg);
  for (const Evidence& e : o.evidence) {
    if (record.evidence.size() < kFindingEvidenceMax) record.evidence.push_back(e);
  }
  group.count(o.service);
  if (group.is_of_place && group.sources.size() < FindingGroup::kServicesCounted) group.sources.insert(o.source.address);
  if (group.only_source && *group.only_source != o.source.address) group.only_source.reset();
  if (!group.server) group.server = o.server;
  if (!group.port) group.port = o.port;
  group.take_sizes(o.sizes);
  group.take_duration(o.duration_ns);
  note_related(record, o.related_id);
  ranks_of(record.kind).insert(rank_of(record));
  put_off_end(group);
  changed(group);
  return record.id;
}

void FindingStore::charge(uint64_t id, uint64_t connection_id, double seconds) {
  const auto found = groups_.find(id);
  if (found == groups_.end() || seconds <= 0) return;
  FindingGroup& group = found->second;
  FindingRecord& record = group.record;
  record.time_lost_seconds = record.time_lost_seconds.value_or(0) + seconds;
  if (const auto own = group.contributions.find(connection_id); own != group.contributions.end())
    own->second.time_lost_seconds += seconds;
  if (record.state != FindingState::withdrawn && !is_over(group)) record.state = FindingState::updated;
  changed(group);
}

std::optional<FindingGroup::Contribution> FindingStore::withdraw(uint64_t id, uint64_t connection_id) {
  const auto found = groups_.find(id);
  if (found == groups_.end()) return std::nullopt;
  FindingGroup& group = found->second;
  const auto own = group.contributions.find(connection_id);
  if (own == group.contributions.end()) return std::nullopt;
  const FindingGroup::Contribution taken = own->second;
  FindingRecord& record = group.record;
  ranks_of(record.kind).erase(rank_of(record));
  record.count -= taken.count;
  group.attempts -= taken.attempts;
  group.proved -= taken.proved;
  if (record.time_lost_seconds) *record.time_lost_seconds -= taken.time_lost_seconds;
  if (taken.client) {
    if (const auto client = group.clients.find(*taken.client); --client->second == 0) group.clients.erase(client);
  }
  group.contributions.erase(own);
  std::erase(record.connection_ids, connection_id);
  std::erase_if(record.legs, [&](const FindingLeg& leg) { return leg.connection_id == connection_id; });
  if (--group.connections == 0) {
    record.state = FindingState::withdrawn;
    --standing_[static_cast<size_t>(record.kind)];
    ends_.erase({group.over_ns, id});
  } else if (!is_over(group)) {
    record.state = FindingState::updated;
  }
  ranks_of(record.kind).insert(rank_of(record));
  changed(group);
  return taken;
}

const FindingRecord* FindingStore::find(uint64_t id) const {
  const FindingGroup* found = group(id);
  return found == nullptr ? nullptr : &found->record;
}

const FindingGroup* FindingStore::group(uint64_t id) const {
  const auto found = groups_.find(id);
  return found == groups_.end() ? nullptr : &found->second;
}

std::vector<FindingRecord> FindingStore::after(uint64_t id, size_t limit) const {
  std::vector<FindingRecord> records;
  for (auto it = groups_.upper_bound(id); it != groups_.end() && records.size() < limit; ++it) {
    if (it->second.record.state != FindingState::withdrawn) records.push_back(it->second.record);
  }
  return records;
}

}  // namespace parallax
