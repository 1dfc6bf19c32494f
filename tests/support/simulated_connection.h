// One TCP connection of the simulator: both of its ends, and the path between them.
//
// Belongs to the simulator, which owns time and the points. Sequence numbers are kept relative: 0 is the SYN.
#pragma once

#include <array>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "tests/support/random.h"
#include "tests/support/simulated_path.h"
#include "tests/support/simulator.h"

namespace parallax::test {

class SimulatedConnection {
 public:
  // Both outlive the connection.
  SimulatedConnection(Network& network, TruthOfConnection& truth, const SimulatorOptions& options, uint64_t seed);
  void open();

 private:
  enum class CloseMode : uint8_t {
    fin_by_client,
    fin_by_server,
    fin_answered_by_reset,
    reset_by_client,
    reset_by_server,
    stays_open
  };
  enum class State : uint8_t { closed, syn_sent, syn_received, established, dead };

  struct End {
    State state = State::closed;
    uint32_t unacked = 0, next = 0;  // sent and not acknowledged is [unacked, next)
    uint32_t limit = 1;              // what the application has given ends here
    bool fin_wanted = false, fin_sent = false, fin_received = false;
    uint32_t received = 0;  // in order, up to here
    std::set<std::pair<uint32_t, uint32_t>> out_of_order;
    uint32_t recover = 0;  // until here, a partial acknowledgement retransmits (RFC 6582)
    int duplicate_acks = 0, retries = 0;
    uint64_t timer = 0;  // the newest; older ones do nothing
    uint16_t ip_id = 0;
    bool zero_ip_id = false;
    uint8_t ttl = 64;
    bool is(State s) const { return state == s; }
  };

  End& end(Side side) { return ends_[side]; }

  // The ends.
  void send_syn(int attempt);
  void send_what_may_go(Side side);
  void retransmit(Side side);
  void start_timer(Side side);
  void on_timer(Side side, uint64_t timer);
  void receive(Side side, const Segment& segment);
  void receive_ack(Side side, uint32_t ack, bool pure);
  bool receive_data(Side side, const Segment& segment);
  void reset(Side side);
  void next_turn();
  void turn_received(Side receiver);
  void close();
  void send(Side side, uint8_t flags, uint32_t seq, uint32_t length = 0);
  void send_alone(Side side, uint32_t seq, std::optional<PointIndex> named);

  Network& network_;
  TruthOfConnection& truth_;
  Random random_;
  PerSide<End> ends_;
  std::vector<std::pair<Side, uint32_t>> turns_;
  size_t turn_ = 0;
  CloseMode close_mode_ = CloseMode::fin_by_client;
  SimulatedPath path_;
};

}  // namespace parallax::test
