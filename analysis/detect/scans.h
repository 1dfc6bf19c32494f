// Scans: which tries in vain are told as of one, by one source or by many, and which connections that makes tries of a scan. What
// is told so is told neither as a refusal or a silence as well, nor as of two scans.
//
// The correlator's, one thread; its parts are bounded.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/connection/connection_store.h"
#include "analysis/connection/knowledge.h"
#include "analysis/detect/closed_ports.h"
#include "analysis/detect/detector.h"
#include "analysis/detect/source_tries.h"

namespace parallax {

class Scans {
 public:
  Scans(ConnectionStore& store, const Knowledge& knowledge) : store_(store), knowledge_(knowledge) {}

  // The service has accepted a connection of the source.
  void served(const Address& source, const Endpoint& service) { closed_ports_.served(source, service); }
  // Appends to `told` what the tries make of them. Returns the connections whose tries are a scan's from now on: what was told of
  // their failing does not stand.
  std::vector<Connection*> take(std::vector<Verdicts::Try>& tried, const Thresholds& thresholds, std::vector<Observation>& told);
  // Whether the scan tells it, and is one still: its port may have accepted somebody since, or its source gone on trying.
  bool tells(const Observation& observation) const;

  uint64_t evicted() const { return source_tries_.evicted() + closed_ports_.evicted(); }

 private:
  void take(Verdicts::Try tried, const Thresholds& thresholds, std::vector<Observation>& told);
  Connection* note(uint64_t leg_id, ScanBy by);

  ConnectionStore& store_;
  const Knowledge& knowledge_;
  SourceTries source_tries_;
  ClosedPorts closed_ports_;
};

// One of these is told of an opening that failed, at most.
bool is_of_failed_opening(FindingKind kind);

}  // namespace parallax
