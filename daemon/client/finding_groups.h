// Findings as a report shows them: those of one kind, place and origin are one group, and what is worst comes first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parallax/v1/types.pb.h"

namespace parallax {

// The engine says below one half where it could not make sure, and accuses nobody.
bool is_certain(const v1::Finding& finding);

// What it has cost beyond what other findings tell: a stall with a cause is information, and its time is the cause's, too.
double own_time_lost_seconds(const v1::Finding& finding);

struct FindingsAlike {
  std::vector<const v1::Finding*> findings;  // at least one; the most frequent first

  const v1::Finding& first() const { return *findings.front(); }
  uint64_t count() const;
  double time_lost_seconds() const;
  // The connection whose packets show what they are about; 0: they are about none.
  uint64_t example() const;
  // What to do about them, as the page of their kind says; empty: nothing, they are information.
  std::string_view next_step() const;
};

// What stands behind the kind in its heading: "between outside and inside; by: device; 11 times in 2 findings; 17.5 s lost".
std::string heading_words(const FindingsAlike& group);

// How much of it a report shows whole.
inline constexpr size_t kGroupsMax = 12;
inline constexpr size_t kFindingsPerGroup = 3;
inline constexpr int kEvidenceMax = 4;

// By severity, certain ones first, then by how often. Points into `findings`.
std::vector<FindingsAlike> group_findings(const std::vector<v1::Finding>& findings);

}  // namespace parallax
