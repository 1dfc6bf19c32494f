#include "analysis/worker/merge.h"

#include <algorithm>
#include <tuple>

namespace parallax {

Merge::Merge(SensorView& sensor, size_t worker, bool offline, int64_t wait_ns) : offline_(offline), wait_ns_(wait_ns) {
  for (PortChannel* channel : sensor.channels()) {
    inputs_.push_back({.channel = channel,
                       .not_waited_for = &sensor.not_waited_for(worker, channel->info.point),
                       .ring = channel->rings[worker].get(),
                       .head = {}});
  }
  // Ties in time go by point, then by port.
  std::stable_sort(inputs_.begin(), inputs_.end(),
                   [](const Input& a, const Input& b) { return a.channel->info.point < b.channel->info.point; });
}

// Up to when sightings may be released.
int64_t Merge::safe_time() {
  int64_t least = kTimeMax, most = kTimeMin, least_of_files = kTimeMax;
  for (Input& input : inputs_) {
    input.watermark_ns = input.channel->watermark_ns.load(std::memory_order_acquire);
    least = std::min(least, input.watermark_ns);
    if (input.channel->is_file) least_of_files = std::min(least_of_files, input.watermark_ns);
    if (input.watermark_ns != kTimeMax) most = std::max(most, input.watermark_ns);
  }
  if (offline_ || most == kTimeMin || least >= most - wait_ns_) return least;
  const int64_t safe = std::min(most - wait_ns_, least_of_files);
  for (const Input& input : inputs_) {  // by less than that is nothing to what an absence is waited for
    if (input.watermark_ns < std::min(safe, most - PortChannel::kHeldUpNs)) {
      input.not_waited_for->add(input.watermark_ns, safe, 0);
    }
  }
  return safe;
}

// The first of `input`, and what follows it there before `end_ns`.
size_t Merge::take_run(Input& input, size_t count, int64_t end_ns) {
  do {
    Sighting& sighting = input.head[input.taken++];
    if (sighting.order_ns < reached_ns_) {
      ++late_;
      // The port has said that it had handed out everything of that time, and had not: more of it may still come.
      if (!input.channel->is_file) input.not_waited_for->add(sighting.order_ns, reached_ns_, 0);
      sighting.order_ns = reached_ns_;
    }
    reached_ns_ = sighting.order_ns;
    burst_[count++] = &sighting;
  } while (count < kBurst && input.taken < input.head.size() && input.head[input.taken].order_ns < end_ns);
  return count;
}

std::span<Sighting* const> Merge::next(int64_t gate_ns) {
  for (Input& input : inputs_) {
    input.ring->pop(input.taken);
    input.taken = 0;
  }
  const int64_t safe = safe_time();  // before the rings are looked at
  for (Input& input : inputs_) input.head = input.ring->peek();

  const int64_t limit = std::min(safe, gate_ns);
  size_t count = 0;
  int64_t next_ns = safe;
  while (count < kBurst) {
    Input* first = nullptr;
    int64_t rival_ns = kTimeMax;  // where another input may be next
    bool unknown = false;
    for (Input& input : inputs_) {
      if (input.taken == input.head.size()) {
        // More may stand beyond the ring's end, or have come since: look anew at the next call.
        unknown |= input.ring->size() > input.taken;
        continue;
      }
      const int64_t order_ns = input.head[input.taken].order_ns;
      if (first && order_ns >= first->head[first->taken].order_ns) {
        rival_ns = std::min(rival_ns, order_ns);
        continue;
      }
      if (first) rival_ns = std::min(rival_ns, first->head[first->taken].order_ns);
      first = &input;
    }
    if (unknown && count > 0) {
      next_ns = reached_ns_;
      break;
    }
    if (!first) {
      next_ns = safe;
      break;
    }
    next_ns = std::min(safe, first->head[first->taken].order_ns);
    if (first->head[first->taken].order_ns >= limit) break;
    count = take_run(*first, count, std::min(limit, rival_ns));
    next_ns = reached_ns_;  // more of the same time may follow
  }
  done_ns_ = std::max(done_ns_, next_ns);
  return {burst_.data(), count};
}

}  // namespace parallax
