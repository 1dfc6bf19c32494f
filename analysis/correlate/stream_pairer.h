// Finds the multiplexed connection (HTTP/2) beyond a proxy on which a client's exchanges go on, among those of others.
//
// One thread. On such a connection requests and responses overlap, so that nothing there is an exchange. But what the proxy
// writes there it writes soon after a client has, and it answers a client soon after it was written to. So each write is weighed
// by itself: toward the server, against the other clients' requests that it may pass on; an answer to a client, against how often
// the server writes anyway. What speaks for a client and a connection adds up as a logarithm, and counts against the other
// connections.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "analysis/connection/connection_store.h"
#include "analysis/correlate/passage_model.h"
#include "analysis/correlate/turn_pairer.h"

namespace parallax {

class StreamPairer {
 public:
  static constexpr size_t kStreamsMax = 64;     // multiplexed connections at a point; the one that was silent longest goes first
  static constexpr size_t kWritesMax = 64;      // of each side of one
  static constexpr size_t kWaitingMax = 256;    // requests at a point, the newest
  static constexpr size_t kCandidatesMax = 16;  // of a client
  static constexpr size_t kHeldMax = 64;        // of a service
  static constexpr int64_t kWindowNs = 10'000'000'000;

  StreamPairer(const ConnectionStore& store, PassageModels& services)
      : store_(store), services_(services), known_(PassageModels::kServicesMax) {}

  // A message of a leg begins; of one that is multiplexed, whatever either side writes. What has become clear with it. REQUIRES:
  // messages come in order of time.
  std::vector<TurnPairer::Match> take(const LegState& leg, const PacketFacts& packet, size_t points);
  void forget(uint64_t leg_id);

  uint64_t evicted() const { return evicted_ + known_.evicted(); }

 private:
  struct Write {
    int64_t order_ns;
    uint32_t uncertainty_ns;
    double taken = 0;  // how probable it is that it is known what it passes on
  };
  // A connection beyond, by its leg.
  struct Stream {
    uint64_t leg_id;
    PerSide<std::deque<Write>> writes;
  };
  struct Request {
    uint64_t client_id;
    Write written;
    bool is_of_many;                                 // its client is multiplexed: an answer need not be its own
    std::vector<std::pair<uint64_t, double>> gains;  // by stream, what it has added to the client's evidence
    bool is_answered = false;
  };
  struct Candidate {
    uint64_t leg_id;
    double evidence = 0;
    uint32_t requests = 0, answers = 0;  // that speak for it
    bool is_told = false;
  };
  struct Client {
    std::vector<Candidate> candidates;
    bool has_partner = false, is_counted = false;
  };
  // What clients ask.
  struct Service {
    static constexpr uint32_t kFoundLeast = 6, kShareLeast = 4;  // one in so many
    uint32_t clients = 0, found = 0;
    std::vector<uint64_t> ways;  // connections beyond that it is known to share
    std::vector<TurnPairer::Match> held;

    bool passes_on() const { return found >= kFoundLeast && uint64_t{found} * kShareLeast >= clients; }
    // The same, also of what was found before that was seen.
    bool passes_on_surely() const { return passes_on() && found >= 2 * kFoundLeast; }
  };
  struct Point {
    std::vector<Stream> streams;
    std::deque<Request> waiting;
  };

  static double rate_of(const std::deque<Write>& writes);
  static double confidence(const Client& client, const Candidate& candidate, double prior = 1);
  static Candidate* candidate_of(Client& client, uint64_t leg_id, double gain);
  bool may_carry(const LegState& client, const LegState& beyond) const;
  Stream& stream_of(Point& point, uint64_t leg_id);
  void note_request(const LegState& leg, const PacketFacts& packet);
  void pass_on(const LegState& beyond, const Stream& stream, const Write& write, Point& clients);
  std::vector<TurnPairer::Match> answer(const LegState& leg, const PacketFacts& packet, Point& servers);
  void weigh_answer(Client& client, const LegState& leg, const Write& answer, Stream& stream);
  void weigh_silence(Client& client, const LegState& leg, Point& clients);
  std::vector<TurnPairer::Match> settle(Client& client, const LegState& leg);

  const ConnectionStore& store_;
  PassageModels& services_;
  std::array<Point, kPointsMax> points_;
  std::unordered_map<uint64_t, Client, KeyedHashOf<uint64_t>> clients_;
  LruTable<Endpoint, Service, KeyedHashOf<Endpoint>> known_;
  uint64_t evicted_ = 0;
};

}  // namespace parallax
