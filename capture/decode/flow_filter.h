// A BPF expression for packets of any link type: which packets the analysis, or the spool, takes.
//
// BPF code is made for one link type. All the link types that Parallax reads are compiled at start, because a file may mix them.
// Immutable after compile(); matches() is for any thread.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>

#include "capture/core/link_type.h"
#include "capture/core/packet_source.h"
#include "capture/core/result.h"
#include "capture/decode/bpf_filter.h"
#include "capture/decode/decode.h"

namespace parallax {

class FlowFilter {
 public:
  // An expression that has no meaning for one of the `required` link types ("ether host" on raw IP) is an error; for the
  // others it then matches nothing.
  static Result<FlowFilter> compile(const std::string& expression, std::span<const LinkType> required = {});

  // A frame that a mirror has cut without a word is judged by the length that its IP header says: another point may show it
  // whole, and `less 700` is to mean the same packets there.
  bool matches(const RawPacket& packet) const {
    const uint32_t length = std::max(packet.wire_length, length_by_ip(packet));
    for (size_t i = 0; i < kLinkTypes.size(); ++i) {
      if (kLinkTypes[i] == packet.link_type)
        return filters_[i] && filters_[i]->matches(packet.data, packet.captured_length, length);
    }
    return false;
  }

  // Of a packet that does not match: whether it may all the same be one that the expression means, hidden from it by what is
  // around it. BPF does not look through VLAN tags and tunnels unless told to, and finds no ports in a later fragment; so `tcp`
  // drops a tagged segment. True where it would match without all that, or cannot be decoded. What the expression drops as a
  // packet on the fast path it drops at every point, under the addresses that it has there. REQUIRES: !matches(packet).
  bool misjudges(const RawPacket& packet, KeyFrom key_from) const;

  // Whether it means the packet that `sighting` was decoded to, whatever tags, tunnels and fragmentation are around that: asked
  // of its addresses, ports and flags alone, as if it stood under Ethernet.
  bool matches_inside(const RawPacket& packet, const Sighting& sighting) const;
  // Whether BPF sees all of it that decode() does: an untagged TCP segment, whole, straight under Ethernet. Nearly every packet.
  static bool sees_all_of(const RawPacket& packet);

 private:
  FlowFilter() = default;
  static uint32_t length_by_ip(const RawPacket& packet);  // 0: it does not say

  std::array<std::optional<BpfFilter>, kLinkTypes.size()> filters_;
};

}  // namespace parallax
