// Of which findings the packets are pinned: the rules of the configuration, in their order. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "analysis/model/model.h"
#include "config/service_pattern.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

struct PinRule {
  std::set<FindingKind> kinds;  // empty: all
  Severity severity = Severity::info;
  std::optional<ServicePattern> service;  // nullopt: any, and those that are of none
  int64_t before_ns = 0, after_ns = 0;
  uint64_t bytes_max = 0;

  bool covers(const FindingRecord& finding) const;
};

// REQUIRES: a configuration that was loaded, and so checked.
std::vector<PinRule> pin_rules(const v1::PinnedConfig& config);

// The first rule that covers the finding, counted from 0; nullopt: its packets are not pinned.
std::optional<size_t> matching_rule(const std::vector<PinRule>& rules, const FindingRecord& finding);

}  // namespace parallax
