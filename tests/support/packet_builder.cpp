#include "tests/support/packet_builder.h"

#include <arpa/inet.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace parallax::test {
namespace {

constexpr size_t kEthernetLength = 14;

void put16(Frame& frame, uint16_t value) {
  frame.push_back(static_cast<uint8_t>(value >> 8));
  frame.push_back(static_cast<uint8_t>(value));
}
void put32(Frame& frame, uint32_t value) {
  put16(frame, static_cast<uint16_t>(value >> 16));
  put16(frame, static_cast<uint16_t>(value));
}
void put_bytes(Frame& frame, std::span<const uint8_t> bytes) { frame.insert(frame.end(), bytes.begin(), bytes.end()); }
void set16(Frame& frame, size_t at, uint16_t value) {
  frame[at] = static_cast<uint8_t>(value >> 8);
  frame[at + 1] = static_cast<uint8_t>(value);
}

uint64_t sum16(std::span<const uint8_t> bytes, uint64_t sum = 0) {
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) sum += static_cast<uint64_t>(bytes[i]) << 8 | bytes[i + 1];
  if (bytes.size() % 2 == 1) sum += static_cast<uint64_t>(bytes.back()) << 8;
  return sum;
}
uint16_t fold(uint64_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

uint64_t pseudo_header_sum(const Ip& ip, uint8_t protocol, size_t length) {
  const size_t skip = is_ipv4(ip.source) ? 12 : 0;
  uint64_t sum = sum16(std::span(ip.source).subspan(skip));
  sum = sum16(std::span(ip.destination).subspan(skip), sum);
  return sum + protocol + length;
}

void put_mac_of(Frame& frame, const Address& host) {
  frame.push_back(0x02);  // locally administered
  frame.push_back(0x00);
  put_bytes(frame, std::span(host).last(4));
}

// Link and network headers for `length` bytes of `protocol`; returns where the transport begins.
size_t put_headers(Frame& frame, const Ip& ip, uint8_t protocol, size_t length) {
  put_mac_of(frame, ip.destination);
  put_mac_of(frame, ip.source);
  if (ip.vlan) {
    put16(frame, 0x8100);
    put16(frame, *ip.vlan);
  }
  const size_t network = frame.size() + 2;
  if (is_ipv4(ip.source)) {
    put16(frame, 0x0800);
    frame.push_back(0x45);
    frame.push_back(ip.traffic_class);
    put16(frame, static_cast<uint16_t>(20 + length));
    put16(frame, ip.id);
    put16(frame, ip.dont_fragment ? 0x4000 : 0);
    frame.push_back(ip.ttl);
    frame.push_back(protocol);
    put16(frame, 0);
    put_bytes(frame, std::span(ip.source).last(4));
    put_bytes(frame, std::span(ip.destination).last(4));
    set16(frame, network + 10, fold(sum16(std::span(frame).subspan(network, 20))));
  } else {
    put16(frame, 0x86dd);
    put32(frame, 6u << 28 | static_cast<uint32_t>(ip.traffic_class) << 20);
    put16(frame, static_cast<uint16_t>(length));
    frame.push_back(protocol);
    frame.push_back(ip.ttl);
    put_bytes(frame, ip.source);
    put_bytes(frame, ip.destination);
  }
  return frame.size();
}

Frame tcp_options(const Tcp& tcp) {
  Frame options;
  if (tcp.mss) {
    options.insert(options.end(), {2, 4});
    put16(options, *tcp.mss);
  }
  if (tcp.sack_permitted) options.insert(options.end(), {4, 2});
  if (tcp.timestamps) {
    while (options.size() % 4 != 2) options.push_back(1);
    options.insert(options.end(), {8, 10});
    put32(options, tcp.timestamps->first);
    put32(options, tcp.timestamps->second);
  }
  if (tcp.window_scale) options.insert(options.end(), {1, 3, 3, *tcp.window_scale});
  if (!tcp.sack.empty()) {
    while (options.size() % 4 != 2) options.push_back(1);
    options.insert(options.end(), {5, static_cast<uint8_t>(2 + 8 * tcp.sack.size())});
    for (const auto& [left, right] : tcp.sack) {
      put32(options, left);
      put32(options, right);
    }
  }
  while (options.size() % 4 != 0) options.push_back(1);
  return options;
}

}  // namespace

