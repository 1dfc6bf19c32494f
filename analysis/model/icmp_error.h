// An ICMP or ICMPv6 error about a packet that it quotes, of which either version has its own numbers: what it says, and who says
// so.
#pragma once

#include <cstdint>
#include <string>

#include "capture/core/sighting.h"

namespace parallax {

enum class IcmpMeaning : uint8_t {
  other,
  unreachable,       // no route, host or network
  prohibited,        // by a filter that says so
  port_unreachable,  // nobody listens, or a filter pretends that
  too_big,           // fragmentation needed; packet too big
  ttl_exceeded,
};

struct IcmpError {
  Address sender{};
  uint16_t mtu = 0;  // of the next hop, as too_big names it; 0: it does not
  uint8_t type = 0, code = 0;
  bool is_ipv6 = false;
  IcmpMeaning meaning = IcmpMeaning::other;

  // Instead of an answer: nobody need wait for one.
  bool refuses() const {
    return meaning == IcmpMeaning::unreachable || meaning == IcmpMeaning::prohibited || meaning == IcmpMeaning::port_unreachable;
  }
};

// REQUIRES: an icmp_quote.
IcmpError icmp_error_of(const Sighting& s);

// "ICMP fragmentation needed (at most 1400 bytes) from 192.0.2.1"
std::string text_of(const IcmpError& error);

}  // namespace parallax
