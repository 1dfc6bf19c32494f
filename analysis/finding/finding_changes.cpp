#include "analysis/finding/finding_changes.h"

#include <utility>

namespace parallax {

void FindingChanges::changed(FindingRecord& record) {
  remove(record);
  record.version = ++version_;
  by_version_[record.version] = &record;
}

void FindingChanges::forget(const FindingRecord& record) {
  remove(record);
  auto& versions = forgotten_[record.severity];
  versions.emplace(record.version, version_ + 1);  // one makes room for another, whose change comes next
  if (versions.size() > kForgottenMax) versions.erase(versions.begin());
}

void FindingChanges::add_last_words(FindingRecord record) {
  if (last_words_.size() == kLastWordsMax) {
    forget(last_words_.front());
    last_words_.pop_front();
  }
  changed(last_words_.emplace_back(std::move(record)));
}

FindingWatch FindingChanges::watch(Severity minimum, bool new_only) const {
  return {.minimum = minimum, .begun = version_, .version = new_only ? version_ : 0};
}

bool FindingChanges::give(FindingWatch& watch, size_t limit, std::vector<FindingChange>& changes) const {
  auto next = by_version_.upper_bound(watch.version);
  for (; next != by_version_.end() && limit > 0; ++next, --limit) {
    const FindingRecord& record = *next->second;
    if (record.severity < watch.minimum) continue;
    pass(watch, record.version);
    changes.push_back({record, watch.dropped - watch.told});
    watch.told = watch.dropped;
  }
  const bool is_more = next != by_version_.end();
  pass(watch, is_more ? next->first - 1 : version_);
  return is_more;
}

// The watcher has got so far: what was forgotten in between it will never be given.
void FindingChanges::pass(FindingWatch& watch, uint64_t version) const {
  for (auto log = forgotten_.lower_bound(watch.minimum); log != forgotten_.end(); ++log) {
    const auto& versions = log->second;
    for (auto it = versions.upper_bound(watch.version); it != versions.end() && it->first <= version; ++it)
      watch.dropped += it->second > watch.begun ? 1 : 0;
  }
  watch.version = version;
}

}  // namespace parallax
