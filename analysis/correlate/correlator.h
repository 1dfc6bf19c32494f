// The correlator: takes what the workers tell in one order, and hands it to those who know what to do with it: the store of
// connections, the pairer, the homes of the pairs, the knowledge of the neighbourhood, the detectors.
//
// A stage, run by one thread at a time, and a store that others may question: the engine guards both with one lock, for leg
// events are rare compared with packets. Leg events of all workers are taken in one order, (order time, point, port, frame), and
// only once every worker has passed that time, so that ids and decisions do not depend on the number of workers.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "analysis/connection/connection_store.h"
#include "analysis/connection/knowledge.h"
#include "analysis/connection/quic_clients.h"
#include "analysis/connection/rival_openings.h"
#include "analysis/connection/successors.h"
#include "analysis/connection/tallies.h"
#include "analysis/correlate/access_log_join.h"
#include "analysis/correlate/message_pairer.h"
#include "analysis/correlate/pair_homes.h"
#include "analysis/correlate/pairer.h"
#include "analysis/correlate/proxy_transits.h"
#include "analysis/correlate/stream_pairer.h"
#include "analysis/correlate/turn_pairer.h"
#include "analysis/detect/detector_runner.h"
#include "analysis/event/engine_links.h"
#include "analysis/model/engine_options.h"
#include "analysis/model/sensor_view.h"
#include "capture/core/staging.h"

namespace parallax {

class Correlator {
 public:
  Correlator(const EngineOptions& options, EngineLinks& links, SensorView& sensor, std::vector<KnownPairing> known);

  bool poll();
  bool finished() const { return finished_; }

  // See Engine. Once filtered is for good: packets of before the filter went may be missing on one side.
  void reconfigure(std::shared_ptr<const DetectorSettings> detectors, bool filtered) {
    options_.filtered |= filtered;
    runner_.set(std::move(detectors));
  }
  const DetectorSettings& detector_settings() const { return runner_.settings(); }

  const ConnectionStore& store() const { return store_; }
  const Knowledge& knowledge() const { return knowledge_; }
  const FindingStore& findings() const { return runner_.findings(); }
  const CaptureTotals& capture() const { return runner_.capture(); }

  // Offline: connections that are forgotten by now, in the order of their ends, since it was last asked.
  std::vector<Connection> take_handed_over() { return std::exchange(handed_over_, {}); }

  // Live, with tells_ends: at most `limit` of those that have ended and are decided, each once. True: more are ready.
  using GiveEnded = std::function<void(const Connection&)>;
  bool take_ended(size_t limit, const GiveEnded& give);
  uint64_t tell_ends(bool tells) { return store_.tell_ends(tells); }
  uint64_t take_ends_not_kept() { return store_.ended().take_not_kept(); }

  const ProxyTransits& proxy_transits() const { return proxy_transits_; }
  const Tallies& tallies() const { return tallies_; }
  // A pair of that home whose fates are void.
  bool is_taken_back(size_t home, uint32_t pair) const { return homes_.is_taken_back(static_cast<uint8_t>(home), pair); }
  // Once finished, where there is an access log.
  const std::optional<AccessLogRecord>& access_log() const { return access_log_; }
  bool is_cleared(PortIndex port, uint32_t frame) const { return runner_.is_cleared(port, frame); }
  // Offline, once finished: what became of ICMP errors.
  std::vector<PacketNote> notes() const { return runner_.notes(); }
  uint64_t sources_forgotten() const { return runner_.sources_evicted(); }
  uint64_t datagram_sources_forgotten() const { return runner_.datagram_sources_evicted(); }
  uint64_t arp_stations_forgotten() const { return runner_.arp_stations_evicted(); }
  uint64_t held_segments_forgotten() const { return runner_.held_segments_evicted(); }
  uint64_t strangers_forgotten() const { return runner_.strangers_evicted(); }
  uint64_t far_sightings_forgotten() const { return runner_.far_sightings_evicted(); }
  uint64_t pairs_refused() const { return homes_.refused(); }
  uint64_t openings_forgotten() const {
    return pairer_.evicted() + message_pairer_.evicted() + turn_pairer_.evicted() + stream_pairer_.evicted() +
           services_.evicted() + openings_.evicted() + successors_.evicted() + quic_clients_.evicted();
  }

