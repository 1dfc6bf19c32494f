// Frames made to order: Ethernet, VLAN, IPv4 and IPv6, TCP with options, UDP, ICMP errors, ARP; lengths and checksums right.
//
// For tests and benchmarks. A frame is a vector of its bytes. What a test wants wrong it spoils afterwards.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "capture/core/sighting.h"

namespace parallax::test {

using Frame = std::vector<uint8_t>;

// "192.0.2.1" or "2001:db8::1"; aborts on anything else.
Address address(std::string_view text);
constexpr bool is_ipv4(const Address& a) {
  for (int i = 0; i < 10; ++i) {
    if (a[i] != 0) return false;
  }
  return a[10] == 0xff && a[11] == 0xff;
}

struct Ip {
  Address source{}, destination{};
  uint8_t ttl = 64;
  uint16_t id = 0;            // IPv4 only
  bool dont_fragment = true;  // IPv4 only
  uint8_t traffic_class = 0;
  std::optional<uint16_t> vlan{};
};

struct Tcp {
  uint16_t source_port = 0, destination_port = 0;
  uint32_t seq = 0, ack = 0;
  uint8_t flags = 0;  // tcp_flag bits
  uint16_t window = 64240;
  std::optional<uint16_t> mss{};
  std::optional<uint8_t> window_scale{};
  bool sack_permitted = false;
  std::optional<std::pair<uint32_t, uint32_t>> timestamps{};  // value, echo reply
  std::vector<std::pair<uint32_t, uint32_t>> sack{};          // at most four blocks
};

struct Udp {
  uint16_t source_port = 0, destination_port = 0;
  bool has_checksum = true;
};

struct Icmp {
  uint8_t type = 0, code = 0;
  uint16_t mtu = 0;  // of the next hop
};

Frame tcp_frame(const Ip& ip, const Tcp& tcp, std::span<const uint8_t> payload = {});
Frame udp_frame(const Ip& ip, const Udp& udp, std::span<const uint8_t> payload = {});
// An ICMP (or ICMPv6) error that quotes the network header of `quoted` and eight bytes after it.
Frame icmp_error_frame(const Ip& ip, const Icmp& icmp, const Frame& quoted);
// A ping or its answer, with 8 bytes of data. IPv4 or IPv6.
Frame icmp_echo_frame(const Ip& ip, uint16_t sequence, bool is_reply = false);
// `inner` in VXLAN, between two hosts of its own.
Frame in_vxlan(uint32_t vni, const Frame& inner);
// As a capture on the sending host shows a TCP segment whose checksum it leaves to its network card: the sum of the pseudo-header
// stands there. With more than `mss` bytes of data it leaves cutting up to the card as well, and the IP header has neither length
// nor checksum. REQUIRES: IPv4 in Ethernet, without VLAN.
void leave_to_network_card(Frame& frame, size_t payload_length, size_t mss = 1460);
// `whole` in fragments of `step` bytes of IP payload. REQUIRES: IP in Ethernet, without VLAN and IPv6 extension headers; `step`
// is a multiple of eight.
std::vector<Frame> in_fragments(const Frame& whole, size_t step = 1480);
Frame arp_request_frame(const Address& sender, const Address& target);

// The bytes of a stream from `offset` on: the same stream and offset give the same bytes, whoever sends them and how often.
std::vector<uint8_t> stream_bytes(uint32_t stream, uint32_t offset, uint32_t length);

}  // namespace parallax::test
