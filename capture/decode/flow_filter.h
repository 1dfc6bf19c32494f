// A BPF expression for packets of any link type: which packets the analysis, or the spool, takes.
//
// BPF code is made for one link type. All the link types that Parallax reads are compiled at start, because a file may mix them.
// Immutable after compile(); matches() is for any thread.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>

#include "capture/core/link_type.h"
#include "capture/core/packet_source.h"
#include "capture/core/result.h"
#include "capture/decode/bpf_filter.h"

namespace parallax {

class FlowFilter {
 public:
  static constexpr std::array kLinkTypes{LinkType::null_loopback, LinkType::ethernet, LinkType::raw_ip, LinkType::loop,
                                         LinkType::linux_sll,     LinkType::ipv4,     LinkType::ipv6,   LinkType::linux_sll2};

  // An expression that has no meaning for one of the `required` link types ("ether host" on raw IP) is an error; for the
  // others it then matches nothing.
  static Result<FlowFilter> compile(const std::string& expression, std::span<const LinkType> required = {});

  bool matches(const RawPacket& packet) const {
    for (size_t i = 0; i < kLinkTypes.size(); ++i) {
      if (kLinkTypes[i] == packet.link_type) return filters_[i] && filters_[i]->matches(packet);
    }
    return false;
  }

 private:
  FlowFilter() = default;
  std::array<std::optional<BpfFilter>, kLinkTypes.size()> filters_;
};

}  // namespace parallax
