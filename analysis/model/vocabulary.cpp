#include "analysis/model/vocabulary.h"

#include <array>
#include <cstddef>

namespace parallax {
namespace {

template <size_t N, typename E>
std::string_view name_in(const std::array<std::string_view, N>& names, E value) {
  const auto i = static_cast<size_t>(value);
  return i < N ? names[i] : "unknown";
}

}  // namespace

std::string_view name_of(FindingKind value) {
  static constexpr auto names = std::to_array<std::string_view>({
#define X(name) #name,
#include "analysis/model/finding_kinds.def"
#undef X
  });
  return name_in(names, value);
}

std::string_view name_of(PacketLabel value) {
  static constexpr auto names = std::to_array<std::string_view>({
#define X(name) #name,
#include "analysis/model/packet_labels.def"
#undef X
  });
  return name_in(names, value);
}

#define NAMES(Enum, ...)                                                          \
  std::string_view name_of(Enum value) {                                          \
    static constexpr auto names = std::to_array<std::string_view>({__VA_ARGS__}); \
    return name_in(names, value);                                                 \
  }
NAMES(Severity, "info", "notice", "warning", "critical")
NAMES(FindingState, "open", "updated", "closed", "withdrawn")
NAMES(Origin, "unknown", "client", "server", "device", "path", "sensor")
NAMES(FindingDirection, "none", "client_to_server", "server_to_client", "both")
NAMES(Protocol, "tcp", "udp")
NAMES(Outcome, "established", "refused", "unanswered", "incomplete", "midstream", "answered", "one_way")
NAMES(Close, "fin", "rst", "open", "idle")
NAMES(ClosedBy, "unknown", "client", "server", "device")
NAMES(ConnState, "S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH")
NAMES(NotFollowed, "icmp_echo", "other_protocols")
NAMES(RoundTripMethod, "ack", "timestamp")
NAMES(PairingMethod, "none", "five_tuple", "sequence", "ip_id", "tcp_timestamp", "proxy_protocol", "forwarded_header",
      "tls_random", "payload", "application_id", "timing")
NAMES(DeviceKind, "unknown", "router", "nat", "sequence_rewriter", "proxy")
NAMES(DeviceChange, "ttl", "mss", "window_scale", "sack", "timestamps", "ecn", "isn", "ip_id", "client_address", "client_port",
      "server_address", "server_port", "payload")
#undef NAMES

}  // namespace parallax
