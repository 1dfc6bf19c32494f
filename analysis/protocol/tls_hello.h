// What TLS says in the clear: ClientHello, the server's first flight, alerts (RFC 8446, RFC 5246, RFC 6066, RFC 7301).
//
// Messages may be cut into several records and records may hold several messages; both are followed. Names that a record may cut
// in two are copied into the result (at most 255 bytes), so that these structures hold no views but those of the certificate.
// Promises: parse_status.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "analysis/protocol/parse_status.h"
#include "analysis/protocol/x509_names.h"

namespace parallax {

// A name of at most 255 bytes, as it came.
struct TlsText {
  uint8_t length = 0;
  std::array<char, 255> bytes{};
  std::string_view view() const { return {bytes.data(), length}; }
  bool empty() const { return length == 0; }
};

struct TlsSessionId {
  uint8_t length = 0;
  std::array<uint8_t, 32> bytes{};
};

struct TlsClientHello {
  bool has_version = false;     // legacy_version and version hold
  uint16_t legacy_version = 0;  // as in the hello itself: 0x0303 also where TLS 1.3 is offered
  uint16_t version = 0;         // the highest offered; provisional until `done`, as supported_versions may come late
  bool has_random = false;
  std::array<uint8_t, 32> random{};
  bool has_session_id = false;
  TlsSessionId session_id;
  TlsText sni;              // host_name; empty: none seen
  TlsText alpn;             // the first protocol offered, not counting GREASE
  uint16_t alpn_count = 0;  // as many as are offered, not counting GREASE
  uint16_t cipher_suite_count = 0;
  bool ssl2_format = false;  // wrapped as SSL 2.0 did: only the version is read
};

// The first bytes of the client's direction.
ParseStatus parse_tls_client_hello(std::span<const uint8_t> bytes, TlsClientHello& out);

struct TlsAlert {
  uint8_t level = 0;  // 1 warning, 2 fatal; only where it is not encrypted
  uint8_t description = 0;
  bool encrypted = false;  // level and description are not to be had
};

// An alert record, wherever in a direction a record begins. TLS 1.3 hides its alerts in records of another type: those are
// foreign.
ParseStatus parse_tls_alert(std::span<const uint8_t> bytes, TlsAlert& out);

struct TlsServerFlight {
  bool has_version = false;
  uint16_t legacy_version = 0;
  uint16_t version = 0;        // the one chosen; provisional until has_hello, as the extension that says so comes last
  bool retry_request = false;  // a HelloRetryRequest came first; what follows is of the hello after it, if that was seen
  bool has_random = false;     // not of a HelloRetryRequest, whose random is a constant
  std::array<uint8_t, 32> random{};
  bool has_session_id = false;
  TlsSessionId session_id;
  bool has_cipher_suite = false;
  uint16_t cipher_suite = 0;
  TlsText alpn;            // the protocol chosen; TLS 1.3 encrypts it
  bool has_hello = false;  // a ServerHello that is no HelloRetryRequest, whole
  bool has_alert = false;  // instead of a hello or beside it; provisional where it is a warning
  TlsAlert alert;
  bool has_certificate = false;  // up to TLS 1.2; names of the leaf, as far as one record holds them
  X509Names certificate;
};

// The first bytes of the server's direction: as far as the leaf's certificate where that is in the clear, else as far as the
// hello.
ParseStatus parse_tls_server_flight(std::span<const uint8_t> bytes, TlsServerFlight& out);

struct TlsRecordHeader {
  uint8_t type = 0;  // 20 change cipher spec, 21 alert, 22 handshake, 23 application data, 24 heartbeat
  uint16_t version = 0;
  uint16_t length = 0;  // of what follows the header
};
inline constexpr size_t kTlsRecordHeaderBytes = 5;

// The header alone: what a walk over the records of a direction needs.
ParseStatus parse_tls_record_header(std::span<const uint8_t> bytes, TlsRecordHeader& out);

std::string_view tls_version_name(uint16_t version);   // "TLS 1.2", "SSL 3.0"; "" if unknown
std::string_view tls_alert_name(uint8_t description);  // "handshake_failure"; "" if unknown
bool is_tls_grease(uint16_t value);                    // RFC 8701

}  // namespace parallax
