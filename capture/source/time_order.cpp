#include "capture/source/time_order.h"

#include <algorithm>

namespace parallax {

namespace {

bool earlier(const RawPacket& a, const RawPacket& b) { return a.time_ns < b.time_ns; }

// "3.2 s", "150 ms"
std::string rough_text(int64_t ns) {
  constexpr int64_t kMillisecond = 1'000'000, kTenth = 100'000'000;
  if (ns < 10 * kTenth) return std::to_string(ns / kMillisecond) + " ms";
  return std::to_string(ns / kTenth / 10) + '.' + std::to_string(ns / kTenth % 10) + " s";
}

}  // namespace

size_t TimeOrder::poll(std::span<RawPacket> burst) {
  if (next_ == ready_) load();
  const size_t count = std::min(burst.size(), ready_ - next_);
  std::copy_n(sorted_.begin() + static_cast<std::ptrdiff_t>(next_), count, burst.begin());
  next_ += count;
  return count;
}

int64_t TimeOrder::next_time_ns() const {
  if (next_ < ready_) return sorted_[next_].time_ns;
  if (!begun_) return kTimeMin;
  return newest_ns_ - hold_ns_;  // the file's next packet may bear a wrong stamp
}

// Each with the packets around it, so that the spans and what else their reader notes come in one order.
std::optional<TimeSpan> TimeOrder::take_uncertain_time() {
  if (uncertain_.empty() || (next_ < ready_ && uncertain_.front().from_ns > next_time_ns())) return std::nullopt;
  const TimeSpan span = uncertain_.front();
  uncertain_.erase(uncertain_.begin());
  return span;
}

void TimeOrder::load() {
  const bool holds_nothing = raw_.empty() && ready_ == sorted_.size();
  if (begun_ && hold_ns_ == 0 && holds_nothing) {
    if (read_in_order()) return;
    classify_rest();
    return;
  }
  sorted_.erase(sorted_.begin(), sorted_.begin() + static_cast<std::ptrdiff_t>(ready_));
  next_ = ready_ = 0;
  classify_rest();
}

// Nearly all blocks of nearly all files: read to where they are handed out from, and found in order. False: from the first packet
// that is not, they are left in raw_.
bool TimeOrder::read_in_order() {
  sorted_.resize(kBlock);
  sorted_.resize(file_.read(sorted_));
  next_ = ready_ = 0;
  int64_t newest_ns = newest_ns_;
  const auto out_of_order = std::find_if(sorted_.begin(), sorted_.end(), [&newest_ns](const RawPacket& packet) {
    if (packet.time_ns < newest_ns || packet.time_ns > newest_ns + kWindowNs) return true;
    newest_ns = packet.time_ns;
    return false;
  });
  newest_ns_ = newest_ns;
  if (out_of_order != sorted_.end()) {
    raw_.assign(out_of_order, sorted_.end());
    sorted_.erase(out_of_order, sorted_.end());
    return false;
  }
  release(false);
  return true;
}

void TimeOrder::classify_rest() {
  // After a step back there may be enough to go on with.
  if (raw_.empty() || place_of(0) == Place::undecided) read_on();
  classify();
}

// The file's buffer is about to move: what is held gets bytes of its own.
void TimeOrder::hold_over() {
  size_t bytes = 0;
  for (const auto* held : {&sorted_, &raw_})
    for (const RawPacket& packet : *held) bytes += packet.captured_length;
  std::vector<uint8_t> arena(bytes);
  uint8_t* to = arena.data();
  for (auto* held : {&sorted_, &raw_}) {
    for (RawPacket& packet : *held) {
      std::copy_n(packet.data, packet.captured_length, to);
      packet.data = to;
      to += packet.captured_length;
    }
  }
  arena_.swap(arena);
}

void TimeOrder::read_on() {
  hold_over();
  const size_t held = raw_.size();
  raw_.resize(held + kBlock);
  raw_.resize(held + file_.read(std::span(raw_).subspan(held)));
}

TimeOrder::Place TimeOrder::place_of(size_t i) const {
  const int64_t time_ns = raw_[i].time_ns;
  if (begun_ && time_ns >= newest_ns_ - kWindowNs && time_ns <= newest_ns_ + kWindowNs) [[likely]]
    return Place::in_order;
  // A record or a few that are alone in their time have a wrong stamp; where more, or most of those that follow, are there as
  // well, it is the time that has moved: a pause of the traffic, a step of the clock, a file that was sorted by connection.
  const bool ahead = !begun_ || time_ns > newest_ns_;
  const size_t end = std::min(raw_.size(), i + 1 + kLookahead);
  size_t with = 0, without = 0, run = 1;
  for (size_t j = i + 1; j < end; ++j) {
    const int64_t other_ns = raw_[j].time_ns;
    const bool stays = ahead ? other_ns >= time_ns - kWindowNs : other_ns < newest_ns_ - kWindowNs;
    ++(stays ? with : without);
    run += stays && without == 0;
  }
  if (end < i + 1 + kLookahead && !file_.finished()) return Place::undecided;
  if (ahead) return run <= kRunMax && without > with ? Place::displaced : Place::in_order;
  return run <= kRunMax && without >= with ? Place::displaced : Place::steps_back;
}

// Between the newest of its neighbours before it and the first of those after it.
void TimeOrder::take_displaced(size_t i) {
  RawPacket packet = raw_[i];
  const auto is_neighbour = [&](const RawPacket& other) {
    return begun_ ? other.time_ns >= newest_ns_ - kWindowNs &&
                        (packet.time_ns < newest_ns_ || other.time_ns < packet.time_ns - kWindowNs)
                  : other.time_ns < packet.time_ns - kWindowNs;
  };
  const size_t end = std::min(raw_.size(), i + 1 + kLookahead);
  const auto after = std::find_if(raw_.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                  raw_.begin() + static_cast<std::ptrdiff_t>(end), is_neighbour);
  const bool followed = after != raw_.begin() + static_cast<std::ptrdiff_t>(end);
  const int64_t from_ns = begun_ ? newest_ns_ : after->time_ns;
  const int64_t to_ns = followed ? std::max(from_ns, after->time_ns) : from_ns;
  furthest_ns_ = std::max(furthest_ns_, packet.time_ns > to_ns ? packet.time_ns - to_ns : from_ns - packet.time_ns);
  if (displaced_++ == 0) first_displaced_ = packet.frame;
  uncertain_.push_back({from_ns, to_ns});
  packet.time_ns = to_ns;
  packet.stamp_uncertainty_ns = static_cast<uint32_t>(std::min<int64_t>(to_ns - from_ns, UINT32_MAX));
  sorted_.push_back(packet);
}

void TimeOrder::classify() {
  size_t i = 0;
  for (; i < raw_.size(); ++i) {
    const Place place = place_of(i);
    if (place == Place::undecided) break;
    if (place == Place::displaced) {
      take_displaced(i);
      continue;
    }
    if (place == Place::steps_back) {
      if (!sorted_.empty()) break;  // all that is before it goes first
      if (steps_back_++ == 0) first_step_back_ = raw_[i].frame;
      longest_step_ns_ = std::max(longest_step_ns_, newest_ns_ - raw_[i].time_ns);
      uncertain_.push_back({raw_[i].time_ns, CaptureFile::kTimeNsMax});
      newest_ns_ = raw_[i].time_ns;
      released_ns_ = kTimeMin;
    }
    if (begun_ && raw_[i].time_ns < newest_ns_) take_disorder(raw_[i]);
    newest_ns_ = begun_ ? std::max(newest_ns_, raw_[i].time_ns) : raw_[i].time_ns;
    begun_ = true;
    sorted_.push_back(raw_[i]);
  }
  const bool step_next = i < raw_.size() && place_of(i) == Place::steps_back;
  raw_.erase(raw_.begin(), raw_.begin() + static_cast<std::ptrdiff_t>(i));
  release(step_next || (file_.finished() && raw_.empty()));
}

// Held are packets for some times as long as any was late so far, so that files with small disorder are held for little.
void TimeOrder::take_disorder(const RawPacket& packet) {
  constexpr int64_t kHoldNsMin = 10'000'000, kTimes = 4;
  hold_ns_ = std::max(hold_ns_, std::clamp(kTimes * (newest_ns_ - packet.time_ns), kHoldNsMin, kWindowNs));
  if (packet.time_ns >= released_ns_) return;
  if (late_++ == 0) first_late_ = packet.frame;
  uncertain_.push_back({packet.time_ns, released_ns_});
}

void TimeOrder::release(bool all) {
  if (hold_ns_ > 0 && !std::is_sorted(sorted_.begin(), sorted_.end(), earlier))
    std::stable_sort(sorted_.begin(), sorted_.end(), earlier);
  ready_ = sorted_.size();
  if (!all && hold_ns_ > 0) ready_ = ready_after_hold();
  if (ready_ > 0) released_ns_ = std::max(released_ns_, sorted_[ready_ - 1].time_ns);
}

size_t TimeOrder::ready_after_hold() const {
  const auto bound = std::partition_point(sorted_.begin(), sorted_.end(),
                                          [this](const RawPacket& p) { return p.time_ns <= newest_ns_ - hold_ns_; });
  return std::max(static_cast<size_t>(bound - sorted_.begin()), sorted_.size() - std::min(sorted_.size(), kHeldMax));
}

std::string TimeOrder::warning() const {
  std::string text;
  if (displaced_ > 0) {
    text = "is not in time order: " + std::to_string(displaced_) + (displaced_ == 1 ? " packet is" : " packets are") +
           " stamped up to " + rough_text(furthest_ns_) + " away from those around, the first of them packet " +
           std::to_string(first_displaced_) + "; taken by the place in the file";
  }
  if (late_ > 0) {
    text += (text.empty() ? "" : "; ") + std::string("is not in time order: ") + std::to_string(late_) +
            (late_ == 1 ? " packet was" : " packets were") + " not put in order, the first of them packet " +
            std::to_string(first_late_) + "; sort the file (reordercap)";
  }
  if (steps_back_ > 0) {
    text += (text.empty() ? "" : "; ") + std::string("is not in time order: the time goes back ") +
            (steps_back_ == 1 ? "once" : std::to_string(steps_back_) + " times") + " by up to " + rough_text(longest_step_ns_) +
            ", first at packet " + std::to_string(first_step_back_) +
            "; the order of the file was kept, and sorting it (reordercap) may show more";
  }
  return text;
}

}  // namespace parallax
