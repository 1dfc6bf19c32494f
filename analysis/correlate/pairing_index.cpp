#include "analysis/correlate/pairing_index.h"

#include <algorithm>

namespace parallax {

void PairingIndex::add(uint64_t key, uint64_t leg_id, Window window, int64_t now_ns) {
  Aging& aging = windows_[window];
  Chain& chain = aging.chains.of(key)[key];
  aging.entries.push_back({now_ns + kWindowNs[window], key, leg_id, chain.newest});
  chain.newest = aging.first + aging.entries.size() - 1;
  ++chain.size;
  if (aging.entries.size() <= kEntriesMax) return;
  forget_oldest(aging);
  ++evicted_;
}

void PairingIndex::forget_oldest(Aging& aging) {
  auto& chains = aging.chains.of(aging.entries.front().key);
  const auto chain = chains.find(aging.entries.front().key);
  if (--chain->second.size == 0) chains.erase(chain);
  aging.entries.pop_front();
  ++aging.first;
}

void PairingIndex::expire(int64_t now_ns) {
  for (Aging& aging : windows_) {
    while (!aging.entries.empty() && aging.entries.front().until_ns < now_ns) forget_oldest(aging);
  }
}

PairingIndex::Candidates PairingIndex::find(uint64_t key) const {
  Candidates found;
  for (const Aging& aging : windows_) {
    const auto& chains = aging.chains.of(key);
    const auto chain = chains.find(key);
    if (chain == chains.end()) continue;
    uint64_t number = chain->second.newest;
    const size_t taken = std::min(chain->second.size, kCandidatesMax);
    for (size_t i = 0; i < taken; ++i) {
      const Entry& entry = aging.entries[number - aging.first];
      found.legs.push_back(entry.leg_id);
      number = entry.previous;
    }
    found.others += chain->second.size - taken;
  }
  std::reverse(found.legs.begin(), found.legs.end());
  return found;
}

}  // namespace parallax
