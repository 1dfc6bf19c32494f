// What the daemon's outputs (API and metrics) look at: the running graph, read-only, and what they count themselves.
//
// Owned by the daemon; engine and channels outlive it. Everything in it may be asked by any thread at any time.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "analysis/engine.h"
#include "capture/core/port.h"
#include "capture/decode/decode.h"
#include "capture/spool/spool.h"
#include "daemon/message/rpcs.h"

namespace parallax {

class ConnectionLog;
class History;
class PinnedFiles;
class Webhook;

// What of api.limits a call may meet.
enum class ApiLimit : uint8_t { watches, watches_per_caller, slices, slices_per_caller, slice_size, slice_rate };
inline constexpr std::array<const char*, 6> kApiLimitNames{"watches",           "watches_per_caller", "slices",
                                                           "slices_per_caller", "slice_size",         "slice_rate"};

struct ApiCounters {
  std::atomic<uint64_t> watch_findings_dropped{0};  // over all watchers of findings: FindingWatch::dropped
  // Calls refused for want of a role, by the RPC and by the role that the caller has.
  std::array<std::array<std::atomic<uint64_t>, v1::Role_ARRAYSIZE>, kRpcCount> denied{};
  // Calls that were refused (watches, slices, also per caller), cut (slice_size) or slowed down (slice_rate), each once.
  std::array<std::atomic<uint64_t>, kApiLimitNames.size()> limited{};

  void count(ApiLimit limit) { limited[static_cast<size_t>(limit)].fetch_add(1, std::memory_order_relaxed); }
};

// What became of the configuration since the start.
struct ConfigState {
  std::atomic<int64_t> taken_ns{0};        // when that which runs was read
  std::atomic<bool> last_was_taken{true};  // what was read last
};

struct SensorState {
  std::string name;
  std::string version;
  int64_t started_ns = 0;
  int64_t device_timeout_ns = 1'000'000'000;
  KeyFrom key_from = KeyFrom::nothing;
  std::vector<std::string> path;
  std::vector<PortChannel*> channels;
  const Engine* engine = nullptr;
  std::function<int64_t()> clock_uncertainty_ns;  // of the sensor's clock against the system's

  // The worst of late of all ports, by which the order between two ports may be wrong.
  int64_t stamp_uncertainty_ns() const {
    int64_t worst_ns = 0;
    for (const PortChannel* channel : channels) {
      worst_ns = std::max<int64_t>(worst_ns, channel->stamp_uncertainty_ns.load(std::memory_order_relaxed));
    }
    return worst_ns;
  }
  // How far a packet's time may be from when it passed, as the system's clock has it.
  int64_t time_uncertainty_ns() const { return stamp_uncertainty_ns() + (clock_uncertainty_ns ? clock_uncertainty_ns() : 0); }
  std::atomic<bool> spool_filtered{false};  // now, or at some time since the start
  std::shared_ptr<ConfigState> configured = std::make_shared<ConfigState>();
  const Spool* spool = nullptr;                   // null: there is none
  const PinnedFiles* pinned = nullptr;            // null: there is no spool
  const History* history = nullptr;               // null: there is none
  const ConnectionLog* connection_log = nullptr;  // null: there is none; nor where its state has no directory
  const Webhook* webhook = nullptr;               // null: there is none; nor where its state has no receiver
  std::shared_ptr<ApiCounters> api = std::make_shared<ApiCounters>();
};

}  // namespace parallax
