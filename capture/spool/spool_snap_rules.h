// How much the spool keeps of which packets: headers alone of some, less than others of some.
//
// Immutable once made, cheap to copy, for any thread; asked by the spool's gatherer for each packet, so that the packet path pays
// nothing. The first rule that means a packet holds; none: all that the lane has kept of it.
//
// A rule means a packet if its filter matches the frame, or the packet inside as if it stood alone: BPF does not look through
// tags and tunnels, and a later fragment gets the ports of its first. Where that first is not known, or the frame cannot be
// decoded, every rule that cuts payload may be meant, and the first of them is taken: what is to be gone is gone.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "capture/core/result.h"
#include "capture/decode/flow_filter.h"
#include "capture/spool/spool_legs.h"

namespace parallax {

struct SpoolSnapRule {
  std::string filter;               // pcap-filter(7); empty: every packet
  std::optional<uint32_t> snaplen;  // bytes kept of the packet
  std::optional<uint32_t> payload;  // bytes kept behind its headers; see CapturedPayload::headers_end
};

class SpoolSnapRules {
 public:
  SpoolSnapRules() = default;
  // `required`: link types that each filter has to have a meaning for. The error begins with the rule's position: "[2].filter: ".
  static Result<SpoolSnapRules> compile(const std::vector<SpoolSnapRule>& rules, std::span<const LinkType> required = {});

  bool empty() const { return rules_ == nullptr; }
  // How many bytes of the frame are kept, at most all that were captured. REQUIRES: `headers` are the frame's.
  uint32_t kept(const FrameView& frame, const SpooledHeaders& headers) const;

 private:
  struct Rule {
    SpoolSnapRule rule;
    std::optional<FlowFilter> filter;
    bool means(const RawPacket& packet, const SpooledHeaders& headers) const;
  };
  std::shared_ptr<const std::vector<Rule>> rules_;  // null: none
};

}  // namespace parallax
