// Which stations ask for very many addresses at once.
//
// The newest requests of each station at each point. The correlator's, one thread; bounded, the station that was longest quiet
// goes first, counted.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/event/events.h"
#include "analysis/finding/observation.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/lru_table.h"
#include "analysis/model/thresholds.h"

namespace parallax {

class ArpBursts {
 public:
  static constexpr size_t kStationsMax = 1 << 12;

  void take(const PacketFacts& packet, const Address& sender, const Address& target, const Thresholds& thresholds,
            std::vector<Observation>& out);

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
    std::vector<int64_t> times_ns{};  // the newest last; as many as make a burst
    Address last_target{};
    bool is_told = false;  // of the burst that goes on
  };
  LruTable<Key, Station, KeyHash> stations_{kStationsMax};
};

}  // namespace parallax
