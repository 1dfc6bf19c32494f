// A seeded simulator of two or three points with devices between them, which knows the truth.
//
// Clients and servers speak a small but honest TCP (handshake with retries, windows, cumulative acknowledgement, timeout and
// fast retransmission, FIN and RST closes) over a path that loses packets before the first and behind the last point, through
// devices that route, translate or rewrite sequence numbers, jitter, reorder and, where a connection is chosen for a fault, do
// wrong. What the sensor makes of it is disturbed on purpose (simulated_sensor.h).
// The same options give the same packets, on any machine.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/pipeline.h"

namespace parallax::test {

enum class Fault : uint8_t {
  none,
  syn_dropped,        // the device drops the first SYNs, or all
  refused_by_device,  // the device answers the SYN with a RST of its own
  refused_by_server,
  filtered_by_server,   // the server's host ignores the SYN
  data_dropped,         // the device drops data segments
  control_dropped,      // the device drops acknowledgements, or FINs
  untranslated,         // segments leave the NAT with the addresses that they entered with
  reset_not_forwarded,  // the device keeps a RST to itself
  reset_injected,       // the device resets the connection
};
inline constexpr size_t kFaults = static_cast<size_t>(Fault::reset_injected) + 1;
std::string_view name_of(Fault fault);
std::vector<Fault> all_faults();  // all but none

// What the sensor, or how it was set up, does to what passes its points.
enum class Disturbance : uint8_t {
  loss,          // ports lose packets now and then, and report it
  file_gap,      // a port's recording is of two files with a gap between them
  lag,           // a point has two parallel ports a direction, and one begins late, ends early, loses packets or is empty
  filter,        // the analysis has a BPF filter that hides packets
  cut_frames,    // a mirror cuts frames, with or without a word
  one_way,       // a mirror shows one direction only, for some time or always, without a word
  link_down,     // a port's link is down for some time, which is known
  clock_step,    // the clock of a point's files steps back, by more than what counts as disorder
  clock_offset,  // the clocks of the points differ
  late_start,    // the capture begins while connections are open
};
inline constexpr size_t kDisturbances = static_cast<size_t>(Disturbance::late_start) + 1;
std::string_view name_of(Disturbance disturbance);

struct SimulatorOptions {
  uint64_t seed = 1;
  size_t points = 2;
  int connections = 40;
  bool nat = true;        // one device (of two: one or both) rewrites client's address and port and server's address
  bool rewrites = false;  // one device rewrites sequence numbers
  std::set<Disturbance> disturbances{};
  double fault_share = 0.4;                  // of the connections
  std::vector<Fault> faults = all_faults();  // to choose from
  int64_t poll_gap_ns = 20'000;
  int64_t duration_ns = 3'000'000'000;  // within which connections are opened
  // So many different names (addresses and ports): a connection bears those of the one so many before it. 0: it has its own.
  int names = 0;
  uint32_t isn_mask = UINT32_MAX;  // initial sequence numbers have these bits alone
  uint32_t answer_bytes_max = 40'000;
  double drift_ppm = 0;  // of the clocks of all points but the first

  bool has(Disturbance disturbance) const { return disturbances.contains(disturbance); }
};
// A random world.
SimulatorOptions options_of(uint64_t seed);
std::string describe(const SimulatorOptions& options);

struct TruthOfConnection {
  using Ends = std::pair<Endpoint, Endpoint>;  // client, server

  // Something that the device did with a packet.
  struct Act {
    int64_t time_ns;
    Side from;
    bool toward_inside;
    PointIndex absent_at;
    uint64_t sighting;       // on the other side of the device
    bool needless = false;   // nobody went without it: its word had been brought before, or was soon after
    bool decidable = false;  // see decide() in simulator.cpp
  };
  // A packet that passed all points.
  struct Journey {
    Side from;
    bool opening;  // a SYN
    int64_t time_ns;
    std::vector<uint64_t> sightings;
  };

  int64_t opened_ns = 0;
  bool client_inside = false;
  std::vector<Ends> ends;  // by point
  Fault fault = Fault::none;
  PointIndex faulty_device = 0;  // its outer point
  std::optional<PointIndex> rewriter;
  PerSide<uint32_t> rewritten_by{};  // what the side sends
  bool client_has_ip_ids = true;
  std::array<uint64_t, kPointsMax> held_back{};  // packets that each device (by its outer point) may have let be overtaken
  bool established = false;
  // What the device really did to it.
  uint64_t syns_dropped = 0, syns_refused = 0, resets_swallowed = 0, resets_injected = 0, control_dropped = 0, untranslated = 0;
  PerSide<uint64_t> data_dropped{};
  std::vector<Act> acts;  // all of these
  std::vector<Journey> journeys;

  // It rewrites both names and sequence numbers, and IP IDs there are none.
  bool is_opaque(PointIndex device) const {
    return rewriter == device && ends[device] != ends[device + 1u] && !client_has_ip_ids;
  }
  const Ends& as_client_sees() const { return client_inside ? ends.back() : ends.front(); }
  bool clean() const { return acts.empty(); }
  bool decidable = false;                    // some act is
  PerSide<uint64_t> data_drops_decidable{};  // of data_dropped
  bool pairable = false;                     // its opening was shown at two neighbouring points
};

struct Simulation {
  PipelineInput input;
  std::vector<TruthOfConnection> truth;
  uint64_t packets = 0;         // sightings that passed the points
  uint64_t sensor_dropped = 0;  // and that ports lost on purpose, as they say
  // How far the clocks are off and drift apart, as the analysis has aligned them.
  int64_t clock_error_ns = 0;
  double drift_error_ppm = 0;
};

inline constexpr int64_t kSimulatorEpochNs = 1'700'000'000'000'000'000;  // times of the truth begin there

Simulation simulate(const SimulatorOptions& options);

}  // namespace parallax::test
