#include "analysis/protocol/http_head.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "analysis/model/address_text.h"
#include "analysis/protocol/byte_reader.h"

namespace parallax {

namespace {

// RFC 9110, WebDAV with its extensions (RFC 4918, 3253, 3648, 3744, 4791, 5323, 5842), UPnP and Microsoft's.
constexpr std::string_view kMethods[] = {
    "GET",           "POST",          "HEAD",         "PUT",      "DELETE",
    "OPTIONS",       "CONNECT",       "TRACE",        "PATCH",    "QUERY",
    "PROPFIND",      "PROPPATCH",     "MKCOL",        "COPY",     "MOVE",
    "LOCK",          "UNLOCK",        "SEARCH",       "REPORT",   "CHECKOUT",
    "CHECKIN",       "UNCHECKOUT",    "MKACTIVITY",   "MERGE",    "VERSION-CONTROL",
    "MKWORKSPACE",   "UPDATE",        "LABEL",        "ACL",      "BASELINE-CONTROL",
    "ORDERPATCH",    "MKREDIRECTREF", "MKCALENDAR",   "BIND",     "UPDATEREDIRECTREF",
    "REBIND",        "UNBIND",        "LINK",         "UNLINK",   "PURGE",
    "POLL",          "NOTIFY",        "SUBSCRIBE",    "BCOPY",    "UNSUBSCRIBE",
    "BMOVE",         "BDELETE",       "BPROPFIND",    "M-SEARCH", "BPROPPATCH",
    "RPC_CONNECT",   "RPC_IN_DATA",   "RPC_OUT_DATA", "CCM_POST", "SSTP_DUPLEX_POST",
    "X-MS-ENUMATTS",
};
constexpr std::string_view kVersion = "HTTP/1.";  // and one digit
constexpr int kEmptyLinesMax = 2;                 // before a request (RFC 9112, 2.2)

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
// `name` is in lower case.
bool is_named(std::string_view text, std::string_view name) { return std::ranges::equal(text, name, {}, lower); }
std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Lines of a head, which has its limit.
class Lines {
 public:
  explicit Lines(std::span<const uint8_t> bytes) : text_(as_text(bytes).substr(0, kHttpHeadBytesMax)) {}

  // The next line without its end; `position()` is then after it. `more`: its end is not there yet.
  ParseStatus next(std::string_view& line) {
    const size_t end = text_.find('\n', position_);
    if (end == text_.npos) return ParseStatus::more;
    line = text_.substr(position_, end - position_);
    if (line.find('\0') != line.npos) return ParseStatus::broken;
    if (line.ends_with('\r')) line.remove_suffix(1);
    position_ = end + 1;
    return ParseStatus::done;
  }
  // What has no end yet.
  std::string_view rest() const { return text_.substr(position_); }
  size_t position() const { return position_; }
  bool at_limit() const { return text_.size() == kHttpHeadBytesMax; }

