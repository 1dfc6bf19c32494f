// Asks the detectors when their triggers fire, and puts what they say into the store of findings.
//
// The correlator's, one thread. Live an observation is stored as it comes, that of a fate once every worker has passed the time
// of its decision: only then is known whether the packet is a stranger's. Offline all are kept until the input has ended and then
// stored in one order, by packet time, so that ids do not depend on the number of workers.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <vector>

#include "analysis/connection/connection_store.h"
#include "analysis/connection/far_sightings.h"
#include "analysis/connection/knowledge.h"
#include "analysis/connection/one_way_points.h"
#include "analysis/connection/rival_openings.h"
#include "analysis/connection/stranger_index.h"
#include "analysis/connection/stray_icmp_errors.h"
#include "analysis/connection/tallies.h"
#include "analysis/detect/arp_bursts.h"
#include "analysis/detect/capture_totals.h"
#include "analysis/detect/datagram_floods.h"
#include "analysis/detect/detector.h"
#include "analysis/detect/held_segments.h"
#include "analysis/detect/icmp_notes.h"
#include "analysis/detect/look_rows.h"
#include "analysis/detect/opened_from.h"
#include "analysis/detect/refusal_notes.h"
#include "analysis/detect/reply_sources.h"
#include "analysis/detect/rhythms.h"
#include "analysis/detect/scans.h"
#include "analysis/detect/service_loads.h"
#include "analysis/detect/service_silence.h"
#include "analysis/detect/source_drops.h"
#include "analysis/detect/timers.h"
#include "analysis/finding/finding_store.h"
#include "analysis/model/engine_options.h"
#include "analysis/model/sensor_view.h"

namespace parallax {

class DetectorRunner {
 public:
  // Finds the connection that a fate speaks of, wherever it has gone; null: it is gone.
  using FateOwner = std::function<Connection*(const FateEvent&)>;

  DetectorRunner(const EngineOptions& options, const SensorView& sensor, ConnectionStore& store, Knowledge& knowledge,
                 const RivalOpenings& openings, Tallies& tallies, FateOwner owner);

  const DetectorSettings& settings() const { return *settings_; }
  // From now on; what is told stays.
  void set(std::shared_ptr<const DetectorSettings> settings);

  // Something happened to the connection: its opening may have to be looked at, now or later. `settles`: something that may be
  // told at once, where a look is only due later.
  void schedule(Connection& connection, bool settles = false);
  // Looks at the next connection whose time comes before `before_ns`; false: there is none.
  bool fire_next(int64_t before_ns);
  void take_fate(const FateEvent& event);
  // The pairing is about to be taken back: withdraws what was told of the connection on it. Its legs are looked at anew.
  void take_back(Connection& connection, const Crossing& crossing);
  // Offline: looks at a connection that is over as at the end of the input. Whether something of it remains to be told then.
  bool has_more_to_tell(Connection& connection, int64_t now_ns);
  // A packet of a leg met in midstream, and the end of any leg: see StrangerIndex.
  void take_stranger(const LegEvent& event) { strangers_.add(event); }
  void take_stranger_end(const LegEvent& event) { strangers_.end(event); }
  // The first packet of a leg; a request for an address.
  void take_opened(const LegEvent& event) { replies_.add(event); }
  void take_arp_request(const LegEvent& event);
  void take_stray_icmp_error(const LegEvent& event) { stray_icmp_errors_.add(event); }
  // What has crossed a device in a tick.
  void take_passage(const PassageCount& count) {
    if (!options_.offline) capture_.stamp_order().add(count);  // the clocks of files are compared before
  }
  // A RST has refused a SYN of the leg.
  void take_refusal(const LegState& leg, const PacketFacts& rst) {
    if (options_.record_packets) refusal_notes_.add(leg, rst);
  }
  // What the capture did to a leg since its last report. REQUIRES: the leg has not taken the event's summary yet.
  void take_report(const LegState& leg, Connection& connection, const LegEvent& event);
  // The leg is over: how its opening ended, and what became of the ICMP errors about it.
  void take_end(LegState& leg, const Connection& connection);
  // The input has ended; `last_ns` is the last time that a port covers. A part of what is left to do, of a few milliseconds: a
  // large input leaves much, and its result may no longer be wanted. True: all is done.
  bool finish_some(int64_t last_ns);

  const FindingStore& findings() const { return findings_; }
  const CaptureTotals& capture() const { return capture_; }
  // Offline: the packet of that port and frame was neither lost nor made by a device, whatever its home has noted.
  bool is_cleared(PortIndex port, uint32_t frame) const { return missed_.contains({port, frame}); }
  // Once the input has ended.
  std::vector<PacketNote> notes() const {
    std::vector<PacketNote> notes = icmp_notes_.of(store_);
    const std::vector<PacketNote> refusals = refusal_notes_.of(store_, findings_);
    notes.insert(notes.end(), refusals.begin(), refusals.end());
    return notes;
  }
  uint64_t datagram_sources_evicted() const {
    return replies_.evicted() + service_silence_.evicted() + datagram_floods_.evicted();
  }
  uint64_t arp_stations_evicted() const { return arp_bursts_.evicted(); }
  uint64_t held_segments_evicted() const { return held_segments_.evicted(); }
  uint64_t sources_evicted() const {
    return scans_.evicted() + source_drops_.evicted() + service_loads_.evicted() + rhythms_.evicted();
  }
  uint64_t strangers_evicted() const { return strangers_.evicted(); }
  uint64_t far_sightings_evicted() const { return far_sightings_.evicted(); }

