// In which order findings have changed, for those who watch them.
//
// A watcher is given the newest state of what has changed since it last asked, not every change: a slow one costs nothing but its
// place. Of findings that are forgotten their versions are kept, so that a watcher that had not got so far can be told how many
// it has lost. Both are bounded. Owned by the store of findings, whose records it points to; one thread (the correlator's).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "analysis/model/finding_watch.h"

namespace parallax {

class FindingChanges {
 public:
  static constexpr size_t kLastWordsMax = 1024;     // of findings that have become part of another; the oldest is forgotten first
  static constexpr size_t kForgottenMax = 1 << 12;  // of each severity; a watcher further behind is told of at least so many

  // The record is new, or has changed: it is of the next version. REQUIRES: it stays where it is until it is removed.
  void changed(FindingRecord& record);
  void remove(const FindingRecord& record) { by_version_.erase(record.version); }
  // The same of one whose latest state nobody can be given any more.
  void forget(const FindingRecord& record);
  // The last that is told of a finding that has been removed.
  void add_last_words(FindingRecord record);

  FindingWatch watch(Severity minimum, bool new_only) const;
  // Adds what has changed since the watcher last asked, in the order of the changes, and looks at no more than `limit` findings
  // for it. False: that was all.
  bool give(FindingWatch& watch, size_t limit, std::vector<FindingChange>& changes) const;

 private:
  void pass(FindingWatch& watch, uint64_t version) const;

  std::map<uint64_t, const FindingRecord*> by_version_;
  std::deque<FindingRecord> last_words_;  // the oldest first
  // By severity the versions of the forgotten, with that of the change that pushed them out.
  std::map<Severity, std::map<uint64_t, uint64_t>> forgotten_;
  uint64_t version_ = 0;
};

}  // namespace parallax
