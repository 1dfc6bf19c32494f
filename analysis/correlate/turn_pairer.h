// Finds the leg beyond a proxy by timing and sizes alone, where nothing else is left: TLS on one side, or other TLS on both.
//
// One thread. An exchange is a request and the response to it. A proxy passes a request on soon after it came, and the response
// soon after that came back, so that its exchange with the server lies within the client's. For each leg on the client's side the
// evidence adds up, exchange by exchange, over the legs on the server's side whose exchanges lie within: how likely this service
// is to take so long either way and to change the sizes so, against what a stranger's exchange would look like there at that
// rate, and against the clients whose requests wait at the same time. Settled is what is clear: of three exchanges far more is
// than of one.
//
// A proxy that keeps a pool of connections to its servers sends each request over any of them: there one exchange must do,
// against all the others that lie within the client's, of whatever leg. What is known to be another's message is none of them,
// and where both sides show what they ask for, it must be the same.
//
// On a connection that is multiplexed (HTTP/2) requests and responses overlap, and beside them go frames that are neither. There
// each exchange beyond is asked whether it lies between something that the client has written and the next that is written to it.
#pragma once

#include <absl/container/node_hash_map.h>

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "analysis/connection/connection_store.h"
#include "analysis/correlate/passage_model.h"

namespace parallax {

class TurnPairer {
 public:
  static constexpr size_t kExchangesMax = 1 << 16;  // of a point, the newest
  static constexpr size_t kLookedAtMax = 128;       // of them, for one exchange of a client
  static constexpr uint32_t kTurnsMax = 8;          // of a leg that has a partner of its own: enough has been learned of it
  static constexpr size_t kWrittenMax = 32;
  static constexpr size_t kCandidatesMax = 16;  // of a leg, the most likely
  static constexpr int64_t kWindowNs = 30'000'000'000;

  struct Match {
    uint64_t client_leg_id = 0;
    uint64_t leg_id = 0;  // on the server's side; 0: none that is clear
    double confidence = 0;
    uint32_t rivals = 0;
    bool keeps_packets = false;  // the requests bear the same sequence numbers: they are the same segments, under other names
    bool is_shared = false;      // the leg carries others' messages, too
    bool asks_the_same = false;  // not timing alone: both sides show the same request
  };

  TurnPairer(const ConnectionStore& store, PassageModels& services)
      : store_(store), services_(services), held_(PassageModels::kServicesMax) {}

  // A message of the leg begins. If it is a response on the client's side, and with it a leg on the server's side has become
  // clear, that is it. REQUIRES: messages come in order of time.
  Match take(const LegState& leg, const LegEvent& event, size_t points);
  // The same of a leg that is multiplexed, of anything that either side writes. There may be several, each of a request of its
  // own.
  std::vector<Match> take_written(const LegState& leg, const LegEvent& event, size_t points);
  // What had become clear before it was seen that the service's connections go on, where the last call has shown that they do.
  std::vector<Match> take_released() { return std::exchange(released_, {}); }
  // What the leg's message that goes on asks for; `for_one`: it names the client, by whom alone it is found. Goes after the
  // take() of its first packet.
  void asks(uint64_t leg_id, uint64_t what, bool for_one);
  // The request that waits on the client's leg has been found beyond the proxy, as that of the other.
  void explain(uint64_t client_id, uint64_t beyond_id);
  void forget(uint64_t leg_id) { legs_.erase(leg_id); }

  uint64_t evicted() const { return evicted_ + held_.evicted(); }

