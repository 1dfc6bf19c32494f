// The engine: from sightings in port channels to connections and findings. The same for live ports and for files.
//
// Owns the analysis workers and the correlator, but no thread: the owner runs the stages (capture/pollable.h) on threads
// of its choosing, one thread a stage or several stages a thread. Queries may come from any thread at any time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "analysis/engine_counters.h"
#include "analysis/model.h"
#include "capture/pollable.h"
#include "capture/port.h"

namespace parallax {

struct EngineOptions {
  std::vector<std::string> path;  // the points' names, in order
  size_t workers = 1;             // must equal the rings of each channel
  bool offline = false;           // never drop; same output for any number of workers
  bool filtered = false;        // a filter keeps packets from the engine: where addresses are rewritten, perhaps on one side only
  bool record_packets = false;  // keep a PacketRecord for each packet (offline only)
  size_t legs = 1 << 16;        // for each worker
  size_t half_open_legs = 1 << 14;     // for each worker
  size_t recognised_legs = 1 << 14;    // for each worker: legs whose messages are being read (live)
  size_t message_buffers = 512;        // for each worker, of 8 KiB: messages that are incomplete (live)
  size_t connections = 1 << 16;        // kept by the correlator (live)
  size_t recognised_bytes = 64 << 20;  // kept by the correlator: what messages said (live)
  size_t findings = 4096;
  int64_t merge_wait_ns = 50'000'000;  // live: how long the merge waits for a port that says nothing
  int64_t device_timeout_ns = 1'000'000'000;
  int64_t idle_timeout_ns = 300'000'000'000;
};

// A pairing known beforehand (from the running daemon, when a slice is cut): legs with these ends belong together.
struct KnownPairing {
  PointIndex first_point, second_point;
  Endpoint first_client, first_server, second_client, second_server;
};

class Engine {
 public:
  // `channels` outlive the engine; their index is the PortIndex of the sightings in them.
  Engine(EngineOptions options, std::vector<PortChannel*> channels, std::vector<KnownPairing> known = {});
  ~Engine();

  // One stage for each analysis worker, and the correlator. Each is to be polled by one thread at a time.
  std::vector<Pollable*> workers();
  Pollable& correlator();
  bool finished() const;  // all channels ended and everything has been worked off

  // Queries; thread-safe, a consistent copy each. Sorted by id, those above `after_id`, at most `limit`.
  std::vector<ConnectionRecord> connections(uint64_t after_id, size_t limit) const;
  std::vector<FindingRecord> findings(uint64_t after_id, size_t limit) const;
  // Changed after `version`, in the order of their change.
  std::vector<FindingRecord> findings_changed(uint64_t version, size_t limit) const;
  std::vector<DeviceRecord> devices() const;
  std::vector<PointRecord> points() const;
  SummaryRecord summary() const;
  // Only with record_packets and once finished(): sorted by (order_ns, point, port, frame).
  std::vector<PacketRecord> packets() const;

  // For metrics: sums over the workers' counter blocks, without stopping them.
  EngineCounters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parallax
