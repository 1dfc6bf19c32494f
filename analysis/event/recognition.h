// What a protocol parser tells the correlator: one message that says who talks to whom. A plain value that travels through a
// ring.
//
//   analysis worker --RecognitionEvent--> correlator
//
// Texts are as they came, bounded and not sanitised: whoever shows them makes them fit to be shown.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "analysis/event/events.h"

namespace parallax {

// With the texts of each, in their order.
enum class RecognitionKind : uint8_t {
  tls_client_hello,  // random, session id, SNI, ALPN (the first offered)
  tls_server_hello,  // random, session id, ALPN (chosen), names of the certificate: each with a NUL after it
  tls_alert,         // none
  http_request,      // method, host, X-Forwarded-For (else X-Real-IP), Forwarded, target
  http_response,     // none
  proxy_header,      // source, destination (each an Endpoint as it lies in memory), authority, unique id
  dns,               // name in wire form
  first_bytes,       // those bytes: of a direction of an unpaired leg that begins with nothing of the above
  named_address,     // the end of another connection that a server names (an Endpoint as it lies in memory)
  quic,              // connection IDs: destination, source. Behind a short header the destination's has no end
  dhcp,              // hardware address, client's, requested, assigned address, host name
};

constexpr bool is_tls(RecognitionKind kind) {
  return kind == RecognitionKind::tls_client_hello || kind == RecognitionKind::tls_server_hello ||
         kind == RecognitionKind::tls_alert;
}
constexpr bool is_http(RecognitionKind kind) {
  return kind == RecognitionKind::http_request || kind == RecognitionKind::http_response;
}

struct RecognitionEvent {
  static constexpr size_t kTextsMax = 5;

  int64_t order_ns;  // of the packet that completed the message
  LegId leg;
  uint32_t frame;
  uint32_t stamp_uncertainty_ns;
  uint32_t seq;  // TCP: where the message begins; UDP: the sum of the datagram's payload
  uint32_t ack;  // TCP: of the packet that completed it
  uint32_t id;   // DNS id, DHCP transaction, QUIC version
  PortIndex port;
  uint16_t version;  // TLS: offered or chosen
  uint16_t code;     // HTTP status; alert level << 8 | description; DNS type; DHCP message type; PROXY version; QuicPacketType
  PointIndex point;
  Side from;
  RecognitionKind kind;
  uint8_t rcode;  // DNS
  bool answer;    // DNS response, DHCP reply
  bool version_known;
  bool closing;  // told when the leg closed: goes before that
  std::array<uint16_t, kTextsMax> lengths;
  std::array<char, 434> bytes;

  // To be called in the order of the texts.
  void add(size_t index, std::string_view text, size_t longest) {
    const size_t begin = begin_of(index);
    const size_t length = std::min({text.size(), longest, bytes.size() - begin});
    if (length > 0) std::memcpy(bytes.data() + begin, text.data(), length);  // an empty text may be null
    lengths[index] = static_cast<uint16_t>(length);
  }
  std::string_view text(size_t index) const { return {bytes.data() + begin_of(index), lengths[index]}; }

 private:
  size_t begin_of(size_t index) const {
    size_t begin = 0;
    for (size_t i = 0; i < index; ++i) begin += lengths[i];
    return begin;
  }
};
static_assert(std::is_trivially_copyable_v<RecognitionEvent> && sizeof(RecognitionEvent) <= 512);

}  // namespace parallax
