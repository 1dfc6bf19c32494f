// The correlator's side of the pairs whose packets are followed: which home and number each crossing has, and the commands to the
// workers that open and join it.
//
// One thread. Numbers come from what a home can hold; a pair that finds none is paired all the same, but its packets are not
// followed, which is counted.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <vector>

#include "analysis/connection/connection_store.h"
#include "analysis/connection/knowledge.h"
#include "analysis/event/engine_links.h"
#include "analysis/model/engine_options.h"
#include "capture/core/outbox.h"

namespace parallax {

class PairHomes {
 public:
  PairHomes(const EngineOptions& options, EngineLinks& links);

  void flush();
  bool all_said() const;

  // Follows the packets of a crossing from the next epoch but one. `offsets`: as an earlier generation of its legs has taught
  // them.
  void open(Crossing& crossing, const Connection& connection, const SequenceOffsets& offsets, int64_t now_ns);
  // The pairing is taken back, from the next epoch but one: nothing that its home tells, or has told, has an owner any more.
  void take_back(const Crossing& crossing, const LegState& client_side, const LegState& server_side, int64_t now_ns);
  bool is_taken_back(uint8_t home, uint32_t pair) const;
  // Progress and end of a pair, as its home tells it: the crossing takes the numbers. Null: its connection is gone.
  struct Told {
    Connection* connection = nullptr;
    Crossing* crossing = nullptr;
  };
  Told take(const FateEvent& event, ConnectionStore& store);
  // The connection that a fate speaks of; null: it is gone.
  Connection* owner_of(const FateEvent& event, ConnectionStore& store) const;

  // A crossing whose home has told all, and of which nothing is to be told any more: its number may be another's.
  void forget(const Crossing& crossing);

  // A pair that cannot be followed.
  void refuse() { ++refused_; }
  uint64_t refused() const { return refused_; }  // paired, but not followed

 private:
  struct Home {
    std::vector<uint32_t> free;
    std::vector<uint8_t> generations;  // by pair
  };
  static constexpr uint64_t kTakenBack = 0;  // no leg's value: generations begin at 1
  bool follows(const Crossing& crossing, const LegState& client_side) const;
  void leave(const Crossing& crossing, const LegState& client_side, const LegState& server_side, int64_t effective_ns);
  static uint64_t key_of(uint8_t home, uint32_t pair) { return static_cast<uint64_t>(home) << 32 | pair; }

  const EngineOptions& options_;
  std::vector<Outbox<Command>> commands_;  // by worker
  std::vector<Home> homes_;
  // key_of() -> the client-side leg, by which the crossing is found, or kTakenBack; until the home has closed the pair, offline
  // for ever.
  absl::flat_hash_map<uint64_t, uint64_t> legs_;
  uint64_t refused_ = 0;
};

}  // namespace parallax
