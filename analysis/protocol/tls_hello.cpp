#include "analysis/protocol/tls_hello.h"

#include <algorithm>

#include "analysis/protocol/tls_reader.h"

namespace parallax {

namespace {

constexpr uint8_t kClientHello = 1, kServerHello = 2, kCertificate = 11;
constexpr uint16_t kServerName = 0, kAlpn = 16, kSupportedVersions = 43;
constexpr uint16_t kTls13 = 0x0304;
constexpr int kServerNamesMax = 8;  // real hellos have one
constexpr int kContentsMax = 8;     // records and messages looked at on the way from the start to the certificate
constexpr size_t kAlertBytes = 2;   // in the clear; encrypted it is longer

// SHA-256 of "HelloRetryRequest" (RFC 8446, 4.1.3).
constexpr std::array<uint8_t, 32> kRetryRandom = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
                                                  0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
                                                  0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

bool is_draft_of_13(uint16_t version) { return version >> 8 == 0x7f; }

// `bytes` begin with a record of `type` that holds, as its first byte, `first`; as far as they go.
ParseStatus begins_with(std::span<const uint8_t> bytes, uint8_t type, uint8_t first) {
  TlsRecordHeader header;
  const ParseStatus status = parse_tls_record_header(bytes, header);
  if (!bytes.empty() && bytes[0] != type) return ParseStatus::foreign;
  if (status != ParseStatus::done) return status;
  if (bytes.size() == kTlsRecordHeaderBytes) return ParseStatus::more;
  return bytes[kTlsRecordHeaderBytes] == first ? ParseStatus::done : ParseStatus::foreign;
}

bool read_text(TlsReader& in, Scope& scope, uint8_t length, TlsText& out) {
  if (!in.copy(scope, {reinterpret_cast<uint8_t*>(out.bytes.data()), length})) return false;
  out.length = length;
  return true;
}

bool read_session_id(TlsReader& in, Scope& message, TlsSessionId& out) {
  TlsSessionId id;
  id.length = in.u8(message);
  if (id.length > id.bytes.size()) in.fail(ParseStatus::broken);
  if (!in.ok() || !in.copy(message, {id.bytes.data(), id.length})) return false;
  out = id;
  return true;
}

// RFC 6066, 3: the first host_name of the list. One that is longer than a name in the DNS can be is none.
void read_server_name(TlsReader& in, Scope& extension, TlsText& out) {
  Scope list = in.open(extension, in.u16(extension));
  for (int i = 0; i < kServerNamesMax && in.ok() && list.left > 0 && out.empty(); ++i) {
    const uint8_t type = in.u8(list);
    const uint16_t length = in.u16(list);
    Scope name = in.open(list, length);
    if (type == 0 && length <= out.bytes.size()) read_text(in, name, static_cast<uint8_t>(length), out);
    in.skip(name);
  }
  in.skip(list);
}

// RFC 7301, 3.1.
void read_alpn(TlsReader& in, Scope& extension, TlsText& first, uint16_t& count) {
  Scope list = in.open(extension, in.u16(extension));
  uint16_t counted = 0;
  while (in.ok() && list.left > 0) {
    const uint8_t length = in.u8(list);
    if (length == 0) return in.fail(ParseStatus::broken);
    Scope name = in.open(list, length);
    if (length == 2) {
      const uint16_t both = in.u16(name);
      if (is_tls_grease(both)) continue;
      if (in.ok() && counted == 0) first = {2, {static_cast<char>(both >> 8), static_cast<char>(both)}};
    } else if (counted == 0) {
      read_text(in, name, length, first);
    }
    in.skip(name);
    ++counted;
  }
  if (in.ok()) count = counted;
}

// The drafts of TLS 1.3 are numbered above it, and stand between 1.2 and it.
uint32_t rank(uint16_t version) { return is_draft_of_13(version) ? (kTls13 - 1) << 16 | version : version << 16; }

// RFC 8446, 4.2.1, as the client sends it: the highest.
void read_versions(TlsReader& in, Scope& extension, uint16_t& out) {
  Scope list = in.open(extension, in.u8(extension));
  uint16_t highest = 0;
  while (in.ok() && list.left > 0) {
    const uint16_t version = in.u16(list);
    if (!is_tls_grease(version) && rank(version) > rank(highest)) highest = version;
  }
  if (in.ok() && highest != 0) out = highest;
}

// Calls `read(type, body)` for each extension that the message still holds.
template <typename Read>
void for_each_extension(TlsReader& in, Scope& message, Read read) {
  if (!in.ok() || message.left == 0) return;  // before there were extensions a hello ended here
  Scope extensions = in.open(message, in.u16(message));
  while (in.ok() && extensions.left > 0) {  // each takes four bytes of at most 65,535
    const uint16_t type = in.u16(extensions);
    Scope body = in.open(extensions, in.u16(extensions));
    read(type, body);
    in.skip(body);
  }
}

// Hellos as SSL 2.0 wrapped them, last sent by clients that offered TLS 1.0 to servers of either kind (RFC 5246, E.2). Eleven
// bytes without a magic number among them: all must fit together.
ParseStatus parse_ssl2_hello(std::span<const uint8_t> bytes, TlsClientHello& out) {
  constexpr size_t kHeaderBytes = 11, kLengthBytes = 2;
  if (bytes.size() > 2 && bytes[2] != kClientHello) return ParseStatus::foreign;
  if (bytes.size() < kHeaderBytes) return ParseStatus::more;
  const auto number = [&](size_t at) { return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]); };
  const uint16_t version = number(3), suites = number(5), session_id = number(7), challenge = number(9);
  const bool known = version == 0x0002 || (version >= 0x0300 && version <= 0x0303);
  const bool sized = suites > 0 && suites % 3 == 0 && (session_id == 0 || session_id == 16) && challenge >= 16 && challenge <= 32;
  if (!known || !sized || kHeaderBytes - kLengthBytes + suites + session_id + challenge != (number(0) & 0x7fffu)) {
    return ParseStatus::foreign;
  }
  out.ssl2_format = out.has_version = true;
  out.legacy_version = out.version = version;
  out.cipher_suite_count = suites / 3;
  return ParseStatus::done;
}

