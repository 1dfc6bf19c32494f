// One TCP connection of the simulator: both ends, the path between them, and what the device does to it.
//
// Belongs to the simulator, which owns time and the ports. Sequence numbers are kept relative: 0 is the SYN.
#pragma once

#include <array>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "tests/support/random.h"
#include "tests/support/simulator.h"

namespace parallax::test {

// What a connection sees of the world: the time, the future, and the points.
class Network {
 public:
  virtual ~Network() = default;
  virtual int64_t now_ns() const = 0;
  virtual void at(int64_t time_ns, std::function<void()> action) = 0;
  virtual void seen(PointIndex point, bool toward_inside, Frame frame) = 0;
};

class SimulatedConnection {
 public:
  // Both outlive the connection.
  SimulatedConnection(Network& network, TruthOfConnection& truth, uint64_t seed);
  void open();

 private:
  enum class Side : uint8_t { client, server };
  static Side other(Side side) { return side == Side::client ? Side::server : Side::client; }
  static size_t index(Side side) { return static_cast<size_t>(side); }

  enum class CloseMode : uint8_t {
    fin_by_client,
    fin_by_server,
    fin_answered_by_reset,
    reset_by_client,
    reset_by_server,
    stays_open
  };
  enum class State : uint8_t { closed, syn_sent, syn_received, established, dead };

  struct Segment {
    Side from;
    uint8_t flags;
    uint32_t seq, ack, length;
    uint16_t ip_id;
    uint8_t ttl;  // at the first point that it reaches
  };

  struct End {
    State state = State::closed;
    uint32_t isn = 0;
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
    int64_t delay_ns = 0;                   // to its point
    std::array<int64_t, 3> line_free_ns{};  // keeps the order on the way to the point, through the device, and from it
    bool is(State s) const { return state == s; }
  };

  End& end(Side side) { return ends_[index(side)]; }

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

  // The path and the device.
  void travel(Segment segment);
  void device(Segment segment);
  void leave_device(const Segment& segment, bool own);
  void inject_resets();
  bool device_drops(const Segment& segment);
  PointIndex near_point(Side from) const;
  void sight(PointIndex point, const Segment& segment, uint8_t ttl);
  int64_t in_line(int64_t& line_free_ns, int64_t time_ns);

  Network& network_;
  TruthOfConnection& truth_;
  Random random_;
  std::array<End, 2> ends_;
  std::vector<std::pair<Side, uint32_t>> turns_;
  size_t turn_ = 0;
  CloseMode close_mode_ = CloseMode::fin_by_client;
  // The device's plan.
  uint64_t syns_to_drop_ = 0;
  std::array<uint64_t, 2> data_seen_{};
  std::array<std::set<uint64_t>, 2> data_to_drop_;  // by their number, counting every data segment of a direction
  uint64_t data_until_reset_ = 0;
  std::array<uint32_t, 2> highest_seen_{};  // end of what the device saw of each direction
};

}  // namespace parallax::test
