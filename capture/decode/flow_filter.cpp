#include "capture/decode/flow_filter.h"

#include <algorithm>
#include <cstring>

#include "capture/core/bytes.h"

namespace parallax {

namespace {

constexpr uint32_t kEthernet = 14, kIpv4 = 20, kIpv6 = 40, kTcp = 20, kUdp = 8;

bool has_ports(uint8_t protocol) { return protocol == ip_protocol::tcp || protocol == ip_protocol::udp; }

void put16(uint8_t* to, uint32_t value) {
  to[0] = static_cast<uint8_t>(value >> 8);
  to[1] = static_cast<uint8_t>(value);
}
void put32(uint8_t* to, uint32_t value) {
  put16(to, value >> 16);
  put16(to + 2, value);
}

// The headers of a decoded packet as if it stood alone under Ethernet, with its own payload left out.
struct PlainFrame {
  std::array<uint8_t, kEthernet + kIpv6 + kTcp> bytes{};
  uint32_t captured = 0, wire = 0;

  PlainFrame(const Sighting& s, const RawPacket& packet) {
    if (packet.link_type == LinkType::ethernet && packet.captured_length >= kEthernet)
      std::memcpy(bytes.data(), packet.data, 12);  // the MAC addresses
    const uint32_t transport = s.protocol == ip_protocol::tcp ? kTcp : kUdp;
    const uint32_t length = transport + s.payload_length;
    uint8_t* ip = bytes.data() + kEthernet;
    uint8_t* after = nullptr;
    if (s.has(SightingFlag::ipv6)) {
      put16(bytes.data() + 12, 0x86dd);
      ip[0] = 0x60;
      put16(ip + 4, length);
      ip[6] = s.protocol;
      ip[7] = s.ttl;
      std::memcpy(ip + 8, s.source.data(), 16);
      std::memcpy(ip + 24, s.destination.data(), 16);
      after = ip + kIpv6;
    } else {
      put16(bytes.data() + 12, 0x0800);
      ip[0] = 0x45;
      put16(ip + 2, kIpv4 + length);
      put16(ip + 4, s.ip_id);
      ip[8] = s.ttl;
      ip[9] = s.protocol;
      std::memcpy(ip + 12, s.source.data() + 12, 4);
      std::memcpy(ip + 16, s.destination.data() + 12, 4);
      after = ip + kIpv4;
    }
    put16(after, s.source_port);
    put16(after + 2, s.destination_port);
    if (s.protocol == ip_protocol::tcp) {
      put32(after + 4, s.seq);
      put32(after + 8, s.ack);
      after[12] = kTcp / 4 << 4;
      after[13] = s.tcp_flags;
      put16(after + 14, s.window);
    } else {
      put16(after + 4, length);
    }
    captured = static_cast<uint32_t>(after + transport - bytes.data());
    wire = captured + s.payload_length;
  }
};

}  // namespace

Result<FlowFilter> FlowFilter::compile(const std::string& expression, std::span<const LinkType> required) {
  FlowFilter filter;
  std::string first_error;
  bool any = false;
  for (size_t i = 0; i < kLinkTypes.size(); ++i) {
    Result<BpfFilter> compiled = BpfFilter::compile(expression, kLinkTypes[i]);
    if (compiled.ok()) {
      filter.filters_[i].emplace(std::move(compiled.value()));
      any = true;
      continue;
    }
    if (std::find(required.begin(), required.end(), kLinkTypes[i]) != required.end()) return Error{compiled.error()};
    // Ethernet's error is the one to show: it is what nearly every port is.
    if (first_error.empty() || kLinkTypes[i] == LinkType::ethernet) first_error = compiled.error();
  }
  if (!any) return Error{first_error};
  return filter;
}

uint32_t FlowFilter::length_by_ip(const RawPacket& packet) {
  constexpr uint16_t kTypeIpv4 = 0x0800, kTypeIpv6 = 0x86dd;
  if (packet.link_type != LinkType::ethernet || packet.captured_length < kEthernet + 6) return 0;
  const uint8_t* ip = packet.data + kEthernet;
  switch (load16(packet.data + 12)) {
    case kTypeIpv4:
      return kEthernet + load16(ip + 2);
    case kTypeIpv6:
      return kEthernet + kIpv6 + load16(ip + 4);
    default:
      return 0;
  }
}

bool FlowFilter::sees_all_of(const RawPacket& packet) {
  constexpr uint16_t kTypeIpv4 = 0x0800, kTypeIpv6 = 0x86dd, kFragment = 0x3fff;
  if (packet.link_type != LinkType::ethernet || packet.captured_length < kEthernet + kIpv6) return false;
  const uint8_t* ip = packet.data + kEthernet;
  switch (load16(packet.data + 12)) {
    case kTypeIpv4:
      return ip[9] == ip_protocol::tcp && (load16(ip + 6) & kFragment) == 0;
    case kTypeIpv6:
      return ip[6] == ip_protocol::tcp;
    default:
      return false;
  }
}

bool FlowFilter::misjudges(const RawPacket& packet, KeyFrom key_from) const {
  if (sees_all_of(packet)) return false;
  Sighting sighting;
  const DecodeError error =
      decode({packet.data, packet.captured_length, packet.wire_length, packet.link_type}, sighting, key_from);
  if (error != DecodeError::none) return error != DecodeError::no_ip;
  if (!has_ports(sighting.protocol) || sighting.has(SightingFlag::icmp_quote)) return false;
  if (sighting.has(SightingFlag::later_fragment)) return true;
  return matches_inside(packet, sighting);
}

bool FlowFilter::matches_inside(const RawPacket& packet, const Sighting& sighting) const {
  const PlainFrame plain(sighting, packet);
  const RawPacket alone{plain.bytes.data(), plain.captured, plain.wire, packet.time_ns, 0, packet.frame, LinkType::ethernet};
  return matches(alone);
}

}  // namespace parallax
