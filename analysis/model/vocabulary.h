// The words of the contract as enumerations. Names in JSON and metrics are the enumerators' own (name_of).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "analysis/model/sides.h"

namespace parallax {

enum class FindingKind : uint8_t {
#define X(name) name,
#include "analysis/model/finding_kinds.def"
#undef X
};
inline constexpr int kFindingKindCount = 0
#define X(name) +1
#include "analysis/model/finding_kinds.def"
#undef X
    ;

enum class PacketLabel : uint8_t {  // used as bit numbers
#define X(name) name,
#include "analysis/model/packet_labels.def"
#undef X
};
inline constexpr int kPacketLabelCount = 0
#define X(name) +1
#include "analysis/model/packet_labels.def"
#undef X
    ;
// How retransmissions are told apart in the counters, the most telling first; what is none of these is a plain one, the last.
inline constexpr std::array kRetransmissionKinds = {PacketLabel::spurious_retransmission, PacketLabel::fast_retransmission,
                                                    PacketLabel::tail_loss_probe, PacketLabel::timeout_retransmission,
                                                    PacketLabel::retransmission};
constexpr uint32_t bit(PacketLabel label) { return 1u << static_cast<unsigned>(label); }

// Index into kRetransmissionKinds.
constexpr size_t retransmission_kind(uint32_t labels) {
  size_t kind = 0;
  while (kind + 1 < kRetransmissionKinds.size() && !(labels & bit(kRetransmissionKinds[kind]))) ++kind;
  return kind;
}

enum class Severity : uint8_t { info, notice, warning, critical };
enum class FindingState : uint8_t { open, updated, closed, withdrawn };
enum class Origin : uint8_t { unknown, client, server, device, path, sensor };
inline constexpr size_t kOriginCount = 6;
enum class FindingDirection : uint8_t { none, client_to_server, server_to_client, both };
enum class Protocol : uint8_t { tcp, udp };
inline constexpr BothOf<Protocol> kProtocols{};
enum class Outcome : uint8_t { established, refused, unanswered, incomplete, midstream, answered, one_way };
inline constexpr size_t kOutcomeCount = 7;
enum class Close : uint8_t { fin, rst, open, idle };
enum class ClosedBy : uint8_t { unknown, client, server, device };
enum class ConnState : uint8_t { S0, S1, SF, REJ, S2, S3, RSTO, RSTR, RSTOS0, RSTRH, SH, SHR, OTH };
enum class NotFollowed : uint8_t { icmp_echo, other_protocols };  // packets that may cross a device and belong to no leg
inline constexpr BothOf<NotFollowed> kNotFollowed{};
enum class RoundTripMethod : uint8_t { ack, timestamp };  // see analysis/tcp/round_trip.h
inline constexpr BothOf<RoundTripMethod> kRoundTripMethods{};
enum class PairingMethod : uint8_t {
  none,
  five_tuple,
  sequence,
  ip_id,
  tcp_timestamp,
  proxy_protocol,
  forwarded_header,
  tls_random,
  payload,
  application_id,
  timing
};
inline constexpr size_t kPairingMethodCount = 11;
enum class DeviceKind : uint8_t { unknown, router, nat, sequence_rewriter, proxy };
enum class DeviceChange : uint8_t {  // used as bit numbers
  ttl,
  mss,
  window_scale,
  sack,
  timestamps,
  ecn,
  isn,
  ip_id,
  client_address,
  client_port,
  server_address,
  server_port,
  payload
};
inline constexpr int kDeviceChangeCount = 13;
constexpr uint32_t bit(DeviceChange change) { return 1u << static_cast<unsigned>(change); }

std::string_view name_of(FindingKind value);
std::string_view name_of(PacketLabel value);
std::string_view name_of(Severity value);
std::string_view name_of(FindingState value);
std::string_view name_of(Origin value);
std::string_view name_of(FindingDirection value);
std::string_view name_of(Protocol value);
std::string_view name_of(Outcome value);
std::string_view name_of(Close value);
std::string_view name_of(ClosedBy value);
std::string_view name_of(ConnState value);
std::string_view name_of(NotFollowed value);
std::string_view name_of(RoundTripMethod value);
std::string_view name_of(PairingMethod value);
std::string_view name_of(DeviceKind value);
std::string_view name_of(DeviceChange value);

}  // namespace parallax
