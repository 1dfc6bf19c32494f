// The API: parallax.v1.Sensor over gRPC, with health and reflection.
//
// On a unix socket by default; on TCP only with mutual TLS. Owns its threads, asks the engine and the spool (which are
// safe to ask from any thread), and never holds up the packet path. Who may call what, api.roles says (role_gate.h). What may run
// at the same time is bounded by api.limits: above it a call is refused with RESOURCE_EXHAUSTED and the trailing metadata
// grpc-retry-pushback-ms.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "daemon/run/prepared_change.h"
#include "daemon/run/privileges.h"
#include "daemon/run/sensor_state.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

class SensorServer {
 public:
  static constexpr uint32_t kPageSizeDefault = 100;   // where the request says 0
  static constexpr uint32_t kPageSizeMax = 1000;      // larger ones are cut to it
  static constexpr size_t kPageBytesMax = 2'000'000;  // a page ends here too: clients refuse messages above 4 MiB

  static constexpr std::chrono::milliseconds kWriteMax{30'000};  // a stream whose receiver takes nothing for so long ends

  // `state` outlives the server; of `config` default_config() has the limits. A unix socket is given to `owner`. On failure
  // nullptr and `error`.
  static std::unique_ptr<SensorServer> start(const SensorState& state, const v1::ApiConfig& config,
                                             const std::optional<ServiceUser>& owner, std::string& error,
                                             std::chrono::milliseconds write_max = kWriteMax);
  // Ends the streams with UNAVAILABLE, waits for calls under way (at most a second before they are cancelled).
  ~SensorServer();

  // For a reload. REQUIRES: `config` has the address that it was started with. The control thread.
  PreparedChange prepare(const v1::ApiConfig& config);

  // The port of a TCP listener; 0 for a unix socket.
  int port() const;
  // For the log at the end: calls handled.
  uint64_t calls() const;

 private:
  struct Impl;
  explicit SensorServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace parallax
