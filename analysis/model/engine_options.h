// What an engine is told when it is made: the path, its bounds and how long it waits for what.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "analysis/model/access_log.h"
#include "analysis/model/detector_settings.h"
#include "analysis/model/model.h"
#include "capture/core/pollable.h"

namespace parallax {

struct EngineOptions {
  std::vector<std::string> path;  // the points' names, in order
  size_t workers = 1;             // must equal the rings of each channel
  bool offline = false;           // never drop; same output for any number of workers
  bool filtered = false;        // a filter keeps packets from the engine: where addresses are rewritten, perhaps on one side only
  bool record_packets = false;  // keep a PacketRecord for each packet (offline only)
  bool bounded_offline = false;        // tests: what bounds the legs live does so offline, too
  size_t legs = 1 << 16;               // for each worker; offline as many as there are, see bounds_legs()
  size_t half_open_legs = 1 << 14;     // for each worker; of them
  size_t recognised_legs = 1 << 14;    // for each worker: legs whose messages are being read (live)
  size_t message_buffers = 512;        // for each worker, of 8 KiB: messages that are incomplete (live)
  size_t connections = 1 << 16;        // kept by the correlator (live)
  size_t recognised_bytes = 64 << 20;  // kept by the correlator: what messages said (live)
  size_t findings = 4096;
  // Where those before belong to findings and connections of earlier runs that somebody still asks for.
  uint64_t first_finding_id = 1, first_connection_id = 1;
  std::shared_ptr<const DetectorSettings> detectors = std::make_shared<const DetectorSettings>();
  bool tells_ends = false;         // live: somebody takes each connection as it ends
  int64_t hand_over_after_ns = 0;  // offline: connections that ended so long before and are settled (settled.h); 0: none are
  std::shared_ptr<const AccessLog> access_log{};  // of a server or proxy on the path (offline); null: none
  int64_t merge_wait_ns = 50'000'000;             // live: how long the merge waits for a port that says nothing
  int64_t device_timeout_ns = 1'000'000'000;
  int64_t idle_timeout_ns = 300'000'000'000;

  // Offline nothing is evicted: memory follows what is open at once.
  bool bounds_legs() const { return !offline || bounded_offline; }

  // Of a stage that finds nothing to do: live a thread whose ports are silent is not to be busy, and findings may be told so much
  // later.
  Rest rest() const { return offline ? Rest{} : Rest{.longest_us = 2'000}; }
};

// A pairing known beforehand (from the running daemon, when a slice is cut): legs with these ends belong together.
struct KnownPairing {
  PointIndex first_point, second_point;
  Endpoint first_client, first_server, second_client, second_server;
};

}  // namespace parallax