Address address(std::string_view text) {
  const std::string copy(text);
  Address result{};
  if (inet_pton(AF_INET, copy.c_str(), result.data() + 12) == 1) {
    result[10] = result[11] = 0xff;
  } else if (inet_pton(AF_INET6, copy.c_str(), result.data()) != 1) {
    std::fprintf(stderr, "not an address: %s\n", copy.c_str());
    std::abort();
  }
  return result;
}

Frame tcp_frame(const Ip& ip, const Tcp& tcp, std::span<const uint8_t> payload) {
  const Frame options = tcp_options(tcp);
  const size_t length = 20 + options.size() + payload.size();
  Frame frame;
  frame.reserve(kEthernetLength + 44 + length);
  const size_t transport = put_headers(frame, ip, ip_protocol::tcp, length);
  put16(frame, tcp.source_port);
  put16(frame, tcp.destination_port);
  put32(frame, tcp.seq);
  put32(frame, tcp.ack);
  frame.push_back(static_cast<uint8_t>((20 + options.size()) / 4 << 4));
  frame.push_back(tcp.flags);
  put16(frame, tcp.window);
  put32(frame, 0);  // checksum, urgent pointer
  put_bytes(frame, options);
  put_bytes(frame, payload);
  set16(frame, transport + 16, fold(sum16(std::span(frame).subspan(transport), pseudo_header_sum(ip, ip_protocol::tcp, length))));
  return frame;
}

Frame udp_frame(const Ip& ip, const Udp& udp, std::span<const uint8_t> payload) {
  const size_t length = 8 + payload.size();
  Frame frame;
  const size_t transport = put_headers(frame, ip, ip_protocol::udp, length);
  put16(frame, udp.source_port);
  put16(frame, udp.destination_port);
  put16(frame, static_cast<uint16_t>(length));
  put16(frame, 0);
  put_bytes(frame, payload);
  if (!udp.has_checksum) return frame;
  const uint16_t checksum = fold(sum16(std::span(frame).subspan(transport), pseudo_header_sum(ip, ip_protocol::udp, length)));
  set16(frame, transport + 6, checksum == 0 ? 0xffff : checksum);
  return frame;
}

Frame icmp_error_frame(const Ip& ip, const Icmp& icmp, const Frame& quoted) {
  const bool v4 = is_ipv4(ip.source);
  const size_t network = kEthernetLength + (quoted[12] == 0x81 && quoted[13] == 0 ? 4 : 0);
  const size_t quote_length = std::min(quoted.size() - network, static_cast<size_t>(v4 ? 28 : 48));
  Frame frame;
  const uint8_t protocol = v4 ? ip_protocol::icmp : ip_protocol::icmpv6;
  const size_t transport = put_headers(frame, ip, protocol, 8 + quote_length);
  frame.insert(frame.end(), {icmp.type, icmp.code, 0, 0, 0, 0});
  put16(frame, icmp.mtu);
  put_bytes(frame, std::span(quoted).subspan(network, quote_length));
  const uint64_t pseudo = v4 ? 0 : pseudo_header_sum(ip, protocol, 8 + quote_length);
  set16(frame, transport + 2, fold(sum16(std::span(frame).subspan(transport), pseudo)));
  return frame;
}

Frame icmp_echo_frame(const Ip& ip, uint16_t sequence, bool is_reply) {
  constexpr size_t kLength = 16;
  const bool v4 = is_ipv4(ip.source);
  const uint8_t protocol = v4 ? ip_protocol::icmp : ip_protocol::icmpv6;
  const int type = v4 ? (is_reply ? 0 : 8) : (is_reply ? 129 : 128);
  Frame frame;
  const size_t transport = put_headers(frame, ip, protocol, kLength);
  frame.insert(frame.end(), {static_cast<uint8_t>(type), 0, 0, 0, 0, 77});
  put16(frame, sequence);
  put_bytes(frame, stream_bytes(0, 0, 8));
  const uint64_t pseudo = v4 ? 0 : pseudo_header_sum(ip, protocol, kLength);
  set16(frame, transport + 2, fold(sum16(std::span(frame).subspan(transport), pseudo)));
  return frame;
}