 private:
  std::string_view text_;
  size_t position_ = 0;
};

void read_content_length(std::string_view value, HttpHeaderFields& out) {
  constexpr size_t kDigitsMax = 19;  // fits in 64 bits
  if (out.has_content_length || value.empty() || value.size() > kDigitsMax || !std::ranges::all_of(value, is_digit)) return;
  out.has_content_length = true;
  out.content_length = 0;
  for (const char c : value) out.content_length = out.content_length * 10 + static_cast<uint64_t>(c - '0');
}

void keep_first(std::string_view value, std::string_view& out, uint32_t& count) {
  if (count++ == 0) out = value;
}

void read_field(std::string_view line, HttpHeaderFields& out) {
  constexpr std::string_view kChunked = "chunked";
  const size_t colon = line.find(':');
  if (colon == line.npos) return;
  const std::string_view name = trimmed(line.substr(0, colon)), value = trimmed(line.substr(colon + 1));
  if (is_named(name, "host")) keep_first(value, out.host, out.host_count);
  if (is_named(name, "x-forwarded-for")) keep_first(value, out.forwarded_for, out.forwarded_for_count);
  if (is_named(name, "forwarded")) keep_first(value, out.forwarded, out.forwarded_count);
  if (is_named(name, "x-real-ip")) keep_first(value, out.real_ip, out.real_ip_count);
  if (is_named(name, "content-length")) read_content_length(value, out);
  if (is_named(name, "transfer-encoding")) {
    out.chunked = value.size() >= kChunked.size() && is_named(value.substr(value.size() - kChunked.size()), kChunked);
  }
}

// The lines after the first one. Folded ones (RFC 9112, 5.2) are not joined: what is looked for fits in one.
ParseStatus read_fields(Lines& lines, HttpHeaderFields& fields, uint32_t& head_length, bool& truncated) {
  for (;;) {  // the limit of bytes bounds the lines
    std::string_view line;
    const ParseStatus status = lines.next(line);
    truncated = status == ParseStatus::more ? lines.at_limit() : fields.field_count == kHttpHeaderFieldsMax && !line.empty();
    if (truncated) return ParseStatus::done;
    if (status != ParseStatus::done) return status;
    if (line.empty()) {
      head_length = static_cast<uint32_t>(lines.position());
      return ParseStatus::done;
    }
    if (is_space(line.front())) continue;
    ++fields.field_count;
    read_field(line, fields);
  }
}

// `text` begins with a method and a space, as far as it goes.
ParseStatus read_method(std::string_view text, std::string_view& out) {
  ParseStatus status = ParseStatus::foreign;
  for (const std::string_view method : kMethods) {
    if (!text.empty() && text[0] != method[0]) continue;
    const size_t common = std::min(method.size(), text.size());
    if (text.substr(0, common) != method.substr(0, common)) continue;
    if (text.size() <= method.size()) {
      status = ParseStatus::more;
    } else if (text[method.size()] == ' ') {
      out = text.substr(0, method.size());
      return ParseStatus::done;
    }
  }
  return status;
}

// "HTTP/1." and a digit.
bool read_version(std::string_view text, uint8_t& minor) {
  if (text.size() != kVersion.size() + 1 || !text.starts_with(kVersion) || !is_digit(text.back())) return false;
  minor = static_cast<uint8_t>(text.back() - '0');
  return true;
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// The target is what stands between method and version: some clients put spaces into it. Controls, tabs among them, are foreign
// anywhere in the line, as they are in a part of it.
ParseStatus read_request_line(std::string_view line, HttpRequestHead& out) {
  if (has_control(line)) return ParseStatus::foreign;
  line = trimmed(line);
  const size_t space = line.rfind(' ');
  if (space == line.npos || !read_version(line.substr(space + 1), out.version_minor)) return ParseStatus::foreign;
  out.target = trimmed(line.substr(out.method.size(), space - out.method.size()));
  out.has_version = true;
  return out.target.empty() ? ParseStatus::broken : ParseStatus::done;
}

// What there is of a request line after the method: it must be text.
ParseStatus read_partial_target(std::string_view rest, bool at_limit, std::string_view& out) {
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  const std::string_view target = rest.substr(0, rest.find_first_of(" \r"));
  if (has_control(target)) return ParseStatus::foreign;
  out = target;
  return at_limit ? ParseStatus::broken : ParseStatus::more;
}

ParseStatus skip_empty_lines(Lines& lines) {
  for (int i = 0; i < kEmptyLinesMax; ++i) {
    const std::string_view rest = lines.rest();
    if (rest == "\r") return ParseStatus::more;
    if (!rest.starts_with("\r\n") && !rest.starts_with('\n')) return ParseStatus::done;
    std::string_view line;
    lines.next(line);
  }
  return ParseStatus::done;
}

// "HTTP/1.1 200 OK" as far as the text goes; the reason may be missing with its space.
ParseStatus read_status_line_start(std::string_view text, HttpResponseHead& out) {
  constexpr size_t kMinor = kVersion.size(), kCode = kMinor + 2, kCodeEnd = kCode + 3;
  const size_t common = std::min(text.size(), kVersion.size());
  if (text.substr(0, common) != kVersion.substr(0, common)) return ParseStatus::foreign;
  for (size_t i = kMinor; i < std::min(text.size(), kCodeEnd); ++i) {
    const bool right = i == kMinor + 1 ? text[i] == ' ' : is_digit(text[i]) && !(i == kCode && text[i] == '0');
    if (!right) return i < kCode ? ParseStatus::foreign : ParseStatus::broken;
  }
  if (text.size() <= kCodeEnd) return ParseStatus::more;
  if (!is_space(text[kCodeEnd]) && text[kCodeEnd] != '\r' && text[kCodeEnd] != '\n') return ParseStatus::broken;
  out.version_minor = static_cast<uint8_t>(text[kMinor] - '0');
  for (size_t i = kCode; i < kCodeEnd; ++i) out.status = static_cast<uint16_t>(out.status * 10 + (text[i] - '0'));
  return ParseStatus::done;
}

// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80"; a port that is hidden (RFC 7239, 6.2) is 0.
bool parse_node(std::string_view text, Endpoint& out) {
  Endpoint endpoint;
  std::string_view address = text, port;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == text.npos || !parse_ipv6(text.substr(1, close - 1), endpoint.address)) return false;
    port = text.substr(close + 1);
  } else {
    const size_t colon = text.find(':');
    if (colon != text.npos && text.find(':', colon + 1) == text.npos) {
      address = text.substr(0, colon);
      port = text.substr(colon);
      if (!parse_ipv4(address, endpoint.address)) return false;
    } else if (!parse_address(address, endpoint.address)) {
      return false;
    }
  }
  const bool hidden = port.starts_with(":_");
  if (!port.empty() && !hidden && (port[0] != ':' || !parse_port(port.substr(1), endpoint.port))) return false;
  out = endpoint;
  return true;
}

std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') return text.substr(1, text.size() - 2);
  return text;
}