 private:
  bool take_next(int64_t horizon_ns);
  bool all_ends_are_known() const;
  bool is_decided(const Connection& connection, int64_t now_ns) const;
  void take(const LegEvent& event);
  void open(const LegEvent& event);
  void update(const LegPlace& place, const LegEvent& event);
  void leg_over(LegState& leg, Connection& connection, const LegEvent& event);
  void take(const RecognitionEvent& event);
  void take(const FateEvent& event);
  void add_opening(LegState& leg, const PacketFacts& packet, uint32_t isn);
  void find_partners(uint64_t leg_id, uint8_t trigger, int64_t now_ns);
  void take_quic(const RecognitionEvent& event);
  void take_sighted(uint64_t leg_id, const PacketFacts& packet);
  void raise_what_passes(uint64_t leg_id, int64_t now_ns);
  void raise(Connection& connection, Crossing& crossing, const Pairer::Match& match, int64_t now_ns);
  void share_no_more(uint64_t leg_id, PointIndex point, std::vector<uint64_t>& freed);
  void follow(Crossing& crossing, const Connection& connection, int64_t now_ns);
  void seek_partners(uint64_t leg_id, uint8_t trigger, int64_t now_ns);
  void pair(uint64_t leg_id, const Pairer::Match& match, int64_t now_ns);
  void pair_by_turns(const TurnPairer::Match& match, int64_t now_ns);
  void pair_by_streams(uint64_t leg_id, const LegEvent& event);
  void pair_by_message(const MessagePairer::Match& match, int64_t now_ns);
  void free_toward(uint64_t leg_id, PointIndex point, int64_t now_ns, std::vector<uint64_t>& freed);
  void take_back_what_names_another(const RecognitionEvent& event);
  void take_back(Connection& connection, size_t crossing, int64_t now_ns);
  void settle_again(uint64_t leg_id, PointIndex lost);
  void hand_over();
  bool take_back_what_never_matched();
  void join_access_log();
  bool pair_by_log(AccessLogJoin& log, const AccessLogJoin::ClientLeg& match);
  bool can_be_followed(const Connection& connection, const Crossing& crossing) const;
  bool is_spread(const LegState& client_side, const LegState& server_side) const;
  void follow_no_more(Connection& connection, Crossing& crossing, int64_t now_ns);
  void follow_no_more_what_is_spread(const LegState& leg, int64_t now_ns);
  void settle_client_side(Connection& connection) const;
  void finish_some();

  EngineOptions options_;
  EngineLinks& links_;
  SensorView& sensor_;
  std::vector<Staging<LegEvent>> staged_;
  std::vector<bool> told_all_;  // by worker: nothing comes of its legs beyond what is staged
  std::vector<Staging<RecognitionEvent>> staged_recognitions_;
  ConnectionStore store_;
  Knowledge knowledge_;
  RivalOpenings openings_;
  Successors successors_;
  QuicClients quic_clients_;
  Pairer pairer_;
  PassageModels services_;
  MessagePairer message_pairer_;
  TurnPairer turn_pairer_;
  StreamPairer stream_pairer_;
  ProxyTransits proxy_transits_;
  PairHomes homes_;
  Tallies tallies_;
  DetectorRunner runner_;
  std::vector<Connection> handed_over_;
  int64_t now_ns_ = kTimeMin;
  uint64_t matched_id_ = 0;  // at the end: connections up to it have been looked at for pairs that never matched
  std::optional<AccessLogRecord> access_log_;
  bool finished_ = false;
};

}  // namespace parallax