void read_client_hello(TlsReader& in, Scope& message, TlsClientHello& out) {
  const uint16_t legacy_version = in.u16(message);
  if (legacy_version >> 8 != 3) in.fail(ParseStatus::broken);
  if (!in.ok()) return;
  out.has_version = true;
  out.legacy_version = out.version = legacy_version;
  std::array<uint8_t, 32> random;
  if (!in.copy(message, random)) return;
  out.has_random = true;
  out.random = random;
  out.has_session_id = read_session_id(in, message, out.session_id);
  const uint16_t suites = in.u16(message);
  Scope list = in.open(message, suites);
  if (suites % 2 != 0) in.fail(ParseStatus::broken);
  if (in.ok()) out.cipher_suite_count = suites / 2;
  in.skip(list);
  Scope compressions = in.open(message, in.u8(message));
  in.skip(compressions);
  for_each_extension(in, message, [&](uint16_t type, Scope& body) {
    if (type == kServerName && out.sni.empty()) read_server_name(in, body, out.sni);
    if (type == kAlpn && out.alpn.empty()) read_alpn(in, body, out.alpn, out.alpn_count);
    if (type == kSupportedVersions) read_versions(in, body, out.version);
  });
}

void read_server_hello(TlsReader& in, Scope& message, TlsServerFlight& out) {
  const uint16_t legacy_version = in.u16(message);
  std::array<uint8_t, 32> random;
  if (legacy_version >> 8 != 3) in.fail(ParseStatus::broken);
  if (!in.copy(message, random)) return;
  const bool retry = random == kRetryRandom;
  if (retry && out.retry_request) return in.fail(ParseStatus::broken);  // one at most (RFC 8446, 4.1.4)
  out.retry_request |= retry;
  out.has_version = true;
  out.legacy_version = out.version = legacy_version;
  TlsServerFlight of_no_interest;
  TlsServerFlight& to = retry ? of_no_interest : out;
  to.has_random = true;
  to.random = random;
  to.has_session_id = read_session_id(in, message, to.session_id);
  to.cipher_suite = in.u16(message);
  to.has_cipher_suite = in.ok();
  in.u8(message);  // compression
  for_each_extension(in, message, [&](uint16_t type, Scope& body) {
    uint16_t count = 0;
    if (type == kAlpn && to.alpn.empty()) read_alpn(in, body, to.alpn, count);
    if (type != kSupportedVersions) return;
    const uint16_t version = in.u16(body);
    if (in.ok()) out.version = version;
  });
  to.has_hello = in.ok();
}

