// Which stations ask for very many addresses at once.
//
// The newest requests of each station at each point. The correlator's, one thread; bounded, the station that was longest quiet
// goes first, counted.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "analysis/event/events.h"
#include "analysis/finding/observation.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/lru_table.h"

namespace parallax {

class ArpBursts {
 public:
  static constexpr size_t kStationsMax = 1 << 12;
  // A host asks for the few it speaks to; when it wakes up for some at once. A router that is scanned asks for more, but as fast
  // as the scan goes.
  static constexpr size_t kMany = 20;               // requests, each for another address than the one before
  static constexpr int64_t kWithinNs = 10'000'000;  // all of them

  void take(const PacketFacts& packet, const Address& sender, const Address& target, std::vector<Observation>& out);

  uint64_t evicted() const { return stations_.evicted(); }

 private:
  struct Key {
    PointIndex point;
    Address sender;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const { return KeyedHash().add(uint64_t{key.point}).add(key.sender).value(); }
  };
  struct Station {
    std::array<int64_t, kMany> times_ns{};  // a ring
    size_t next = 0, count = 0;
    Address last_target{};
    bool is_told = false;  // of the burst that goes on
  };
  LruTable<Key, Station, KeyHash> stations_{kStationsMax};
};

}  // namespace parallax
