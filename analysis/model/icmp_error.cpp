#include "analysis/model/icmp_error.h"

#include <algorithm>
#include <iterator>

#include "analysis/model/model.h"
#include "analysis/model/text.h"

namespace parallax {
namespace {

struct Row {
  bool is_ipv6;
  uint8_t type, code;
  IcmpMeaning meaning;
  const char* words;
};
// RFC 792, 1122, 1812; RFC 4443. What has no row is `other`.
constexpr Row kRows[] = {
    {false, 3, 0, IcmpMeaning::unreachable, "network unreachable"},
    {false, 3, 1, IcmpMeaning::unreachable, "host unreachable"},
    {false, 3, 2, IcmpMeaning::port_unreachable, "protocol unreachable"},
    {false, 3, 3, IcmpMeaning::port_unreachable, "port unreachable"},
    {false, 3, 4, IcmpMeaning::too_big, "fragmentation needed"},
    {false, 3, 6, IcmpMeaning::unreachable, "network unknown"},
    {false, 3, 7, IcmpMeaning::unreachable, "host unknown"},
    {false, 3, 9, IcmpMeaning::prohibited, "network prohibited"},
    {false, 3, 10, IcmpMeaning::prohibited, "host prohibited"},
    {false, 3, 13, IcmpMeaning::prohibited, "administratively prohibited"},
    {false, 11, 0, IcmpMeaning::ttl_exceeded, "TTL exceeded"},
    {true, 1, 0, IcmpMeaning::unreachable, "no route"},
    {true, 1, 1, IcmpMeaning::prohibited, "administratively prohibited"},
    {true, 1, 3, IcmpMeaning::unreachable, "address unreachable"},
    {true, 1, 4, IcmpMeaning::port_unreachable, "port unreachable"},
    {true, 1, 5, IcmpMeaning::prohibited, "source address prohibited"},
    {true, 1, 6, IcmpMeaning::prohibited, "route rejected"},
    {true, 2, 0, IcmpMeaning::too_big, "packet too big"},
    {true, 3, 0, IcmpMeaning::ttl_exceeded, "hop limit exceeded"},
};

const Row* row_of(bool is_ipv6, uint8_t type, uint8_t code) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows),
                                [&](const Row& r) { return r.is_ipv6 == is_ipv6 && r.type == type && r.code == code; });
  return row == std::end(kRows) ? nullptr : row;
}

}  // namespace

IcmpError icmp_error_of(const Sighting& s) {
  IcmpError error{.sender = s.icmp_sender(),
                  .mtu = s.mss,
                  .type = static_cast<uint8_t>(s.window >> 8),
                  .code = static_cast<uint8_t>(s.window & 0xff),
                  .is_ipv6 = s.has(SightingFlag::ipv6)};
  if (const Row* row = row_of(error.is_ipv6, error.type, error.code)) error.meaning = row->meaning;
  return error;
}

std::string text_of(const IcmpError& error) {
  const Row* row = row_of(error.is_ipv6, error.type, error.code);
  std::string text = error.is_ipv6 ? "ICMPv6 " : "ICMP ";
  text += row != nullptr ? row->words : "type " + std::to_string(error.type) + " code " + std::to_string(error.code);
  if (error.mtu != 0) text += " (at most " + plural(error.mtu, "byte") + ")";
  return text + " from " + to_string(error.sender);
}

}  // namespace parallax
