#include "analysis/correlate/pairing_index.h"

#include <algorithm>
#include <functional>
#include <string_view>

namespace parallax {

uint64_t PairingIndex::tuple_key(const LegState& leg) {
  const auto hash = [](const Endpoint& end) {
    const std::string_view address{reinterpret_cast<const char*>(end.address.data()), end.address.size()};
    return std::hash<std::string_view>{}(address)*31 + end.port;
  };
  const uint64_t a = hash(leg.client), b = hash(leg.server);
  return ((a ^ (b * 0x9E3779B97F4A7C15u)) + leg.protocol) & ~(1ull << 63);
}

void PairingIndex::insert(uint64_t key, uint64_t leg_id, int64_t until_ns, bool midstream) {
  legs_[key].push_back(leg_id);  // once for each entry, so that the youngest entry keeps it
  auto& entries = midstream ? midstream_entries_ : entries_;
  entries.push_back({until_ns, key, leg_id});
  if (entries.size() <= kEntriesMax) return;
  forget_oldest(entries);
  ++evicted_;
}

void PairingIndex::add(const LegState& leg, int64_t now_ns) {
  const int64_t window = leg.midstream || leg.protocol != ip_protocol::tcp ? kMidstreamWindowNs : kOpeningWindowNs;
  insert(tuple_key(leg), leg.id.value(), now_ns + window, window == kMidstreamWindowNs);
  if (leg.protocol == ip_protocol::tcp && !leg.midstream)
    insert(sequence_key(leg), leg.id.value(), now_ns + kOpeningWindowNs, false);
}

void PairingIndex::forget_oldest(std::deque<Entry>& entries) {
  const auto it = legs_.find(entries.front().key);
  if (it != legs_.end()) {
    const auto leg = std::find(it->second.begin(), it->second.end(), entries.front().leg_id);
    if (leg != it->second.end()) it->second.erase(leg);
    if (it->second.empty()) legs_.erase(it);
  }
  entries.pop_front();
}

void PairingIndex::expire(int64_t now_ns) {
  for (auto* entries : {&entries_, &midstream_entries_}) {
    while (!entries->empty() && entries->front().until_ns < now_ns) forget_oldest(*entries);
  }
}

std::vector<uint64_t> PairingIndex::find(uint64_t key) const {
  const auto it = legs_.find(key);
  return it == legs_.end() ? std::vector<uint64_t>{} : it->second;
}

std::vector<uint64_t> PairingIndex::by_five_tuple(const LegState& leg) const { return find(tuple_key(leg)); }
std::vector<uint64_t> PairingIndex::by_sequence(const LegState& leg) const { return find(sequence_key(leg)); }

}  // namespace parallax