 private:
  static constexpr size_t kHeldMax = 64;            // of a service: some 48 clients come before, where one in four has a partner
  static constexpr uint64_t kNamed = ~uint64_t{0};  // in place of whose leg: it is looked for by its client's name
  struct Exchange {
    uint64_t leg_id;
    int64_t request_ns, response_ns;
    uint32_t request_bytes;  // of its first segment
    uint32_t request_seq;    // the same
    uint64_t asks;           // what for; 0: not known
    int64_t uncertainty_ns;  // of both stamps
    bool first;              // of the leg
    uint64_t whose;          // the leg nearer to the client whose exchange it is, too; 0: not known
    uint64_t goes_on_as;     // the leg beyond the proxy, likewise
  };
  // What the client of a leg that is multiplexed has written at once.
  struct Written {
    int64_t order_ns;
    uint32_t bytes, uncertainty_ns;
    uint32_t passed_on;  // exchanges beyond that were found to be of it
  };
  struct Candidate {
    uint64_t leg_id;
    double evidence;         // logarithm of the likelihood ratio against a stranger, so far
    uint32_t exchanges = 0;  // that it had where the client had one
    uint32_t same = 0;       // of these: with the same sequence number
    uint32_t asks_the_same = 0;
  };
  struct Leg {
    std::optional<int64_t> request_ns;
    uint32_t request_uncertainty_ns = 0;
    uint32_t request_bytes = 0, request_seq = 0;
    uint32_t exchanges = 0;
    uint64_t asks = 0;                   // the request that waits
    uint64_t whose = 0, goes_on_as = 0;  // see Exchange
    bool has_partner = false;            // one has become clear, told or not
    std::deque<Written> written;         // where it is multiplexed: the newest kWrittenMax
    int64_t answered_ns = kTimeMin;      // the same: when something was last written to the client
    bool is_multiplexed = false;
    std::vector<Candidate> candidates;  // where it is on the client's side: the most likely first
  };
  // Of a point: its exchanges in order of their responses, and requests that wait, in order of time.
  struct Point {
    std::deque<Exchange> exchanges;
    std::deque<std::pair<int64_t, uint64_t>> waiting;  // of legs; answered ones are skipped, and most of them struck out: 0
    void strike_out(int64_t request_ns, uint64_t leg_id);
  };
  struct Within {
    std::vector<Exchange> exchanges;  // of free legs and the client's own, one each
    std::vector<Exchange*> pooled;    // of others: each by itself
    double rate = 1;                  // of free legs' exchanges there, a second
    double pooled_rate = 1;           // of all whose client is not known
  };
  struct Pool {
    std::vector<double> ratios;  // of likelihoods against a stranger
    double sum = 0;
    Exchange* best = nullptr;
    double best_ratio = 0;
  };
  static bool is_free(const LegState& client, const LegState& beyond);
  static bool is_like(const Exchange& own, const Exchange& inner);
  static bool lies_within(const Exchange& own, const Exchange& inner);
  static void add_as_one(std::vector<Exchange>& exchanges, const Exchange& inner);
  Within within(const LegState& client, const Exchange& own, Point& servers) const;
  std::vector<Match> find_written(Leg& known, const LegState& leg, const Exchange& answer, Point& servers);
  Within answered_since(int64_t since_ns, const LegState& client, const Exchange& answer, Point& servers) const;
  static std::pair<Exchange, Written*> likeliest(Leg& known, const PassageModel& model, const Exchange& answer,
                                                 const Exchange& inner);
  Match find(Leg& known, const LegState& leg, const Exchange& own, const Connection& connection, size_t points);
  bool learn_from(const LegState& client, const Exchange& own, const Within& inside, PointIndex server_point);
  bool learn_from_partner(const LegState& client, const Exchange& own, const Connection& connection, PointIndex server_point);
  void weigh(Leg& leg, const LegState& state, const Exchange& own, const Within& inside);
  Pool weigh_pool(const LegState& client, const Exchange& own, const Within& inside);
  static Match settle_pool(const Leg& leg, PassageModel& model, const Exchange& own, const Pool& pool);
  static void learn(PassageModel& model, const Exchange& own, const Exchange& inner, double share = 1);
  static double likelihood(const PassageModel& model, const Exchange& own, const Exchange& inner, const Endpoint& server);
  double stranger(const PassageModel& model, const LegState& client, const Exchange& own, const Exchange& inner, double rate,
                  double unseen) const;
  double others_waiting(const Point& clients, const PassageModel& model, const Exchange& own, const Exchange& inner) const;
  static double unseen_share(const PassageModel& model, const Exchange& own, const Exchange& inner);
  static Candidate& candidate_of(Leg& leg, uint64_t leg_id, double evidence);
  static bool is_waiting(const Leg& leg, int64_t since_ns);
  static Match settle(const Leg& leg, double of_pool);
  bool is_told(const LegState& client, PassageModel& service, const Match& match);
  void hold(const LegState& client, const Match& match);
  void release(const LegState& client);
  bool still_holds(const Match& match, const std::vector<Match>& all) const;
  static void expire(Point& point, int64_t now_ns);

  const ConnectionStore& store_;
  std::array<Point, kPointsMax> points_;
  absl::node_hash_map<uint64_t, Leg, KeyedHashOf<uint64_t>> legs_;  // nodes: a Leg is held while others are looked up
  PassageModels& services_;
  LruTable<Endpoint, std::vector<Match>, KeyedHashOf<Endpoint>> held_;  // by service
  std::vector<Match> released_;
  uint64_t evicted_ = 0;
};

}  // namespace parallax