void read_certificate(TlsReader& in, Scope& message, TlsServerFlight& out) {
  Scope list = in.open(message, in.u24(message));
  if (!in.ok() || list.left == 0) return;
  Scope leaf = in.open(list, in.u24(list));
  bool cut = false;
  const std::span<const uint8_t> piece = in.piece(leaf, cut);
  if (piece.empty()) return;
  out.has_certificate = true;
  const ParseStatus status = parse_x509_names(piece, out.certificate);
  if (status == ParseStatus::more && cut) in.fail(ParseStatus::more);
  if (status == ParseStatus::more && !cut && leaf.left == 0) in.fail(ParseStatus::broken);
  if (status == ParseStatus::foreign || status == ParseStatus::broken) in.fail(ParseStatus::broken);
}

// The server's direction, record by record and message by message.
class ServerFlight {
 public:
  ServerFlight(std::span<const uint8_t> bytes, TlsServerFlight& out) : in_(bytes), out_(out) {}

  ParseStatus parse() {
    for (int i = 0; i < kContentsMax && in_.ok() && !finished_; ++i) {
      if (in_.at_record_end() && between_records()) continue;
      if (in_.ok() && !finished_) message();
    }
    return in_.status();
  }

 private:
  // What comes instead of a handshake record. False: one of those, or nothing yet.
  bool between_records() {
    const std::span<const uint8_t> rest = in_.rest();
    TlsRecordHeader header;
    const ParseStatus status = parse_tls_record_header(rest, header);
    if (status != ParseStatus::done) return in_.fail(status == ParseStatus::foreign ? ParseStatus::broken : status), false;
    if (header.type == tls_record::handshake) return false;
    if (header.type == tls_record::alert) return alert(rest);
    // Change cipher spec after a hello resumes a session; before it, it is there for middleboxes (RFC 8446, D.4).
    finished_ = out_.has_hello;
    if (!finished_ && header.type != tls_record::change_cipher_spec) in_.fail(ParseStatus::broken);
    return skip_record(header, rest);
  }

  // A warning, such as unrecognized_name, does not end it.
  bool alert(std::span<const uint8_t> rest) {
    TlsAlert alert;
    const ParseStatus status = parse_tls_alert(rest, alert);
    if (status != ParseStatus::done) return in_.fail(status), false;
    out_.has_alert = true;
    out_.alert = alert;
    finished_ = alert.encrypted || alert.level != 1;
    return skip_record({tls_record::alert, 0, kAlertBytes}, rest);
  }

  bool skip_record(const TlsRecordHeader& header, std::span<const uint8_t> rest) {
    if (finished_ || !in_.ok()) return true;
    const size_t size = kTlsRecordHeaderBytes + header.length;
    if (size > rest.size()) return in_.fail(ParseStatus::more), false;
    in_.skip_rest(size);
    return true;
  }

