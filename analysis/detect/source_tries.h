// What sources have tried in vain lately: what is told only of a source that has tried many hosts and ports.
//
// Kept of a source until then: tries each at a host and at a port that none of the others has. Many of these are many hosts and
// many ports; a client of one service and a resolver leave one. So do the many ports of one host, of which SYNs are kept apart:
// these are a scan where some of the ports belong to services, and not all of them to data connections (passive FTP, RPC).
// The correlator's, one thread; bounded, the source that was longest quiet goes first, counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "analysis/finding/observation.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/lru_table.h"
#include "analysis/model/thresholds.h"

namespace parallax {

class SourceTries {
 public:
  static constexpr size_t kSourcesMax = 1 << 11;

  static constexpr size_t kPassedMax = 256;
  static constexpr size_t kLowPortsLeast = 4;
  static constexpr uint16_t kLowPorts = 1024;

  enum class End : uint8_t { answered, in_vain, syn_in_vain };
  // A try of the source at the service. Appends to `out` what is to be told now: those before, too, where this is one too many.
  // What has been told goes on until a silence of fan_out_within.
  void take(Observation tried, End end, const Thresholds& thresholds, std::vector<Observation>& out);
  // Whether it is told, and looks for what there is: a client that finds some of its servers down does not.
  bool is_scan(const Address& source) const {
    const Source* found = sources_.find(source);
    return found != nullptr && found->is_told && found->is_scan;
  }

  // Legs of SYNs that were passed over, of sources that have come to be told since the last call.
  std::vector<uint64_t> take_passed_legs() { return std::exchange(passed_legs_, {}); }

  uint64_t evicted() const { return sources_.evicted(); }

 private:
  struct Source {
    int64_t since_ns = 0;  // the first try; once told, the last one
    uint64_t answered = 0, in_vain = 0;
    uint64_t passed_over = 0;  // of those in vain: not kept
    bool is_told = false, is_scan = false;
    std::vector<uint64_t> passed_legs{};    // of those passed over: the first kPassedMax SYNs' legs
    std::vector<Observation> kept{};        // until told
    std::vector<Observation> kept_ports{};  // until told: of the others, SYNs each to another port
    size_t low_ports() const;
  };
  static bool keeps(Source& source, Observation& tried, End end, const Thresholds& thresholds);

  LruTable<Address, Source, KeyedHashOf<Address>> sources_{kSourcesMax};
  std::vector<uint64_t> passed_legs_;
};

}  // namespace parallax
