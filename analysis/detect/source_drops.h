// Whose SYNs a device drops: one source of which some are dropped and some are not, while nobody else's are, is throttled. Told
// as one finding, and its drops no longer by themselves. To one service: a rule that drops what goes to another is no throttle.
//
// Fed with connections that crossed and with what is told of SYNs that a device dropped. The correlator's, one thread; bounded,
// the source that was longest quiet goes first, counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "analysis/finding/observation.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/lru_table.h"
#include "analysis/model/thresholds.h"

namespace parallax {

class SourceDrops {
 public:
  static constexpr size_t kSourcesMax = 1 << 11;
  static constexpr int64_t kWithinNs = 60'000'000'000;
  static constexpr uint32_t kOthersLeast = 8;  // connections of others that passed meanwhile
  // One in so many dropped of those that passed is loss, and no throttle: of others at most that, of the source's more.
  static constexpr uint32_t kLossShare = 20;
  // Were others treated as the source is, so many of theirs would have been dropped, and so many times those that were.
  static constexpr double kLeastAsOwn = 5, kTimesOthers = 5;

  void passed(const Address& source, const Endpoint& service, const Where& across, int64_t at_ns);
  // A SYN that was dropped is counted. True: the device throttles its source, and it is now told so.
  bool take(Observation& o, const Thresholds& thresholds);
  // The same of one that was counted before.
  bool explain(Observation& o) const;
  // How many sources have been found to be throttled until now.
  uint64_t begun() const { return begun_; }

  uint64_t evicted() const { return sources_.evicted() + services_.evicted(); }

 private:
  struct Count {
    int64_t since_ns = 0, told_ns = 0;        // told_ns: of the last drop that was told as a throttled source's; 0: none
    uint32_t others = 0, others_dropped = 0;  // when it was found out
    uint32_t let_pass = 0;
    uint32_t passed = 0, dropped = 0;
    void begin_anew(int64_t at_ns) {
      if (at_ns <= since_ns + kWithinNs) return;
      since_ns = at_ns;
      passed = dropped = 0;
    }
  };
  using Counts = LruTable<uint64_t, Count, std::hash<uint64_t>>;
  static uint64_t key_of(const Endpoint& service, const Where& across);
  static uint64_t key_of(const Address& source, const Endpoint& service, const Where& across);
  static Count& of(Counts& counts, uint64_t key, int64_t at_ns);

  Counts sources_{kSourcesMax};   // by source, service and device
  Counts services_{kSourcesMax};  // by service and device: of all sources
  uint64_t begun_ = 0;
};

}  // namespace parallax
