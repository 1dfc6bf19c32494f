// Which services have left questions unanswered lately, and nothing but these: one datagram may get lost, several in a row are
// not answered.
//
// The correlator's, one thread; bounded, the service that was longest not asked goes first, counted.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "analysis/finding/observation.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/lru_table.h"
#include "analysis/model/thresholds.h"

namespace parallax {

class ServiceSilence {
 public:
  static constexpr size_t kServicesMax = 1 << 11;
  static constexpr int64_t kWithinNs = 300'000'000'000;  // conversations in a row, of each other

  // A question to `asked.service`. Appends to `out` what is to be told now: those before, too, where this is one too many.
  void take(Observation asked, bool is_answered, const Thresholds& thresholds, std::vector<Observation>& out) {
    Service& service = services_.use(asked.service);
    if (is_answered || asked.first_ns > service.last_ns + kWithinNs) service = {};
    if (is_answered) return;
    service.last_ns = asked.first_ns;
    if (service.is_told) {
      out.push_back(std::move(asked));
      return;
    }
    service.kept.push_back(std::move(asked));
    if (service.kept.size() < thresholds.datagram_unanswered_conversations) return;
    for (Observation& before : service.kept) out.push_back(std::move(before));
    service.kept.clear();
    service.is_told = true;
  }

  uint64_t evicted() const { return services_.evicted(); }

 private:
  struct Service {
    int64_t last_ns = INT64_MIN / 2;
    bool is_told = false;
    std::vector<Observation> kept{};  // until told
  };
  LruTable<Endpoint, Service, KeyedHashOf<Endpoint>> services_{kServicesMax};
};

}  // namespace parallax
