#include "analysis/correlate/message_index.h"

#include <algorithm>

namespace parallax {

void MessageIndex::add(std::span<const uint64_t> keys, const Message& message) {
  if (keys.empty()) return;
  const uint64_t number = first_message_ + messages_.size();
  messages_.push_back(message);
  messages_.back().number = number;
  for (const uint64_t key : keys) {
    Chain& chain = chains_[key];
    entries_.push_back({key, number, chain.newest});
    chain.newest = first_entry_ + entries_.size() - 1;
    ++chain.size;
  }
  while (entries_.size() > kEntriesMax) {
    forget_oldest();
    ++evicted_;
  }
}

// The oldest message, with all its entries.
void MessageIndex::forget_oldest() {
  while (!entries_.empty() && entries_.front().message == first_message_) {
    const auto chain = chains_.find(entries_.front().key);
    if (--chain->second.size == 0) chains_.erase(chain);
    entries_.pop_front();
    ++first_entry_;
  }
  messages_.pop_front();
  ++first_message_;
}

void MessageIndex::expire(int64_t now_ns) {
  while (!messages_.empty() && messages_.front().order_ns < now_ns - kWindowNs) forget_oldest();
}

MessageIndex::Candidates MessageIndex::find(uint64_t key, PointIndex point) const {
  Candidates found;
  const auto chain = chains_.find(key);
  if (chain == chains_.end()) return found;
  uint64_t number = chain->second.newest;
  for (size_t i = 0; i < chain->second.size; ++i) {
    if (i == kLookedAtMax) {
      found.others += chain->second.size - i;
      break;
    }
    const Entry& entry = entries_[number - first_entry_];
    number = entry.previous;
    const Message& shown = message(entry.message);
    if (shown.taken || shown.point != point) continue;
    if (found.messages.size() == kCandidatesMax) {
      ++found.others;
    } else {
      found.messages.push_back(shown);
    }
  }
  return found;
}

double MessageIndex::rate(uint64_t key, PointIndex point, int64_t now_ns) const {
  constexpr double kLateS = 1, kSpanLeastS = 0.02;
  const auto chain = chains_.find(key);
  if (chain == chains_.end()) return 0;
  uint64_t number = chain->second.newest;
  size_t count = 0;
  double span_s = kSpanLeastS;
  for (size_t i = 0; i < std::min(chain->second.size, kLookedAtMax); ++i) {
    const Entry& entry = entries_[number - first_entry_];
    number = entry.previous;
    const Message& shown = message(entry.message);
    if (shown.point != point || shown.named) continue;
    const double ago_s = static_cast<double>(now_ns - shown.order_ns) * 1e-9;
    if (ago_s > kLateS) break;
    ++count;
    span_s = std::max(span_s, ago_s);
  }
  return static_cast<double>(count) / (count < 2 ? kLateS : span_s);
}

void MessageIndex::take(uint64_t number) {
  if (number >= first_message_ && number - first_message_ < messages_.size()) messages_[number - first_message_].taken = true;
}

}  // namespace parallax