Frame in_vxlan(uint32_t vni, const Frame& inner) {
  constexpr uint32_t kHasVni = 0x08000000;
  Frame payload;
  put32(payload, kHasVni);
  put32(payload, vni << 8);
  put_bytes(payload, inner);
  return udp_frame({.source = address("10.255.0.1"), .destination = address("10.255.0.2")}, {49152, 4789}, payload);
}

std::vector<Frame> in_fragments(const Frame& whole, size_t step) {
  constexpr uint8_t kFragmentHeader = 44;
  const bool is_ipv4 = whole[kEthernetLength] >> 4 == 4;
  const size_t begins = kEthernetLength + (is_ipv4 ? 20 : 40);
  std::vector<Frame> fragments;
  for (size_t at = begins; at < whole.size(); at += step) {
    const size_t length = std::min(step, whole.size() - at), offset = at - begins;
    const bool more = at + length < whole.size();
    Frame& fragment = fragments.emplace_back(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(begins));
    if (is_ipv4) {
      set16(fragment, kEthernetLength + 2, static_cast<uint16_t>(20 + length));
      set16(fragment, kEthernetLength + 6, static_cast<uint16_t>((more ? 0x2000 : 0) | offset / 8));
      set16(fragment, kEthernetLength + 10, 0);
      set16(fragment, kEthernetLength + 10, fold(sum16(std::span(fragment).subspan(kEthernetLength, 20))));
    } else {
      set16(fragment, kEthernetLength + 4, static_cast<uint16_t>(8 + length));
      fragment[kEthernetLength + 6] = kFragmentHeader;
      fragment.insert(fragment.end(), {whole[kEthernetLength + 6], 0});
      put16(fragment, static_cast<uint16_t>(offset | (more ? 1 : 0)));
      // The same for all of a packet, and of packets that differ mostly another.
      put32(fragment, static_cast<uint32_t>(sum16(std::span(whole).subspan(begins)) % 0xffff + 1));
    }
    put_bytes(fragment, std::span(whole).subspan(at, length));
  }
  return fragments;
}

void leave_to_network_card(Frame& frame, size_t payload_length, size_t mss) {
  constexpr size_t kIp = 14, kTcp = kIp + 20;
  const bool is_cut_up_later = payload_length > mss;
  uint32_t sum = ip_protocol::tcp + (is_cut_up_later ? 0 : static_cast<uint32_t>(frame.size() - kTcp));
  for (size_t at = kIp + 12; at < kTcp; at += 2) sum += static_cast<uint32_t>(frame[at] << 8 | frame[at + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  set16(frame, kTcp + 16, static_cast<uint16_t>(sum));
  if (!is_cut_up_later) return;
  set16(frame, kIp + 2, 0);
  set16(frame, kIp + 10, 0);
}

Frame arp_request_frame(const Address& sender, const Address& target) {
  Frame frame(6, 0xff);
  put_mac_of(frame, sender);
  put16(frame, 0x0806);
  put16(frame, 1);       // Ethernet
  put16(frame, 0x0800);  // IPv4
  frame.insert(frame.end(), {6, 4});
  put16(frame, 1);  // request
  put_mac_of(frame, sender);
  put_bytes(frame, std::span(sender).last(4));
  frame.insert(frame.end(), 6, 0);
  put_bytes(frame, std::span(target).last(4));
  frame.resize(60, 0);
  return frame;
}

std::vector<uint8_t> stream_bytes(uint32_t stream, uint32_t offset, uint32_t length) {
  std::vector<uint8_t> bytes(length);
  for (uint32_t i = 0; i < length; ++i) bytes[i] = static_cast<uint8_t>('a' + (stream * 7 + (offset + i) * 11) % 26);
  return bytes;
}

}  // namespace parallax::test
