// The PROXY protocol's header before a connection's own bytes: version 1 (a line of text) and 2 (binary), by HAProxy's
// specification of 2020. Promises: parse_status.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "analysis/model/model.h"
#include "analysis/protocol/parse_status.h"

namespace parallax {

inline constexpr size_t kProxyV1BytesMax = 107;  // the specification's: the longest line with its CR LF
inline constexpr uint32_t kProxyTlvsMax = 32;    // those after are not looked at

struct ProxyHeader {
  uint8_t version = 0;         // 1 or 2; 0: not yet known
  bool local = false;          // the proxy's own connection, a health check: there is no client behind it
  bool datagram = false;       // version 2: UDP or a unix datagram socket
  bool has_endpoints = false;  // not for `local`, UNKNOWN and unix sockets
  Endpoint source, destination;
  std::string_view authority;  // version 2, as in SNI
  std::span<const uint8_t> unique_id;
  uint32_t tlv_count = 0;      // so far
  bool tls = false;            // version 2: the client came by TLS; provisional until `done`
  uint32_t header_length = 0;  // what follows is the connection's own; known before `done` in version 2
};
ParseStatus parse_proxy_header(std::span<const uint8_t> bytes, ProxyHeader& out);

}  // namespace parallax
