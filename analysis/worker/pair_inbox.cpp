#include "analysis/worker/pair_inbox.h"

#include <algorithm>

namespace parallax {

PairInbox::PairInbox(size_t worker, const EngineOptions& options, EngineLinks& links) : worker_(worker), links_(links) {
  for (size_t w = 0; w < links.workers(); ++w) from_.emplace_back(4096, options.offline);
  same_release_.reserve(1024);
}

bool PairInbox::fetch() {
  for (size_t w = 0; w < from_.size(); ++w) from_[w].fill(links_.forward_ring(w, worker_));
  return !empty();
}

bool PairInbox::empty() const {
  return std::all_of(from_.begin(), from_.end(), [](const auto& from) { return from.empty(); });
}

int64_t PairInbox::next_ns() const {
  int64_t release_ns = kTimeMax;
  for (const auto& from : from_) {
    if (!from.empty()) release_ns = std::min(release_ns, from.front().release_ns);
  }
  return release_ns;
}

const std::vector<PairSighting>& PairInbox::take_next() {
  const int64_t release_ns = next_ns();
  same_release_.clear();
  for (auto& from : from_) {
    for (; !from.empty() && from.front().release_ns == release_ns; from.pop()) same_release_.push_back(from.front());
  }
  if (same_release_.size() > 1) std::sort(same_release_.begin(), same_release_.end(), in_total_order);
  return same_release_;
}

}  // namespace parallax
