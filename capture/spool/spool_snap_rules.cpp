#include "capture/spool/spool_snap_rules.h"

#include <algorithm>

namespace parallax {

namespace {

constexpr uint32_t kLinkHeader = 14;  // what is left of a frame of which no header could be read: of Ethernet its own

uint32_t headers_of(const FrameView& frame, const SpooledHeaders& headers) {
  return headers.headers_end == nullptr ? kLinkHeader : static_cast<uint32_t>(headers.headers_end - frame.data);
}

}  // namespace

Result<SpoolSnapRules> SpoolSnapRules::compile(const std::vector<SpoolSnapRule>& rules, std::span<const LinkType> required) {
  std::vector<Rule> compiled;
  for (const SpoolSnapRule& rule : rules) {
    Rule& added = compiled.emplace_back(Rule{rule, std::nullopt});
    if (rule.filter.empty()) continue;
    Result<FlowFilter> filter = FlowFilter::compile(rule.filter, required);
    if (!filter) return Error{'[' + std::to_string(compiled.size() - 1) + "].filter: " + filter.error()};
    added.filter.emplace(std::move(*filter));
  }
  SpoolSnapRules made;
  if (!compiled.empty()) made.rules_ = std::make_shared<const std::vector<Rule>>(std::move(compiled));
  return made;
}

bool SpoolSnapRules::Rule::means(const RawPacket& packet, const SpooledHeaders& headers) const {
  if (!filter || filter->matches(packet)) return true;
  if (headers.error == DecodeError::no_ip || (headers.is_whole && FlowFilter::sees_all_of(packet))) return false;
  if (headers.error == DecodeError::none && filter->matches_inside(packet, headers)) return true;
  return !headers.is_whole && rule.payload.has_value();
}

uint32_t SpoolSnapRules::kept(const FrameView& frame, const SpooledHeaders& headers) const {
  uint32_t kept = frame.captured_length;
  if (empty()) return kept;
  const RawPacket packet{frame.data, frame.captured_length, frame.wire_length, headers.time_ns, 0, 0, frame.link_type};
  for (const Rule& rule : *rules_) {
    if (!rule.means(packet, headers)) continue;
    if (rule.rule.snaplen) kept = std::min(kept, *rule.rule.snaplen);
    if (rule.rule.payload)
      kept = static_cast<uint32_t>(std::min<uint64_t>(kept, uint64_t{headers_of(frame, headers)} + *rule.rule.payload));
    break;
  }
  return kept;
}

}  // namespace parallax
