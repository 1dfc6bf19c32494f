// Link types, by their number in pcap and pcapng files (https://www.tcpdump.org/linktypes.html).
#pragma once

#include <cstdint>

namespace parallax {

enum class LinkType : uint16_t {
  null_loopback = 0,  // BSD loopback, host byte order of the writer
  ethernet = 1,
  raw_ip = 101,
  loop = 108,       // OpenBSD loopback, network byte order
  linux_sll = 113,  // Linux cooked capture
  ipv4 = 228,
  ipv6 = 229,
  linux_sll2 = 276,
};

}  // namespace parallax
