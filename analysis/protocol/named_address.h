// Replies in which a server names the address and port of another connection: FTP's 227 (RFC 959, passive mode) and the answer of
// an RPC endpoint mapper (DCE 1.1, C706: a tower whose floors hold a TCP port and an IPv4 address). Promises: parse_status.h.
#pragma once

#include <cstdint>
#include <span>

#include "analysis/model/model.h"
#include "analysis/protocol/parse_status.h"

namespace parallax {

inline constexpr size_t kFtpReplyBytesMax = 128;      // a longer line is foreign
inline constexpr size_t kRpcFragmentBytesMax = 1024;  // of a map's answer; what is beyond is not looked at
inline constexpr uint16_t kEndpointMapperPort = 135;

// "227 Entering Passive Mode (192,0,2,1,4,1)".
ParseStatus parse_ftp_passive_reply(std::span<const uint8_t> bytes, Endpoint& out);
// The first tower's. `foreign`: no response, or none with such a tower.
ParseStatus parse_rpc_endpoint_map(std::span<const uint8_t> bytes, Endpoint& out);

}  // namespace parallax
