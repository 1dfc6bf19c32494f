#include "analysis/correlate/pairing_index.h"

#include <algorithm>

namespace parallax {

void PairingIndex::add(uint64_t key, uint64_t leg_id, Window window, int64_t now_ns) {
  Aging& aging = windows_[window];
  Chain& chain = aging.chains.of(key)[key];
  const Showing showing{now_ns + kWindowNs[window], leg_id};
  if (aging.showings.empty() || !(aging.showings.back() == showing)) aging.showings.push_back(showing);
  aging.entries.push_back({key, chain.newest, aging.first_showing + static_cast<uint32_t>(aging.showings.size() - 1)});
  chain.newest = aging.first + static_cast<uint32_t>(aging.entries.size() - 1);
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
  if (!aging.entries.empty() && aging.entries.front().showing == aging.first_showing) return;
  aging.showings.pop_front();
  ++aging.first_showing;
}

void PairingIndex::expire(int64_t now_ns) {
  for (Aging& aging : windows_) {
    while (!aging.entries.empty() && aging.showings.front().until_ns < now_ns) forget_oldest(aging);
  }
}

PairingIndex::Candidates PairingIndex::find(uint64_t key) const {
  Candidates found;
  for (const Aging& aging : windows_) {
    const auto& chains = aging.chains.of(key);
    const auto chain = chains.find(key);
    if (chain == chains.end()) continue;
    uint32_t number = chain->second.newest;
    const size_t taken = std::min<size_t>(chain->second.size, kCandidatesMax);
    for (size_t i = 0; i < taken; ++i) {
      const Entry& entry = aging.entry(number);
      found.legs.push_back(aging.showing_of(entry).leg_id);
      number = entry.previous;
    }
    found.others += chain->second.size - taken;
  }
  std::reverse(found.legs.begin(), found.legs.end());
  return found;
}

}  // namespace parallax
