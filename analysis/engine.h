// The engine: from sightings in port channels to connections and findings. The same for live ports and for files.
//
// Owns the analysis workers and the correlator, but no thread: the owner runs the stages (capture/core/pollable.h) on threads
// of its choosing, one thread a stage or several stages a thread. Queries may come from any thread at any time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "analysis/model/engine_counters.h"
#include "analysis/model/engine_options.h"
#include "analysis/model/finding_watch.h"
#include "analysis/model/model.h"
#include "capture/core/pollable.h"
#include "capture/core/port.h"

namespace parallax {

class Engine {
 public:
  // `channels` outlive the engine; their index is the PortIndex of the sightings in them.
  Engine(EngineOptions options, std::vector<PortChannel*> channels, std::vector<KnownPairing> known = {});
  ~Engine();

  // One stage for each analysis worker, and the correlator. Each is to be polled by one thread at a time.
  std::vector<Pollable*> workers();
  Pollable& correlator();
  bool finished() const;  // all channels ended and everything has been processed

  // What detectors tell from now on, and whether a filter keeps packets from the engine; what has been told stays. Any thread.
  void reconfigure(std::shared_ptr<const DetectorSettings> detectors, bool filtered);

  // Queries; thread-safe, each record a consistent copy. Sorted by id, those above `after_id`, at most `limit`. The correlator
  // does not wait for a whole list.
  std::vector<ConnectionRecord> connections(uint64_t after_id, size_t limit) const;
  // Offline, with hand_over_after_ns: those that have been forgotten since it was last asked; connections() is without them. In
  // the order of their ends.
  std::vector<ConnectionRecord> take_handed_over();
  // Live, with tells_ends: connections that have ended and of which all is decided, since it was last asked; for one who takes
  // them all. What was forgotten before it had ended, or before it was taken, is told, too, as it was then, as far as there is
  // room.
  EndedConnections take_ended(size_t limit);
  // Live: begins or ends that, for connections that end from now on. How many that had ended and were not taken are dropped.
  uint64_t tell_ends(bool tells);
  std::vector<FindingRecord> findings(uint64_t after_id, size_t limit) const;
  // A watch begins: of the findings known so far and each change, or of what is new from now on.
  FindingWatch watch_findings(Severity minimum, bool new_only) const;
  // What has changed since the watcher last asked, in the order of the changes: the newest state of each.
  std::vector<FindingChange> finding_changes(FindingWatch& watch, size_t limit) const;
  std::vector<DeviceRecord> devices() const;
  std::vector<PointRecord> points() const;
  SummaryRecord summary() const;
  // Only with record_packets and once finished(): sorted by (order_ns, point, port, frame). `go_on` is asked now and then; where
  // it says no there are none.
  std::vector<PacketRecord> packets(const std::function<bool()>& go_on = [] { return true; }) const;

  // The ids that the next finding and the next connection are given.
  struct NextIds {
    uint64_t finding, connection;
  };
  NextIds next_ids() const;

  // For metrics: sums over the workers' counter blocks, without stopping them.
  EngineCounters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parallax