  void message() {
    Scope all;
    const uint8_t type = in_.u8(all);
    if (!in_.ok()) return;
    if (out_.has_hello && type != kCertificate) {
      finished_ = true;  // a session resumed, or a cipher suite without certificates
      return;
    }
    if (!out_.has_hello && type != kServerHello) return in_.fail(ParseStatus::broken);
    Scope body = in_.open(all, in_.u24(all));
    if (out_.has_hello) {
      read_certificate(in_, body, out_);
      finished_ = true;
      return;
    }
    read_server_hello(in_, body, out_);
    in_.skip(body);
    finished_ = out_.has_hello && (out_.version == kTls13 || is_draft_of_13(out_.version));  // the rest is encrypted
  }

  TlsReader in_;
  TlsServerFlight& out_;
  bool finished_ = false;
};

}  // namespace

ParseStatus parse_tls_record_header(std::span<const uint8_t> bytes, TlsRecordHeader& out) {
  out = {};
  if (bytes.size() > 0 && (bytes[0] < tls_record::change_cipher_spec || bytes[0] > tls_record::heartbeat))
    return ParseStatus::foreign;
  if (bytes.size() > 1 && bytes[1] != 3) return ParseStatus::foreign;
  if (bytes.size() > 2 && bytes[2] > 4) return ParseStatus::foreign;
  if (bytes.size() < kTlsRecordHeaderBytes) return ParseStatus::more;
  const uint32_t length = static_cast<uint32_t>(bytes[3] << 8 | bytes[4]);
  if (length > kTlsRecordBytesMax || (length == 0 && bytes[0] != tls_record::application_data)) return ParseStatus::foreign;
  out = {bytes[0], static_cast<uint16_t>(bytes[1] << 8 | bytes[2]), static_cast<uint16_t>(length)};
  return ParseStatus::done;
}

ParseStatus parse_tls_client_hello(std::span<const uint8_t> bytes, TlsClientHello& out) {
  out = {};
  if (!bytes.empty() && (bytes[0] & 0x80) != 0) return parse_ssl2_hello(bytes, out);
  const ParseStatus start = begins_with(bytes, tls_record::handshake, kClientHello);
  if (start != ParseStatus::done) return start;
  TlsReader in(bytes);
  Scope all;
  in.u8(all);
  Scope message = in.open(all, in.u24(all));
  read_client_hello(in, message, out);
  return in.status();
}

ParseStatus parse_tls_alert(std::span<const uint8_t> bytes, TlsAlert& out) {
  out = {};
  if (!bytes.empty() && bytes[0] != tls_record::alert) return ParseStatus::foreign;
  TlsRecordHeader header;
  const ParseStatus status = parse_tls_record_header(bytes, header);
  if (status != ParseStatus::done) return status;
  if (header.length != kAlertBytes) {
    out.encrypted = true;
    return header.length > kAlertBytes ? ParseStatus::done : ParseStatus::broken;
  }
  const auto alert = bytes.subspan(kTlsRecordHeaderBytes);
  if (!alert.empty() && (alert[0] < 1 || alert[0] > 2)) return ParseStatus::broken;
  if (alert.size() < kAlertBytes) return ParseStatus::more;
  out.level = alert[0];
  out.description = alert[1];
  return ParseStatus::done;
}

ParseStatus parse_tls_server_flight(std::span<const uint8_t> bytes, TlsServerFlight& out) {
  out = {};
  if (!bytes.empty() && bytes[0] == tls_record::alert) {
    const ParseStatus alert = parse_tls_alert(bytes, out.alert);
    if (alert != ParseStatus::done || out.alert.encrypted) {  // nothing is encrypted yet
      out.alert = {};
      return alert == ParseStatus::more ? alert : ParseStatus::foreign;
    }
  } else {
    const ParseStatus start = begins_with(bytes, tls_record::handshake, kServerHello);
    if (start != ParseStatus::done) return start;
  }
  return ServerFlight(bytes, out).parse();
}

bool is_tls_grease(uint16_t value) { return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff); }

}  // namespace parallax
