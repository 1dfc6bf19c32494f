// Which words of a filter libpcap would ask a resolver for.
#include "capture/decode/bpf_names.h"

#include <gtest/gtest.h>

#include "capture/decode/bpf_filter.h"

namespace parallax {
namespace {

TEST(BpfNames, HostNamesAreFoundWithTheirPosition) {
  const struct {
    std::string expression, name;
    size_t position;
  } cases[] = {
      {"host example.com", "example.com", 5},
      {"example.com", "example.com", 0},
      {"tcp and src www", "www", 12},
      {"host 192.0.2.1 or example.com.", "example.com.", 18},
      {"tcp port 443 and not dst host db-1.example", "db-1.example", 30},
      {"net lan", "lan", 4},
      {"gateway router", "router", 8},
      {"ether host printer", "printer", 11},
      {"host \\tcp", "\\tcp", 5},
      {"(port http) or www", "www", 15},
      {"port http and host www", "www", 19},
      {"TCP", "TCP", 0},
      {"host 1.2.3.4.5", "1.2.3.4.5", 5},
      {"host beef", "beef", 5},
      {"host fe80::1::2", "fe80", 5},
      {"host 0x1g", "0x1g", 5},
      {"ifname eth0 and www", "www", 16},
      {"tcp[tcpflags] & tcp-syn != 0 and evil", "evil", 33},
  };
  for (const auto& one : cases) {
    const auto found = find_host_name(one.expression);
    ASSERT_TRUE(found) << one.expression;
    EXPECT_EQ(found->text, one.name) << one.expression;
    EXPECT_EQ(found->position, one.position) << one.expression;
  }
}

// Each of these compiles without a resolver.
TEST(BpfNames, WhatPcapFilterKnowsAndAddressesAreNone) {
  for (const char* expression : {
           "",
           "tcp port 443 or vlan",
           "host 192.0.2.7 and port 443",
           "net 10.0.0.0/8 or net 192.168 or net 192.0.2.0 mask 255.255.255.0",
           "ip6 host 2001:db8::1 or net 2001:db8::/32 or host ::1 or host ::ffff:192.0.2.1",
           "ether host 02:00:00:00:00:01 or ether src 02-00-00-00-00-01 or ether dst 0200.0000.0001 or ether host 020000000001",
           "ether[0:4] = 0xdeadbeef and tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and ip[6:2] & 0x1fff = 0",
           "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
           "icmp[icmptype] = icmp-echo or icmp6 and ip6[40] = icmp6-neighborsolicit",
           "tcp port (http or https) or portrange 6000-6008",
           "ip proto \\icmp or ether proto \\arp or ip6 protochain 6",
           "greater 100 and less 1500 and len > 60 and not broadcast and !multicast",
           "mpls 1024",
           "vlan 7 and pppoes 5",
           "geneve 0xb",
       }) {
    const auto found = find_host_name(expression);
    EXPECT_FALSE(found) << expression << ": " << (found ? found->text : "");
    EXPECT_TRUE(BpfFilter::compile(expression, LinkType::ethernet).ok())
        << BpfFilter::compile(expression, LinkType::ethernet).error();
  }
  EXPECT_FALSE(find_host_name("type mgt subtype beacon"));
}

TEST(BpfNames, ArbitraryBytesAreRead) {
  std::string text;
  uint32_t state = 1;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 1664525 + 1013904223;
    text += "aZ09.:-_\\()[] \tfor\0"[state >> 27 & 15];
    if (text.size() > 40) text.erase(0, 20);
    if (const auto found = find_host_name(text)) {
      ASSERT_EQ(text.substr(found->position, found->text.size()), found->text);
    }
  }
}

}  // namespace
}  // namespace parallax
