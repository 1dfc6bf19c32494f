// A seeded simulator of two points with a device between them, which knows the truth.
//
// Clients and servers speak a small but honest TCP (handshake with retries, windows, cumulative acknowledgement, timeout and
// fast retransmission, FIN and RST closes) over a path that loses packets before and behind the points, through a device
// that routes or translates, jitters, reorders and, where a connection is chosen for a fault, does wrong. Each direction of each
// point is a port whose packets carry the time of the poll that fetched them. On purpose, the sensor may lose packets
// and say so.
// The same options give the same packets, on any machine.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/pipeline.h"

namespace parallax::test {

enum class Fault : uint8_t {
  none,
  syn_dropped,        // the device drops the first SYNs, or all
  refused_by_device,  // the device answers the SYN with a RST of its own
  refused_by_server,
  filtered_by_server,  // the server's host ignores the SYN
  data_dropped,        // the device drops data segments
  reset_swallowed,     // the device keeps a RST to itself
  reset_injected,      // the device resets the connection
};
std::string_view name_of(Fault fault);

struct SimulatorOptions {
  uint64_t seed = 1;
  int connections = 40;
  bool nat = true;           // client's address and port and server's address are rewritten; else nothing
  bool sensor_loss = false;  // ports lose packets now and then, and report it
  double fault_share = 0.4;  // of the connections
  int64_t poll_gap_ns = 20'000;
  int64_t duration_ns = 3'000'000'000;  // within which connections are opened
};

struct TruthOfConnection {
  bool client_inside = false;
  Endpoint client, server;          // as the client sees them
  Endpoint far_client, far_server;  // as they are at the other point
  Fault fault = Fault::none;
  bool established = false;
  // What the device really did to it; [0] from the client, [1] from the server.
  uint64_t syns_dropped = 0, syns_refused = 0, resets_swallowed = 0, resets_injected = 0;
  std::array<uint64_t, 2> data_dropped{};
  uint64_t crossed = 0;  // packets seen at both points
  bool clean() const {
    return syns_dropped + syns_refused + resets_swallowed + resets_injected + data_dropped[0] + data_dropped[1] == 0;
  }
};

struct Simulation {
  PipelineInput input;
  std::vector<TruthOfConnection> truth;
  uint64_t packets = 0;         // sightings that the ports saw
  uint64_t sensor_dropped = 0;  // and that they lost on purpose
};

Simulation simulate(const SimulatorOptions& options);

}  // namespace parallax::test
