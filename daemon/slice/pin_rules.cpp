#include "daemon/slice/pin_rules.h"

#include <algorithm>
#include <cmath>

#include "daemon/message/word_of.h"

namespace parallax {
bool PinRule::covers(const FindingRecord& finding) const {
  if (!kinds.empty() && !kinds.contains(finding.kind)) return false;
  if (finding.severity < severity) return false;
  if (!service) return true;
  const std::optional<ServicePattern> of = parse_service(finding.service.value_or(""));
  return of && service->covers(*of);
}

std::vector<PinRule> pin_rules(const v1::PinnedConfig& config) {
  std::vector<PinRule> rules;
  for (const v1::PinRuleConfig& from : config.rules()) {
    PinRule& rule = rules.emplace_back();
    for (const int kind : from.kinds()) rule.kinds.insert(word_of<FindingKind>(kind));
    if (from.severity() != v1::SEVERITY_UNSPECIFIED) rule.severity = word_of<Severity>(from.severity());
    rule.service = parse_service(from.service());
    rule.before_ns = std::llround(from.before_seconds() * 1e9);
    rule.after_ns = std::llround(from.after_seconds() * 1e9);
    rule.bytes_max = from.size();
  }
  return rules;
}

std::optional<size_t> matching_rule(const std::vector<PinRule>& rules, const FindingRecord& finding) {
  const auto rule = std::find_if(rules.begin(), rules.end(), [&](const PinRule& one) { return one.covers(finding); });
  return rule == rules.end() ? std::nullopt : std::optional(static_cast<size_t>(rule - rules.begin()));
}

}  // namespace parallax
