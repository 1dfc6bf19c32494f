// How many connections services accept in a second, and how many attempts fail meanwhile: a service that takes so many a second
// and no more is told as one finding, and what failed because of it no longer by itself.
//
// Fed with connections that came about and with what is told of those that did not. The correlator's, one thread; bounded, the
// service that was longest quiet goes first, counted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "analysis/finding/observation.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/lru_table.h"
#include "analysis/model/thresholds.h"

namespace parallax {

class ServiceLoads {
 public:
  static constexpr size_t kServicesMax = 1 << 10;
  static constexpr size_t kSecondsKept = 128;
  static constexpr int64_t kWindow = 5;  // seconds for which it must go on

  void accepted(const Endpoint& service, int64_t at_ns);
  // An attempt that failed is counted. True: it failed because the service was saturated, and is now told so.
  bool take(Observation& o, const Thresholds& thresholds);
  // The same of one that was counted before.
  bool explain(Observation& o) const;
  // How many services have become saturated until now.
  uint64_t begun() const { return begun_; }

  uint64_t evicted() const { return services_.evicted(); }

 private:
  struct Second {
    int64_t number = 0;  // 0: unused
    uint32_t accepted = 0, failed = 0;
  };
  struct Service {
    std::array<Second, kSecondsKept> seconds{};
    int64_t first_second = 0, last_second = 0;
    int64_t saturated_since = 0, saturated_until = 0;  // seconds; 0: not
    uint32_t accept_rate = 0;
    // The second of that number; null: it is too old.
    Second* at(int64_t number);
    const Second* find(int64_t number) const;
  };
  void judge(Service& service, int64_t until, const Thresholds& thresholds);

  LruTable<Endpoint, Service, KeyedHashOf<Endpoint>> services_{kServicesMax};
  uint64_t begun_ = 0;
};

}  // namespace parallax