 private:
  struct HeldFate {
    FateEvent event;
    uint64_t leg_id;  // of its connection
  };
  static constexpr size_t kFatesHeldMax = 1 << 14;
  // Live, on a path of three points or more: until the home of the neighbouring pair has looked at it, once in 5 s, and told.
  static constexpr int64_t kNeighbourTellsNs = 6'000'000'000;
  // Time, point, port and frame of the packet; where it was not seen.
  using FateOrder = std::tuple<int64_t, PointIndex, PortIndex, uint32_t, PointIndex, FateEventType>;
  enum class Ending : uint8_t { timers, looks, observations, fates, aftermath, done };
  static constexpr size_t kEndedAtOnce = 384;
  bool end_next(int64_t last_ns);
  Connection* next_connection();
  void release_fates(int64_t before_ns);
  void close_findings(int64_t before_ns);
  void tell_fate(Connection& connection, FateEvent event);
  const Crossing* crossing_of(const Connection& connection, const FateEvent& event) const;
  bool crosses_several(const Connection& connection) const;
  void note_far_sighting(const Connection& connection, const FateEvent& event);
  bool was_seen_beyond(const Connection& connection, const FateEvent& event);
  bool is_leak(const Crossing& crossing, const Connection& connection) const;
  Doubt doubt_of(const Connection& connection, const FateEvent& event);
  void clear(Connection& connection, const FateEvent& event);
  bool is_unreadable(PointIndex point) const;
  void doubt_blind_points(Observation& observation) const;
  DetectorView view(int64_t now_ns, bool input_ended) const;
  struct Due {
    int64_t ns = kTimeMax;
    size_t count = 0;
    std::array<const Detector*, LookRows::kRowsMax> rows;  // so many
  };
  Due due_of(const Connection& connection) const;
  void settle_side(Connection& connection) const;
  void look_last(Connection& connection, int64_t now_ns);
  void sum_up();
  void take(Verdicts& verdicts);
  void tell_as_scan(Connection& connection, const std::vector<Observation>& told);
  void note_explained(const Observation& cause);
  void charge_cause(const Observation& consequence);
  void take_over_what_waits();
  template <typename Which>
  void withdraw(Connection& connection, Which&& which);
  void store(Observation observation);
  Severity severity_of(const Observation& observation) const;

  const EngineOptions& options_;
  std::shared_ptr<const DetectorSettings> settings_;
  std::vector<const Detector*> asked_;  // in the table's order
  ForBoth<Protocol, LookRows> looking_;
  const SensorView& sensor_;
  ConnectionStore& store_;
  Knowledge& knowledge_;
  const RivalOpenings& openings_;
  Tallies& tallies_;
  const FateOwner owner_;
  CaptureTotals capture_;
  FindingStore findings_;
  Timers timers_;
  // Offline: in the order in which they are stored at the end.
  std::multimap<std::tuple<int64_t, uint64_t, FindingKind>, Observation> waiting_;
  std::multimap<FateOrder, FateEvent> fates_;
  std::multimap<int64_t, HeldFate> held_fates_;  // live, by the time of their decision
  StrangerIndex strangers_;
  StrayIcmpErrors stray_icmp_errors_;
  FarSightings far_sightings_;
  OneWayPoints one_way_points_;
  Scans scans_;
  HeldSegments held_segments_;
  ReplySources replies_;
  ServiceSilence service_silence_;
  DatagramFloods datagram_floods_;
  ArpBursts arp_bursts_;
  SourceDrops source_drops_;
  ServiceLoads service_loads_;
  Rhythms rhythms_;
  OpenedFrom opened_from_;
  IcmpNotes icmp_notes_;
  RefusalNotes refusal_notes_;
  std::set<std::pair<PortIndex, uint32_t>> missed_;  // offline: packets, by port and frame, that a home has wrongly decided on
  // Live, in packet time: what is summed up is told so often.
  static constexpr int64_t kSumUpEveryNs = 250'000'000;
  // Live a look that is due later than that is brought forward by what settles something.
  static constexpr int64_t kSoonNs = 1'000'000'000;
  int64_t next_sum_ns_ = kTimeMin;
  int64_t fired_before_ns_ = kTimeMin;
  int64_t now_ns_ = kTimeMin;
  bool finished_ = false, fates_told_;
  Ending ending_ = Ending::timers;
  uint64_t ended_id_ = 0;  // connections up to it have had their turn
};

}  // namespace parallax
