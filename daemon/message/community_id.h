// Community ID, version 1: the name of a conversation that Wireshark, Zeek and Suricata give it, too, whatever its direction.
// https://github.com/corelight/community-id-spec
//
// Pure; for any thread. Legs are of TCP or UDP, so that the specification's rules for ICMP have nothing to name here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "analysis/model/model.h"

namespace parallax {

// "1:" and the SHA-1, in base64, of seed, addresses, protocol and ports, the lower end first.
std::string community_id(Protocol protocol, const Endpoint& one, const Endpoint& other, uint16_t seed = 0);
// Whether it has the form of one of version 1.
bool is_community_id(std::string_view text);

}  // namespace parallax
