#include "analysis/correlate/passage_model.h"

#include <algorithm>

namespace parallax {
namespace {

constexpr double kSizesOfStrangers = 400;  // about so many different ones have the differences to strangers' requests
constexpr double kSameSize = 40;           // that it passes as it is, is expected before anything has been seen: so much more
constexpr double kSizeExpected = 2;        // observations that the expectation weighs

template <typename Key, typename Count, typename Hash>
Count count_of(const std::unordered_map<Key, Count, Hash>& counts, const Key& key) {
  const auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

template <typename Key, typename Count, typename Hash>
void count(std::unordered_map<Key, Count, Hash>& counts, const Key& key, size_t most, Count times = 1) {
  if (counts.size() < most || counts.contains(key)) counts[key] += times;
}

// One more observation is always thought possible.
double share(uint32_t count, uint32_t sum) { return (count + 1.0) / (sum + 1.0); }

}  // namespace

double PassageModel::leads_to(const Endpoint& server) const { return share(count_of(servers_, server), pairings_ + crossed_); }

double PassageModel::found_by(PairingMethod method) const { return share(methods_[static_cast<size_t>(method)], pairings_); }

double PassageModel::resizes_by(int32_t bytes) const {
  const double expected = bytes == 0 ? kSameSize / kSizesOfStrangers : 1 / kSizesOfStrangers;
  const double seen = (count_of(sizes_, bytes) + kSizeExpected * expected) / (exchanges_ + kSizeExpected);
  return std::clamp(seen * kSizesOfStrangers, 0.01, 50.0);
}

void PassageModel::learn_pairing(const Endpoint& server, PairingMethod method) {
  count(servers_, server, kServersMax);
  ++methods_[static_cast<size_t>(method)];
  ++pairings_;
}

void PassageModel::learn_crossed(const Endpoint& server) {
  count(servers_, server, kServersMax);
  ++crossed_;
}

void PassageModel::learn_exchange(int64_t request_ns, int64_t response_ns, int32_t bytes, double share) {
  request.learn(request_ns, share);
  response.learn(response_ns, share);
  count(sizes_, bytes, kSizesMax, share);
  exchanges_ += share;
}

}  // namespace parallax
