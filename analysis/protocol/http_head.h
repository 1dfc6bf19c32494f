// The head of an HTTP/1 request or response: first line, and the few header fields that say who talks to whom and what follows
// (RFC 9112; RFC 7239 for Forwarded). Tolerant as servers are: lines may end in LF alone, an empty line may come first.
// Promises: parse_status.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "analysis/model/model.h"
#include "analysis/protocol/parse_status.h"

namespace parallax {

inline constexpr size_t kHttpHeadBytesMax = 8192;  // what common servers take; a longer head is given up as `truncated`
inline constexpr uint32_t kHttpHeaderFieldsMax = 64;

// What request and response have in common.
struct HttpHeaderFields {
  std::string_view host, forwarded_for, forwarded, real_ip;  // of the first field of each name
  uint32_t host_count = 0, forwarded_for_count = 0, forwarded_count = 0, real_ip_count = 0;
  bool has_content_length = false;
  uint64_t content_length = 0;
  bool chunked = false;      // the last transfer coding is chunked
  uint32_t field_count = 0;  // this and the other counts: so far
};

struct HttpRequestHead {
  std::string_view method;
  std::string_view target;    // provisional until has_version: what there is of it
  bool has_version = false;   // the request line is whole. Before it is, this may turn out to be foreign
  uint8_t version_minor = 0;  // of HTTP/1
  HttpHeaderFields fields;
  uint32_t head_length = 0;  // bytes up to the body; 0 until the head is whole
  bool truncated = false;    // `done` because a limit was reached: there were more fields
};
ParseStatus parse_http_request(std::span<const uint8_t> bytes, HttpRequestHead& out);

struct HttpResponseHead {
  bool has_status = false;  // the status line is whole
  uint8_t version_minor = 0;
  uint16_t status = 0;  // 100 to 999
  std::string_view reason;
  HttpHeaderFields fields;
  uint32_t head_length = 0;
  bool truncated = false;
};
ParseStatus parse_http_response(std::span<const uint8_t> bytes, HttpResponseHead& out);

// The client that X-Forwarded-For names: the first of its list, with or without a port (0), IPv6 with or without brackets.
// False: none, or one that is no address ("unknown").
bool parse_forwarded_for(std::string_view value, Endpoint& out);

// The same of Forwarded: its first `for`. `_hidden` and `unknown` are no address.
bool parse_forwarded(std::string_view value, Endpoint& out);

}  // namespace parallax
