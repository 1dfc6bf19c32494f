// Which connection a client opened instead of one that had failed it: the next one to the same server's end, at once after a
// reset that ended a conversation in its midst.
//
// The correlator's, one thread. By point, for a leg is seen there under one name; bounded, the client that was longest quiet goes
// first, counted.
#pragma once

#include <cstddef>
#include <cstdint>

#include "analysis/connection/connection_store.h"
#include "analysis/model/lru_table.h"

namespace parallax {

class Successors {
 public:
  static constexpr size_t kFailedMax = 1 << 12;
  // A client that tries again because of it does so at once; what comes later is another errand.
  static constexpr int64_t kWithinNs = 3'000'000'000;

  // The leg has been reset. One that its client resets has failed it only if the client had sent in vain: else it has all that it
  // wanted.
  void note_reset(const LegState& leg);
  // The leg is opened by a SYN.
  void note_opening(const LegState& leg, ConnectionStore& store);

  uint64_t evicted() const { return failed_.evicted(); }

 private:
  struct Failed {
    uint64_t leg_id = 0;
    int64_t at_ns = 0;
  };
  struct SameHash {
    size_t operator()(uint64_t key) const { return key; }  // keys are keyed hashes already
  };
  static uint64_t key_of(const LegState& leg);

  LruTable<uint64_t, Failed, SameHash> failed_{kFailedMax};
};

}  // namespace parallax
