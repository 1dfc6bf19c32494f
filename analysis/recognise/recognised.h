// What is known of a leg from its messages. Kept by the correlator, for reports; randoms, session ids, connection IDs and PROXY
// headers also for the pairing of legs.
//
// Texts are as they came: bounded, not sanitised. Nothing is kept of a leg that said nothing recognisable.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/event/recognition.h"
#include "analysis/protocol/quic_packet.h"

namespace parallax {

struct RecognisedTls {
  bool client_hello = false, server_hello = false;
  bool client_version_known = false, server_version_known = false;
  uint16_t client_version = 0, server_version = 0;  // the highest offered; the one chosen
  std::array<uint8_t, 32> client_random{}, server_random{};
  std::string client_session_id, server_session_id;
  std::string sni;
  std::string alpn_offered, alpn_chosen;  // the first offered; TLS 1.3 hides the choice
  std::vector<std::string> certificate_names;
  std::optional<uint16_t> alert;  // level << 8 | description; the first fatal one, else the first
};

struct RecognisedRequest {
  uint32_t seq = 0;  // where it begins
  std::string method, target, host, forwarded_for, forwarded;
  uint16_t status = 0;                    // 0: no answer seen
  bool has_request = true;                // false: the answer alone was seen
  int64_t order_ns = 0, answered_ns = 0;  // of the packets that completed the two heads; 0: not seen
  bool is_judged = false;                 // by detectors, where its answer is an error
  uint64_t log_line = 0;                  // of the access log that tells of it; 0: none
  std::string logged_client;              // whom that names as the client for whom a proxy asks; empty: nobody
};

struct RecognisedProxy {
  uint8_t version = 0;
  bool has_endpoints = false;  // of the client that the proxy speaks for
  Endpoint source, destination;
  std::string authority, unique_id;
};

struct RecognisedName {  // of another connection's end
  Endpoint end;
  uint16_t code = 0;  // FTP's reply code, or the endpoint mapper's port
  uint32_t seq = 0;   // where the answer begins that names it
  int64_t order_ns = 0;
};

struct RecognisedDns {
  uint16_t id = 0, type = 0;
  std::string name;  // in wire form
  bool asked = false, answered = false;
  uint8_t rcode = 0;
};

struct RecognisedDhcp {
  uint8_t version = 4;  // of IP
  uint32_t transaction_id = 0;
  uint8_t first_type = 0, last_type = 0;  // messages
  std::string hardware_address;
  Address client_address{}, requested_address{}, assigned_address{};
  std::string host_name;
};

// The connection IDs of a QUIC connection: each side's packets bear the one that the other has chosen.
struct RecognisedQuic {
  QuicId first;            // what the client took for the server's before that had chosen one; at least eight random bytes
  QuicId client, server;   // chosen by the side
  bool has_begun = false;  // the client's first packet was seen: `first` and `client` hold
  bool goes_on = false;    // a connection that was known before, from another leg: so are the IDs
};

struct Recognised {
  static constexpr size_t kRequestsMax = 64;
  static constexpr size_t kExchangesMax = 16;  // DNS, DHCP
  static constexpr size_t kNamesMax = 16;

  std::optional<RecognisedTls> tls;
  std::vector<RecognisedRequest> requests;  // in the order of the stream
  std::optional<RecognisedProxy> proxy;
  std::vector<RecognisedName> names;
  std::vector<RecognisedDns> dns;
  std::vector<RecognisedDhcp> dhcp;
  std::optional<RecognisedQuic> quic;

  // False: a bound of this leg was reached, and the event was not kept.
  bool take(const RecognitionEvent& event);
  // Memory beyond this structure itself, about.
  size_t bytes() const;

 private:
  void take_tls(const RecognitionEvent& event);
  bool take_request(const RecognitionEvent& event);
  bool take_response(const RecognitionEvent& event);
  bool take_name(const RecognitionEvent& event);
  bool take_dns(const RecognitionEvent& event);
  bool take_dhcp(const RecognitionEvent& event);
  void take_quic(const RecognitionEvent& event);
};

}  // namespace parallax
