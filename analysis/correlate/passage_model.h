// What has been learned of a service's way through a proxy: how long it takes, what it does to sizes, where it leads, and by what
// its connections are found beyond. By what the clients ask for, for one proxy serves many, each in a way of its own.
//
// One thread. Bounded: the service that was longest not seen goes first, counted.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "analysis/correlate/delay_model.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/lru_table.h"
#include "analysis/model/model.h"

namespace parallax {

class PassageModel {
 public:
  DelayModel request, response;  // from when a message comes to when it goes on

  // Likelihood ratios against a stranger: that a client's connection to the service leads to that server, that it is found by
  // that method, that a request comes with so many bytes more than it goes on with. 1: nothing is known.
  double leads_to(const Endpoint& server) const;
  double found_by(PairingMethod method) const;
  // That the connection beyond carries other clients' messages, too, or the client's goes on over another.
  double shares() const { return (shared_ + 1) / (carried_ + 10); }
  double resizes_by(int32_t bytes) const;

  // Whether what is asked of it is seen to go on, and more often than chance has it where there is no proxy at all: of messages,
  // and of connections of which only the turns tell. Until then no pairing is told that rests on likelihood alone.
  bool passes_messages() const { return passes(passed_, asked_); }
  // The same, also of what went on before that was seen.
  bool passes_messages_surely() const { return passes(passed_, asked_) && passed_ >= 2 * kPassedLeast; }
  bool passes_clients() const { return passes(partners_, clients_); }
  bool passes_clients_surely() const { return passes(partners_, clients_) && partners_ >= 2 * kPassedLeast; }
  void learn_asked() { ++asked_; }
  void learn_passed() { ++passed_; }
  void learn_client() { ++clients_; }
  void learn_partner() { ++partners_; }

  // Until then nothing usual is known, and coincidences look like the rest.
  bool is_known() const { return has_pairings() || exchanges_ >= kExchangesKnown; }
  // That have been told: there is a proxy.
  bool has_pairings() const { return pairings_ >= kPairingsKnown; }

  void learn_pairing(const Endpoint& server, PairingMethod method);
  // A connection of the service has crossed packet by packet: another one, of which only the turns tell, leads there as well.
  void learn_crossed(const Endpoint& server);
  // Something of the service went on over a connection that is shared, or not. `share`: how probable it is that it did.
  void learn_carried(bool is_shared, double share) {
    carried_ += share;
    if (is_shared) shared_ += share;
  }
  void learn_exchange(int64_t request_ns, int64_t response_ns, int32_t bytes, double share = 1);

 private:
  // Chance has passed on 9 in 100 at most.
  static constexpr uint32_t kPassedLeast = 6, kPassedShareLeast = 4;  // one in so many
  static bool passes(uint32_t passed, uint32_t asked) {
    return passed >= kPassedLeast && uint64_t{passed} * kPassedShareLeast >= asked;
  }
  static constexpr uint32_t kPairingsKnown = 5;
  static constexpr double kExchangesKnown = 10;
  static constexpr size_t kServersMax = 64, kSizesMax = 256;

  std::unordered_map<Endpoint, uint32_t, KeyedHashOf<Endpoint>> servers_;
  std::array<uint32_t, kPairingMethodCount> methods_{};
  std::unordered_map<int32_t, double> sizes_;
  uint32_t asked_ = 0, passed_ = 0, clients_ = 0, partners_ = 0;
  uint32_t pairings_ = 0, crossed_ = 0;
  double exchanges_ = 0;
  double carried_ = 0, shared_ = 0;
};

class PassageModels {
 public:
  static constexpr size_t kServicesMax = 1024;

  PassageModels() : services_(kServicesMax) {}
  PassageModel& of(const Endpoint& service) { return services_.use(service); }
  uint64_t evicted() const { return services_.evicted(); }

 private:
  LruTable<Endpoint, PassageModel, KeyedHashOf<Endpoint>> services_;
};

}  // namespace parallax
