// The correlator: puts the legs of one connection together, judges handshakes, and keeps what is known.
//
// A stage, run by one thread at a time, and a store that others may question: the engine guards both with one lock, for leg
// events are rare compared with packets. Leg events of all workers are taken in one order, (order time, point, port, frame), and
// only once every worker has passed that time, so that ids and decisions do not depend on the number of workers.
#pragma once

#include <deque>
#include <map>
#include <queue>
#include <set>
#include <unordered_map>
#include <vector>

#include "analysis/connection/connection.h"
#include "analysis/correlate/pairing_index.h"
#include "analysis/detect/capture_judge.h"
#include "analysis/detect/handshake_judge.h"
#include "analysis/event/engine_links.h"
#include "analysis/finding/finding_store.h"
#include "analysis/model/engine_options.h"
#include "analysis/model/sensor_view.h"
#include "capture/core/outbox.h"
#include "capture/core/staging.h"

namespace parallax {

struct LegPlace {
  uint64_t connection_id = 0;  // 0: none
  size_t leg = 0;
};

class Correlator {
 public:
  Correlator(const EngineOptions& options, EngineLinks& links, SensorView& sensor, std::vector<KnownPairing> known);

  bool poll();
  bool finished() const { return finished_; }

  const std::map<uint64_t, Connection>& connections() const { return connections_; }
  const FindingStore& findings() const { return findings_; }
  const PairingIndex& pairing_index() const { return index_; }
  ConnectionRecord record_of(const Connection& connection) const;
  // Of each leg, its place in record_of(): from the client's side, then in order of opening.
  std::vector<uint32_t> leg_order(const Connection& connection) const;
  std::vector<DeviceRecord> devices() const;  // without what is counted by the workers: transit, losses
  // Connection and index of the leg; connection id 0: unknown (evicted).
  LegPlace place_of(uint64_t leg_id) const;

  struct Totals {
    uint64_t connections = 0, paired_connections = 0, connections_evicted = 0, claims_withheld = 0;
    std::array<uint64_t, kPointsMax> legs_opened{}, legs_paired{};
    std::array<std::array<uint64_t, 7>, kPointsMax> handshakes{};  // [point][Outcome]
    std::array<uint64_t, 11> pairings{};
    std::array<uint64_t, 6> resets{};
    uint64_t recognitions_refused = 0, messages_over = 0;  // no room in all; of one leg
    uint64_t pairs_refused = 0;                            // no room at the home: paired, but no fates
  };
  const Totals& totals() const { return totals_; }

 private:
  struct Timer {
    int64_t due_ns;
    uint64_t connection_id;
    bool operator>(const Timer& other) const {
      return std::tuple(due_ns, connection_id) > std::tuple(other.due_ns, other.connection_id);
    }
  };
  struct DeviceState {
    uint64_t connections = 0, resets = 0;
    bool rewrites = false;  // addresses or ports of some connection
    uint32_t changes = 0;
    DeviceKind kind = DeviceKind::unknown;
    std::map<std::pair<Endpoint, Endpoint>, uint64_t> address_map;
  };
  struct Opening {
    int64_t order_ns;
    uint64_t leg_id;
  };

  void take(const LegEvent& event);
  void take(const FateEvent& event);
  void take(const RecognitionEvent& event);
  void forget_recognised(const Connection& connection);
  bool take_next(int64_t horizon_ns);
  void open(const LegEvent& event);
  void update(LegState& leg, Connection& connection, const LegEvent& event);
  void note_attempt(LegState& leg, const LegEvent& event);
  void leg_over(LegState& leg, Connection& connection, const LegEvent& event);
  void fire_timers(int64_t before_ns);
  void schedule(Connection& connection);
  void judge(Connection& connection, int64_t now_ns, bool input_ended);
  void judge_capture();
  void observe(Observation observation);
  void finish();
  void evict_connections();

  // Pairing.
  void find_partner(Connection& connection, size_t leg_index, int64_t now_ns);
  bool may_pair(const LegState& leg, const LegState& other) const;
  struct Match {
    PairingMethod method = PairingMethod::none;
    double confidence = 0;
  };
  Match match(const LegState& leg, const LegState& other) const;
  bool known_to_pair(const LegState& a, const LegState& b) const;
  void pair(uint64_t leg_id, uint64_t other_id, const Match& match, uint32_t rivals, int64_t now_ns);
  void merge(uint64_t into_id, uint64_t from_id);
  void start_fates(Crossing& crossing, Connection& connection, int64_t now_ns);
  void settle_client_side(Connection& connection);
  bool has_rival(const Connection& connection, PointIndex point, int64_t from_ns, int64_t to_ns) const;

  PortDirection port_direction(PortIndex port) const { return sensor_.channels()[port]->info.direction; }
  const LegState* find_leg(uint64_t leg_id) const;

  const EngineOptions options_;
  EngineLinks& links_;
  SensorView& sensor_;
  const std::vector<KnownPairing> known_;
  std::vector<Staging<LegEvent>> staged_;
  std::vector<Staging<RecognitionEvent>> staged_recognitions_;
  size_t recognised_bytes_ = 0;
  std::vector<FateEvent> fates_;  // offline: worked off at the end, in order
  std::vector<Outbox<Command>> commands_;
  std::vector<std::vector<uint32_t>> free_pairs_;      // by home
  std::vector<std::vector<uint8_t>> pair_generation_;  // by home and pair
  std::map<uint64_t, Connection> connections_;
  std::deque<uint64_t> over_;                          // connections all of whose legs are over, oldest first
  std::unordered_map<uint64_t, LegPlace> places_;      // by LegId::value()
  std::unordered_map<uint64_t, uint64_t> pair_owner_;  // home << 32 | pair -> connection
  PairingIndex index_;
  std::array<std::deque<Opening>, kPointsMax> recent_openings_;
  // Handshakes that a server's end answered, as seen at the point.
  std::array<std::map<Endpoint, uint64_t>, kPointsMax> answered_;
  std::array<std::map<Address, uint8_t>, kPointsMax> server_ttl_;  // of the last SYN-ACK, by address
  std::map<Address, uint8_t> sides_;  // of addresses: bit 0 seen beyond the first point, bit 1 beyond the last
  std::array<std::set<Address>, kPointsMax>
      crossed_;                       // servers, as seen at the client's side, toward which connections have crossed
  std::vector<DeviceState> devices_;  // [outer point]
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::vector<Observation> observations_;  // offline: put into the store at the end, in order
  FindingStore findings_;
  HandshakeJudge judge_;
  CaptureJudge capture_judge_;
  Totals totals_;
  uint64_t next_connection_id_ = 1;
  int64_t now_ns_ = kBeforeAllNs;
  bool finished_ = false;
};

}  // namespace parallax
