// Finds the leg beyond a proxy by timing and sizes alone, where nothing else is left: TLS on one side, or other TLS on both.
//
// One thread. An exchange is a request and the response to it. A proxy passes a request on soon after it came, and the response
// soon after that came back, so that its exchange with the server lies within the client's. For each leg on the client's side the
// evidence adds up, exchange by exchange, over the legs on the server's side whose exchanges lie within: how likely this service
// is to take so long either way and to change the sizes so, against what a stranger's exchange would look like there at that
// rate, and against the clients whose requests wait at the same time. Settled is what is clear: of three exchanges far more is
// than of one.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "analysis/connection/connection_store.h"
#include "analysis/correlate/passage_model.h"

namespace parallax {

class TurnPairer {
 public:
  static constexpr size_t kExchangesMax = 1 << 16;  // of a point, the newest
  static constexpr size_t kLookedAtMax = 128;       // of them, for one exchange of a client
  static constexpr uint32_t kTurnsMax = 8;          // of a leg: it has been found by then
  static constexpr size_t kCandidatesMax = 16;      // of a leg, the most likely
  static constexpr int64_t kWindowNs = 30'000'000'000;

  struct Match {
    uint64_t leg_id = 0;  // on the server's side; 0: none that is clear
    double confidence = 0;
    uint32_t rivals = 0;
    bool keeps_packets = false;  // the requests bear the same sequence numbers: they are the same segments, under other names
  };

  TurnPairer(const ConnectionStore& store, PassageModels& services) : store_(store), services_(services) {}

  // A message of the leg begins. If it is a response on the client's side, and with it a leg on the server's side has become
  // clear, that is it. REQUIRES: messages come in order of time.
  Match take(const LegState& leg, const LegEvent& event, size_t points);
  void forget(uint64_t leg_id) { legs_.erase(leg_id); }

  uint64_t evicted() const { return evicted_; }

 private:
  struct Exchange {
    uint64_t leg_id;
    int64_t request_ns, response_ns;
    uint32_t request_bytes;  // of its first segment
    uint32_t request_seq;    // the same
    int64_t uncertainty_ns;  // of both stamps
    bool first;              // of the leg
  };
  struct Candidate {
    uint64_t leg_id;
    double evidence;         // logarithm of the likelihood ratio against a stranger, so far
    uint32_t exchanges = 0;  // that it had where the client had one
    uint32_t same = 0;       // of these: with the same sequence number
  };
  struct Leg {
    std::optional<int64_t> request_ns;
    uint32_t request_uncertainty_ns = 0;
    uint32_t request_bytes = 0, request_seq = 0;
    uint32_t exchanges = 0;
    bool has_partner = false;           // one has become clear, told or not
    std::vector<Candidate> candidates;  // where it is on the client's side: the most likely first
  };
  // Of a point: its exchanges in order of their responses, and requests that wait, in order of time.
  struct Point {
    std::deque<Exchange> exchanges;
    std::deque<std::pair<int64_t, uint64_t>> waiting;  // of legs; answered ones are skipped
  };
  struct Within {
    std::vector<Exchange> exchanges;
    double rate = 1;  // of free legs' exchanges there, a second
  };
  static bool is_free(const LegState& client, const LegState& beyond);
  Within within(const LegState& client, const Exchange& own, const Point& servers) const;
  Match find(Leg& known, const LegState& leg, const Exchange& own, const Connection& connection, size_t points);
  void learn_from(const LegState& client, const Exchange& own, PointIndex server_point, uint64_t partner);
  void weigh(Leg& leg, const LegState& state, const Exchange& own, PointIndex server_point);
  static double likelihood(const PassageModel& model, const Exchange& own, const Exchange& inner, const Endpoint& server);
  double others_waiting(const Point& clients, const PassageModel& model, const Exchange& own, const Exchange& inner) const;
  static Match settle(const Leg& leg);
  static void expire(Point& point, int64_t now_ns);

  const ConnectionStore& store_;
  std::array<Point, kPointsMax> points_;
  std::unordered_map<uint64_t, Leg, KeyedHashOf<uint64_t>> legs_;
  PassageModels& services_;
  uint64_t evicted_ = 0;
};

}  // namespace parallax
