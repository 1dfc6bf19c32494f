#include "analysis/detect/closed_ports.h"

#include <algorithm>
#include <iterator>

#include "analysis/model/address_scope.h"

namespace parallax {

void ClosedPorts::count(const Address& source, const Endpoint& service, int64_t at_ns) {
  Tries& tries = tries_.use(key_of(source, service));
  tries.add(at_ns, 1);
  again_.use(service).add(at_ns, tries.count > 1 && tries.count <= kTriesMost);
  ++hosts_.use(key_of(source, {service.address, 0})).in_vain;
}

bool ClosedPorts::may_be_background(const Address& source, const Endpoint& service) const {
  const Tries* tries = tries_.find(key_of(source, service));
  const bool goes_on_trying = tries != nullptr && tries->count > kTriesMost;
  const Tries* again = again_.find(service);
  const bool is_wanted = again != nullptr && again->count > kAgainMost;
  const Host* host = hosts_.find(key_of(source, {service.address, 0}));
  return !goes_on_trying && !is_wanted && (host == nullptr || !host->has_client()) && !is_private(source);
}

// What is too long ago, and whose source has turned out to be a client.
void ClosedPorts::forget(int64_t at_ns) {
  std::erase_if(kept_, [&](const Observation& tried) {
    return tried.first_ns + kWithinNs < at_ns || !may_be_background(tried.source.address, tried.service);
  });
  if (kept_.size() == kKeptMax) kept_.pop_front();
}

bool ClosedPorts::are_many() const {
  std::vector<std::pair<Address, uint16_t>> apart;
  for (const Observation& tried : kept_) {
    const bool is_elsewhere = std::none_of(apart.begin(), apart.end(), [&](const auto& other) {
      return other.first == tried.source.address || other.second == tried.service.port;
    });
    if (is_elsewhere) apart.emplace_back(tried.source.address, tried.service.port);
    if (apart.size() >= kSourcesLeast) return true;
  }
  return false;
}

void ClosedPorts::take(Observation tried, std::vector<Observation>& out) {
  tried.is_of_place = true;
  const int64_t at_ns = tried.first_ns;
  const bool goes_on = at_ns <= told_ns_ + kWithinNs;
  forget(at_ns);
  kept_.push_back(std::move(tried));
  if (!goes_on && !are_many()) return;
  std::move(kept_.begin(), kept_.end(), std::back_inserter(out));
  kept_.clear();
  told_ns_ = std::max(told_ns_, at_ns);
}

}  // namespace parallax