// Up to the next `;` or `,` outside quotes, and takes it away from `text`.
std::string_view next_pair(std::string_view& text) {
  bool quoted = false;
  size_t i = 0;
  for (; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (quoted && text[i] == '\\') ++i;
    if (!quoted && (text[i] == ';' || text[i] == ',')) break;
  }
  i = std::min(i, text.size());
  const std::string_view pair = text.substr(0, i);
  text.remove_prefix(std::min(i + 1, text.size()));
  return pair;
}

}  // namespace

ParseStatus parse_http_request(std::span<const uint8_t> bytes, HttpRequestHead& out) {
  out = {};
  Lines lines(bytes);
  ParseStatus status = skip_empty_lines(lines);
  if (status != ParseStatus::done) return status;
  status = read_method(lines.rest(), out.method);
  if (status != ParseStatus::done) return status;
  const std::string_view rest = lines.rest();
  std::string_view line;
  status = lines.next(line);
  if (status == ParseStatus::more) {
    out.truncated = lines.at_limit();
    return read_partial_target(rest.substr(out.method.size()), out.truncated, out.target);
  }
  status = status == ParseStatus::broken ? ParseStatus::foreign : read_request_line(line, out);
  if (status != ParseStatus::done) return status;
  return read_fields(lines, out.fields, out.head_length, out.truncated);
}

ParseStatus parse_http_response(std::span<const uint8_t> bytes, HttpResponseHead& out) {
  constexpr size_t kReason = kVersion.size() + 5;  // after version, space and code
  out = {};
  Lines lines(bytes);
  ParseStatus status = read_status_line_start(lines.rest(), out);
  if (status != ParseStatus::done) return status;
  std::string_view line;
  status = lines.next(line);
  if (status == ParseStatus::more && lines.at_limit()) return ParseStatus::broken;
  if (status != ParseStatus::done) return status;
  out.has_status = true;
  out.reason = trimmed(line.substr(kReason));
  return read_fields(lines, out.fields, out.head_length, out.truncated);
}

bool parse_forwarded_for(std::string_view value, Endpoint& out) {
  return parse_node(unquoted(trimmed(value.substr(0, value.find(',')))), out);
}

bool parse_forwarded(std::string_view value, Endpoint& out) {
  while (!value.empty()) {  // each round takes a byte or more
    const std::string_view pair = next_pair(value);
    const size_t equals = pair.find('=');
    if (equals != pair.npos && is_named(trimmed(pair.substr(0, equals)), "for")) {
      return parse_node(unquoted(trimmed(pair.substr(equals + 1))), out);
    }
  }
  return false;
}

}  // namespace parallax
